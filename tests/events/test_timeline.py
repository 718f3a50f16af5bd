"""The timeline of a conference and its summary, as a person reads them."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from support.projection_stories import START, Story, event, fold
from telnyx_conferencing.server.events.event import StoredEvent
from telnyx_conferencing.server.events.projection.views import ConferenceSummary

SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "timeline.md"
ROOM = "11111111-2222-4333-8444-555555555555"


def timeline(
    events: Sequence[StoredEvent], now: datetime, names: Mapping[str, str] | None = None, room: str = ROOM
) -> str:
    text = fold(events).timeline(room, now, names)
    assert text is not None
    return text


def summary_of(events: Sequence[StoredEvent], now: datetime, room: str) -> ConferenceSummary:
    summary = fold(events).summary(room, now)
    assert summary is not None
    return summary


def support_call() -> tuple[Story, str]:
    """An agent takes a caller out of the queue, a supervisor listens, and it is recorded."""
    story = Story()
    agent, caller, supervisor = story.part("agent"), story.part("caller 1"), story.part("supervisor")
    room = story.do("create_conference", call_control_id=agent, name="Refund *urgent*")["id"]
    story.wait(2)
    story.do("join_conference", conference_id=room, call_control_id=caller)
    story.wait(1)
    story.do("play_audio", conference_id=room, call_control_ids=[caller], media_name="welcome")
    story.wait(12)
    story.do("start_recording", conference_id=room, format="mp3")
    for who, seconds in ((agent, 9), (caller, 21), (agent, 14)):
        story.speak(room, who)
        story.wait(seconds)
    story.do("join_conference", conference_id=room, call_control_id=supervisor, supervisor_role="monitor")
    story.wait(5)
    story.do("hold_participants", conference_id=room, call_control_ids=[caller])
    story.wait(40)
    story.do("unhold_participants", conference_id=room, call_control_ids=[caller])
    story.do("speak_text", conference_id=room, call_control_ids="everyone", payload="Thank you", voice="male")
    story.wait(8)
    story.speak(room, caller)
    story.wait(11)
    story.do("stop_recording", conference_id=room)
    story.hang_up(caller)
    story.wait(3)
    story.do("leave_conference", conference_id=room, call_control_id=supervisor)
    story.do("leave_conference", conference_id=room, call_control_id=agent)
    story.wait(60)
    return story, room


def test_a_timeline_is_as_reviewed() -> None:
    story, room = support_call()
    projection = story.projection()
    projection.merge_conference({"id": room, "name": "Refund *urgent*"}, None, story.now)
    lines_seen = projection.timeline(room, story.now, names={story.part("agent"): "Ann"})
    assert lines_seen is not None
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.parent.mkdir(parents=True, exist_ok=True)
        SNAPSHOT.write_text(lines_seen, "utf-8")
    assert lines_seen == SNAPSHOT.read_text("utf-8"), "if that is meant, UPDATE_SNAPSHOTS=1 make test rewrites it"


def test_a_timeline_of_events_alone_has_everything_but_commands() -> None:
    story, room = support_call()
    lines_seen = timeline(story.events(), story.now, room=room)
    assert "put on hold" not in lines_seen
    assert "- +2:06 The conference ended: everyone had left." in lines_seen.splitlines()
    shuffled = [*story.events()[::2], *story.events()[1::2]]
    assert timeline(shuffled, story.now, room=room) == lines_seen


def test_a_summary_has_people_durations_and_the_end_reason() -> None:
    story, room = support_call()
    summary = summary_of(story.events(), story.now, room)
    assert (summary.status, summary.seconds, summary.end_reason) == ("ended", 126, "all_left")
    assert (summary.peak_participants, summary.talk_turns) == (3, 4)
    agent, caller, supervisor = (story.part(name) for name in ("agent", "caller 1", "supervisor"))
    assert summary.talk_order == [agent, caller, agent, caller]
    assert [(who.call_control_id, who.seconds, who.talk_turns, who.left_because) for who in summary.participants] == [
        (agent, 126, 2, "left"),
        (caller, 121, 2, "hangup"),
        (supervisor, 67, 0, "left"),
    ]
    assert [who.hold_seconds for who in summary.participants] == [None, None, None]
    assert [recording.seconds for recording in summary.recordings or ()] == [108]
    known = story.projection().summary(room, story.now)
    assert known is not None
    assert [who.hold_seconds for who in known.participants] == [None, 40, None]


def test_a_summary_of_one_conference_leaves_out_the_others() -> None:
    other = event("conference.participant.joined", 1, call="x", conference_id="other")
    other_event = event("conference.participant.joined", 2, call="y", conference_id="ours")
    left = event("conference.participant.left", 3, call="x", conference_id="ours")
    hung_up = event("call.hangup", 4, call="y")
    people = summary_of([other, other_event, left, hung_up], START, "ours").participants
    assert [(who.call_control_id, who.seconds) for who in people] == [("y", 2), ("x", None)]


def of_room(type_: str, at: float, call: str | None = None, **payload: str) -> StoredEvent:
    return event(f"conference.{type_}", at, call=call, conference_id=ROOM, **payload)


def lines(events: Sequence[StoredEvent], at: float = 600) -> list[str]:
    lines_seen = timeline(events, START + timedelta(seconds=at))
    return [line for line in lines_seen.splitlines() if line.startswith("- ")]


def test_a_call_leg_is_named_by_name_number_or_id() -> None:
    joined = [of_room("participant.joined", at, f"leg-{at}") for at in range(3)]
    began = event("call.initiated", 0, call="leg-1", direction="outgoing", **{"from": "+1555100", "to": "+1555200"})
    lines_seen = timeline([*joined, began], START, names={"leg-2": "Zoë", "leg-0": " \n"})
    assert [line.split(" ")[2] for line in lines_seen.splitlines() if line.startswith("- ")] == [
        *("leg-0", "'+1555200'", "'Zoë'")
    ]


def test_duplicates_and_late_events_have_one_line() -> None:
    events = [
        of_room("participant.joined", 0, "a"),
        of_room("participant.joined", 5, "a"),
        event("call.hangup", 9, call="a"),
        of_room("participant.left", 9.2, "a"),
        of_room("ended", 9.3, reason="all_left"),
        of_room("ended", 9.4, reason="all_left"),
    ]
    assert lines(events) == [
        "- +0:00 a joined.",
        "- +0:09 a hung up after 0:09; nobody in it.",
        "- +0:09 The conference ended: everyone had left.",
    ]


def test_a_file_that_played_for_a_minute_has_a_line_for_its_end() -> None:
    events = [
        of_room("playback.started", 0, media_url="https://example.com/a.mp3?key=secret"),
        of_room("playback.ended", 75, media_url="https://example.com/a.mp3?key=secret"),
        of_room("participant.speak.started", 80, "a"),
    ]
    assert lines(events) == [
        "- +0:00 The file 'https\\://example.com/a.mp3' was played to everyone.",
        "- +1:15 The file 'https\\://example.com/a.mp3' to everyone ended after 1:15.",
        "- +1:20 Text was spoken to a.",
    ]


def test_times_count_from_the_start_and_beyond_an_hour() -> None:
    events = [of_room("created", 60, "a"), of_room("participant.joined", 0, "a"), of_room("floor.changed", 3_785, "a")]
    assert [line.split(" ")[1] for line in lines(events, 4_000)] == ["-1:00", "+0:00", "+1:02:05"]


def test_an_open_conference_has_its_duration_and_size() -> None:
    lines_seen = timeline([of_room("participant.joined", 0, "a")], START + timedelta(seconds=70))
    assert (
        "Started 2025-01-01 12:00:00 UTC, open for 1:10, 1 person in it now, at most 1 person at a time." in lines_seen
    )


def test_a_long_timeline_keeps_its_beginning_and_its_end() -> None:
    events = [of_room(f"participant.{('joined', 'left')[at % 2]}", at, f"leg-{at // 2}") for at in range(900)]
    lines_seen = lines(events, 1_000)
    assert len(lines_seen) == 201
    assert lines_seen[50] == "- (700 lines left out here)"
    assert (lines_seen[0], lines_seen[-1]) == (
        "- +0:00 leg-0 joined.",
        "- +14:59 leg-449 left after 0:01; nobody in it.",
    )


def test_turns_to_speak_share_a_line() -> None:
    turns = [of_room("floor.changed", at, "abc"[at % 3]) for at in range(1, 61)]
    joined = [of_room("participant.joined", 0, who) for who in "abc"]
    assert lines([*joined, *turns])[3:] == ["- +0:01 b, c, a spoke in turn: 60 turns in 0:59."]


def test_dropped_events_are_replaced_by_a_note() -> None:
    stays = [of_room(f"participant.{('joined', 'left')[at % 2]}", at, "a") for at in range(50)]
    lines_seen = fold(stays, moments_kept=10).timeline(ROOM, START)
    assert lines_seen is not None
    assert lines_seen.splitlines()[4] == "- (earlier events are left out here)"
