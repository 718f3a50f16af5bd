"""The live projection: what each event changes, what other sources add, what is forgotten."""

import gc
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from support.documented_webhooks import TYPES
from support.projection_stories import START, Story, dump, event, fold
from telnyx_conferencing.server.events.event import StoredEvent
from telnyx_conferencing.server.events.projection.projection import Projection
from telnyx_conferencing.server.events.projection.views import ConferenceView, QueueView

LIST = "telnyx://conferences"
ROOM = "telnyx://conferences/room"
QUEUES = "telnyx://queues"
LINE = "telnyx://queues/line"


def after(seconds: float) -> Any:
    return START + timedelta(seconds=seconds)


def in_room(type_: str, at: float, call: str | None = None, **payload: Any) -> StoredEvent:
    return event(f"conference.{type_}", at, call=call, conference_id="room", **payload)


def in_line(type_: str, at: float, call: str, **payload: Any) -> StoredEvent:
    return event(f"call.{type_}", at, call=call, queue="line", **payload)


def room(projection: Projection, at: float = 100) -> ConferenceView:
    view = projection.conference("room", after(at))
    assert view is not None
    return view


def line(projection: Projection, at: float = 100) -> QueueView:
    view = projection.queue("line", after(at))
    assert view is not None
    return view


def inside(projection: Projection, at: float = 100) -> list[str]:
    return [who.call_control_id for who in room(projection, at).participants if who.left_at is None]


def waiting(projection: Projection) -> list[str]:
    return [call.call_control_id for call in line(projection).calls]


OPEN = (in_room("created", 0, "a"), in_room("participant.joined", 1, "a"), in_room("participant.joined", 2, "b"))


# Each documented event

BEFORE: Sequence[StoredEvent] = (
    *OPEN,
    in_room("playback.started", 3),
    in_room("speak.started", 3),
    in_room("participant.playback.started", 3, "a"),
    in_room("participant.speak.started", 3, "a"),
    in_line("enqueued", 3, "q"),
)

WITHOUT_EFFECT = (
    *("call.cost", "call.transcription", "call.playback.started", "call.playback.ended"),
    *("call.speak.started", "call.speak.ended", "call.recording.error", "call.recording.saved"),
    *("call.recording.transcription.saved", "call.machine.detection.ended", "call.machine.greeting.ended"),
    *("call.machine.premium.detection.ended", "call.machine.premium.greeting.ended"),
)

CHANGES: Mapping[str, tuple[StoredEvent, set[str]]] = {
    **{event_type: (event(event_type, 5, call="a"), set()) for event_type in WITHOUT_EFFECT},
    "call.hold": (event("call.hold", 5, call="a"), {ROOM}),
    "call.unhold": (event("call.unhold", 5, call="a"), {ROOM}),
    "call.initiated": (event("call.initiated", 5, call="a", **{"from": "+15550001"}), {ROOM}),
    "call.answered": (event("call.answered", 5, call="a"), set()),
    "call.bridged": (event("call.bridged", 5, call="a"), set()),
    "call.gather.ended": (event("call.gather.ended", 5, call="a", digits="123"), set()),
    "call.dtmf.received": (event("call.dtmf.received", 5, call="a", digit="1"), set()),
    "call.hangup": (event("call.hangup", 5, call="a"), {ROOM}),
    "call.enqueued": (in_line("enqueued", 5, "r"), {LINE}),
    "call.dequeued": (in_line("dequeued", 5, "q"), {LINE}),
    "conference.created": (event("conference.created", 5, call="z", conference_id="new"), {LIST, f"{LIST}/new"}),
    "conference.ended": (in_room("ended", 5), {LIST, ROOM}),
    "conference.floor.changed": (in_room("floor.changed", 5, "a"), {ROOM}),
    "conference.participant.joined": (in_room("participant.joined", 5, "c"), {ROOM}),
    "conference.participant.left": (in_room("participant.left", 5, "a"), {ROOM}),
    "conference.recording.saved": (in_room("recording.saved", 5, "a", recording_id="r"), {ROOM}),
    **{
        f"conference.{whose}{kind}.{what}": (in_room(f"{whose}{kind}.{what}", 5, "a" if whose else None), {ROOM})
        for whose in ("", "participant.")
        for kind in ("playback", "speak")
        for what in ("started", "ended")
    },
}


def test_every_documented_type_is_in_the_table() -> None:
    assert CHANGES.keys() == set(TYPES)


@pytest.mark.parametrize("type_", CHANGES)
def test_an_event_names_every_resource_that_it_changes(type_: str) -> None:
    happened, named = CHANGES[type_]
    projection = fold(BEFORE)
    before = dump(projection, after(100))
    assert projection.add(happened) == named
    changed = dump(projection, after(100))
    assert {uri for uri in changed if changed[uri] != before.get(uri)} == named


def test_the_first_event_adds_its_conference_or_queue() -> None:
    projection = Projection()
    assert projection.add(in_room("floor.changed", 0, "a")) == {LIST, ROOM}
    assert projection.add(event("call.enqueued", 0, call="q", queue="a/b c")) == {QUEUES, f"{QUEUES}/a%2Fb%20c"}


def test_an_event_of_an_unknown_type_only_proves_that_the_conference_exists() -> None:
    projection = fold(OPEN)
    assert projection.add(in_room("transcription.started", 5)) == set()
    assert projection.add(event("call.machine.detection.ended", 5, call="a")) == set()
    assert projection.add(event("conference.odd", 5, conference_id="other")) == {LIST, f"{LIST}/other"}


# Conferences


def test_a_participant_has_times_and_seconds_over_all_stays() -> None:
    projection = fold([*OPEN, in_room("participant.left", 12, "b"), in_room("participant.joined", 50, "b")])
    who = room(projection, 60).participants[1]
    assert (who.joined_at, who.left_at, who.seconds, who.stays) == (after(50), None, 20, 2)


def test_the_last_speaker_has_the_floor_until_they_leave() -> None:
    spoken = [in_room("floor.changed", at, who) for at, who in ((3, "a"), (4, "b"), (5, "b"), (6, "a"))]
    projection = fold([*OPEN, *spoken])
    view = room(projection)
    assert view.floor is not None
    assert (view.floor.call_control_id, view.floor.since) == ("a", after(6))
    assert [(who.call_control_id, who.has_floor, who.talk_turns) for who in view.participants] == [
        ("a", True, 2),
        ("b", None, 1),
    ]
    projection.add(in_room("participant.left", 7, "a"))
    assert room(projection).floor is None


def test_a_hangup_ends_a_stay_and_a_place_in_a_queue() -> None:
    projection = fold([*OPEN, in_line("enqueued", 3, "q")])
    assert projection.add(event("call.hangup", 9, call="b")) == {ROOM}
    assert projection.add(event("call.hangup", 9, call="q")) == {LINE}
    assert inside(projection) == ["a"]
    assert room(projection).participants[1].left_because == "hangup"
    queue = line(projection)
    assert (waiting(projection), queue.left_by_reason, queue.average_wait_secs) == ([], {"hangup": 1}, 6)


def test_a_hangup_that_arrives_first_counts_too() -> None:
    projection = fold([event("call.hangup", 9, call="b"), *reversed(OPEN)])
    assert inside(projection) == ["a"]


def test_the_end_of_a_conference_ends_everything_in_it() -> None:
    projection = fold([*BEFORE, in_room("floor.changed", 4, "a"), in_room("ended", 10, reason="time_exceeded")])
    projection.record_command("start_recording", {"conference_id": "room", "format": "wav"}, after(4))
    view = room(projection)
    assert (view.status, view.ended_at, view.end_reason, view.seconds) == ("ended", after(10), "time_exceeded", 10)
    assert (view.present, view.floor, view.playing, view.recording) == (0, None, None, None)
    assert [who.left_because for who in view.participants] == ["conference ended"] * 2


def test_a_conference_has_ended_after_four_hours() -> None:
    projection = fold(OPEN)
    assert room(projection, 4 * 3600).status == "open"
    view = room(projection, 4 * 3600 + 1)
    assert (view.status, view.status_from, view.ended_at, view.present) == ("ended", "time", after(4 * 3600), 0)
    assert projection.conferences(after(5 * 3600), open_only=True) == []


def test_a_participant_whose_join_was_missed_has_no_time_of_joining() -> None:
    projection = fold([in_room("participant.left", 5, "a"), in_room("floor.changed", 6, "b")])
    assert [(who.call_control_id, who.joined_at, who.seconds) for who in room(projection).participants] == [
        ("b", None, None),
        ("a", None, None),
    ]
    projection.add(in_room("participant.joined", 1, "b"))
    assert room(projection).participants[0].joined_at == after(1)


def test_conferences_are_listed_newest_first() -> None:
    created = [event("conference.created", at, conference_id=f"c{at}") for at in (3, 1, 2)]
    projection = fold([*created, event("conference.ended", 9, conference_id="c2")])
    assert [view.id for view in projection.conferences(after(10))] == ["c3", "c2", "c1"]
    assert [view.id for view in projection.conferences(after(10), open_only=True)] == ["c3", "c1"]


def test_the_address_of_a_playing_file_has_no_secrets() -> None:
    secret = "https://user:pass@example.com/hold.mp3?token=secret#x"
    projection = fold([*OPEN, in_room("playback.started", 3, media_url=secret)])
    (sound,) = room(projection).playing or [None]
    assert sound is not None
    assert (sound.kind, sound.to, sound.media_url) == ("playback", None, "https://example.com/hold.mp3")


def test_of_two_playbacks_of_a_file_the_first_ends_first() -> None:
    twice = [in_room("playback.started", at, media_name="x") for at in (3, 4)]
    projection = fold([*OPEN, *twice, in_room("playback.ended", 5, media_name="x")])
    assert [sound.since for sound in room(projection).playing or ()] == [after(4)]


def test_a_saved_recording_has_its_times_and_no_links() -> None:
    links = {"mp3": "https://example.com/r.mp3?signature=secret"}
    payload = {"recording_id": "r1", "format": "mp3", "recording_urls": links, "public_recording_urls": links}
    times = {"recording_started_at": after(2).isoformat(), "recording_ended_at": after(32).isoformat()}
    projection = fold([*OPEN, in_room("recording.saved", 50, "a", **payload, **times)])
    view = room(projection)
    (saved,) = view.recordings or [None]
    assert saved is not None
    assert (saved.recording_id, saved.format, saved.seconds) == ("r1", "mp3", 30)
    assert "example.com" not in str(dump(projection, after(60)))


def test_a_recording_that_is_saved_late_does_not_stop_the_next_one() -> None:
    projection = fold(OPEN)
    projection.record_command("start_recording", {"conference_id": "room", "format": "wav"}, after(40))
    projection.add(in_room("recording.saved", 50, "a", recording_id="r1", recording_ended_at=after(32).isoformat()))
    recording = room(projection).recording
    assert recording is not None
    assert (recording.value, recording.source) == ("recording", "command")


def test_the_json_of_a_view_has_no_unknown_fields() -> None:
    assert room(fold(OPEN[:2]), 10).to_json() == {
        "id": "room",
        "status": "open",
        "started_at": "2025-01-01T12:00:00.000Z",
        "seconds": 10,
        "present": 1,
        "participants": [
            {"call_control_id": "a", "joined_at": "2025-01-01T12:00:01.000Z", "seconds": 9, "talk_turns": 0}
        ],
    }


# Queues


def test_a_queue_has_its_calls_in_order_and_figures_of_those_who_left() -> None:
    projection = fold(
        [
            *(in_line("enqueued", at, who) for at, who in ((1, "a"), (2, "b"), (3, "c"), (4, "d"))),
            in_line("dequeued", 11, "b", reason="bridged", wait_time_secs=9),
            in_line("dequeued", 25, "a", reason="timeout"),
            event("call.initiated", 0, call="d", direction="incoming", **{"from": "+15550001"}),
        ]
    )
    view = line(projection, 34)
    assert [(call.position, call.call_control_id, call.seconds, call.number) for call in view.calls] == [
        (1, "c", 31, None),
        (2, "d", 30, "+15550001"),
    ]
    assert (view.left, view.average_wait_secs) == (2, (9 + 24) // 2)
    assert view.left_by_reason == {"bridged": 1, "timeout": 1}


def test_a_call_that_is_kept_after_hangup_keeps_its_place() -> None:
    projection = fold([in_line("enqueued", 1, "a"), in_line("enqueued", 2, "b"), event("call.hangup", 9, call="a")])
    assert waiting(projection) == ["b"]
    payload = {"call_control_id": "a", "queue_name": "line", "keep_after_hangup": True}
    projection.record_command("enqueue_call", payload, after(1.2))
    assert [(call.call_control_id, call.is_alive) for call in line(projection).calls] == [("a", False), ("b", None)]
    projection.add(in_line("dequeued", 20, "a", reason="hangup"))
    assert (waiting(projection), line(projection).left_by_reason) == (["b"], {"hangup": 1})


def test_a_deleted_queue_is_gone_until_a_call_is_enqueued_again() -> None:
    projection = fold([in_line("enqueued", 1, "a")])
    assert projection.record_command("delete_queue", {"queue_name": "line"}, after(2)) == {QUEUES, LINE}
    assert (projection.queue("line", after(3)), projection.queues(after(3))) == (None, [])
    assert projection.add(in_line("enqueued", 4, "b")) == {QUEUES, LINE}
    assert waiting(projection) == ["b"]


def test_a_queue_created_by_a_command_exists_before_any_event() -> None:
    projection = Projection()
    assert projection.record_command("create_queue", {"queue_name": "line", "max_size": 3}, START) == {QUEUES, LINE}
    size = line(projection).max_size
    assert size is not None
    assert (line(projection).size, size.value, size.source) == (0, 3, "command")


# Commands and the API


def test_the_newer_fact_applies_from_any_source() -> None:
    def muted(projection: Projection) -> tuple[bool, str] | None:
        fact = room(projection).participants[0].muted
        return None if fact is None else (fact.value, fact.source)

    projection = fold(OPEN)
    assert muted(projection) is None
    everyone = {"conference_id": "room", "call_control_ids": "everyone"}
    assert projection.record_command("mute_participants", everyone, after(20)) == {ROOM}
    assert muted(projection) == (True, "command")
    listed = [{"call_control_id": "a", "muted": False}, {"call_control_id": "b", "muted": True}]
    projection.merge_conference({"id": "room"}, listed, after(10))
    assert muted(projection) == (True, "command")
    projection.merge_conference({"id": "room"}, listed, after(30))
    assert muted(projection) == (False, "api")
    projection.record_command("unmute_participants", everyone, after(15))
    assert muted(projection) == (False, "api")


def test_a_fact_of_one_stay_does_not_apply_to_the_next() -> None:
    projection = fold(OPEN)
    projection.record_command("hold_participants", {"conference_id": "room", "call_control_ids": ["b"]}, after(5))
    projection.add(in_room("participant.left", 9, "b"))
    projection.add(in_room("participant.joined", 20, "b"))
    who = room(projection).participants[1]
    assert (who.on_hold, who.hold_seconds) == (None, 4)


def test_the_arguments_of_a_join_apply_to_the_stay_that_begins() -> None:
    projection = fold(OPEN)
    joins = {"conference_id": "room", "call_control_id": "s", "supervisor_role": "monitor", "hold": True}
    projection.record_command("join_conference", joins, after(4.9))
    projection.add(in_room("participant.joined", 5, "s"))
    who = room(projection).participants[2]
    facts = (who.role, who.muted, who.on_hold)
    assert [fact.value for fact in facts if fact is not None] == ["monitor", True, True]


def test_everyone_means_those_present_at_that_time() -> None:
    projection = fold([*OPEN, in_room("participant.joined", 30, "c")])
    projection.record_command("mute_participants", {"conference_id": "room", "call_control_ids": "everyone"}, after(20))
    assert [who.muted is not None for who in room(projection).participants] == [True, True, False]


def test_time_on_hold_is_counted_as_far_as_known() -> None:
    projection = fold(OPEN)
    b = {"conference_id": "room", "call_control_ids": ["b"]}
    projection.record_command("hold_participants", b, after(10))
    projection.record_command("unhold_participants", b, after(25))
    projection.merge_conference({"id": "room"}, [{"call_control_id": who, "on_hold": True} for who in "ab"], after(40))
    summary = projection.summary("room", after(50))
    assert summary is not None
    assert [who.hold_seconds for who in summary.participants] == [10, 25]


def test_fields_of_the_api_are_merged_with_the_time_of_the_request() -> None:
    projection = fold(OPEN)
    asked = {"id": "room", "name": "Stand\u202eup\n", "region": "US", "status": "in_progress"}
    listed = [
        {"call_control_id": "a", "label": "host", "end_conference_on_exit": True},
        {"call_control_id": "b", "whisper_call_control_ids": ["a"]},
    ]
    assert projection.merge_conference(asked, listed, after(10)) == {ROOM}
    assert projection.merge_conference(asked, listed, after(10)) == set()
    assert projection.merge_conference(asked, listed, after(20)) == set()  # the same again, only later
    view = room(projection)
    assert (view.name, view.region, view.api_asked_at) == ("Stand up", "US", after(20))
    host, agent = view.participants
    assert (host.label, host.end_conference_on_exit is not None) == ("host", True)
    assert agent.role is not None
    assert agent.whisper_to is not None
    assert (agent.role.value, agent.role.source, agent.whisper_to.value) == ("whisper", "api", ["a"])


def test_the_api_adds_participants_that_no_event_reported() -> None:
    projection = fold(OPEN)
    listed = [{"call_control_id": "a"}, {"call_control_id": "c", "created_at": after(3).isoformat()}]
    projection.merge_conference({"id": "room"}, listed, after(60))
    view = room(projection)
    assert [(who.call_control_id, who.source, who.left_because) for who in view.participants] == [
        ("a", None, None),
        ("c", "api", None),
        ("b", "api", "not listed"),
    ]
    assert view.participants[1].joined_at == after(3)


def test_an_answer_that_may_be_outdated_changes_no_stay() -> None:
    projection = fold([*OPEN, in_room("participant.joined", 58, "c"), in_room("participant.left", 59, "b")])
    projection.merge_conference({"id": "room"}, [{"call_control_id": "a"}, {"call_control_id": "b"}], after(60))
    assert inside(projection) == ["a", "c"]


def test_an_answer_without_participants_changes_none() -> None:
    projection = fold(OPEN)
    projection.merge_conference({"id": "room", "name": "x"}, None, after(60))
    assert inside(projection) == ["a", "b"]


def test_the_api_reports_an_end_that_no_event_reported() -> None:
    projection = fold(OPEN)
    over = {"id": "room", "status": "completed", "end_reason": "ended_via_api", "updated_at": after(50).isoformat()}
    assert projection.merge_conference(over, [], after(60)) == {LIST, ROOM}
    view = room(projection)
    assert (view.status, view.status_from, view.ended_at, view.end_reason) == (
        ("ended", "api", after(50), "ended_via_api")
    )


def test_the_api_adds_waiting_calls_that_no_event_reported() -> None:
    projection = fold([in_line("enqueued", 1, "a"), in_line("enqueued", 2, "b"), event("call.hangup", 3, call="b")])
    listed = [
        {"call_control_id": "x", "queue_position": 2, "enqueued_at": after(9).isoformat()},
        {"call_control_id": "b", "queue_position": 1, "is_alive": False},
    ]
    projection.merge_queue({"name": "line", "max_size": 9}, listed, after(60))
    view = line(projection)
    assert [(call.call_control_id, call.is_alive, call.source) for call in view.calls] == [
        ("b", False, None),
        ("x", None, "api"),
    ]
    assert (view.left, view.left_by_reason) == (1, {"not listed": 1})


def test_reading_a_queue_again_changes_only_the_read_time() -> None:
    projection = fold([in_line("enqueued", 1, "a")])
    listed = [{"call_control_id": "a", "queue_position": 1}]
    assert projection.merge_queue({"name": "line", "max_size": 9}, listed, after(60)) == {LINE}
    assert projection.merge_queue({"name": "line", "max_size": 9}, listed, after(90)) == set()
    assert line(projection).api_asked_at == after(90)
    assert projection.merge_queue({"name": "line", "max_size": 8}, listed, after(120)) == {LINE}
    assert projection.merge_queue({"name": "line", "max_size": 8}, [], after(150)) == {LINE}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"id": 7},
        {"id": "room", "name": {"a": 1}, "status": [], "created_at": "never", "end_reason": 3},
        {"id": "room", "status": "completed", "updated_at": None},
    ],
)
def test_a_malformed_answer_raises_nothing(odd: Mapping[str, Any]) -> None:
    projection = fold(OPEN)
    people: list[Mapping[str, Any]] = [{}, {"call_control_id": 5}, {"call_control_id": "a", "muted": "yes", "label": 9}]
    projection.merge_conference(odd, people, after(60))
    projection.merge_queue({**odd, "name": "line"}, people, after(60))
    assert dump(projection, after(70))


@pytest.mark.parametrize("tool", ["speak_text", "list_events", "nonsense"])
def test_a_command_that_events_report_changes_nothing(tool: str) -> None:
    projection = fold(OPEN)
    assert projection.record_command(tool, {"conference_id": "room", "call_control_ids": "everyone"}, after(5)) == set()


@pytest.mark.parametrize("command_at", [60, 62])
def test_a_conference_that_this_server_ended_does_not_end_because_all_had_left(command_at: int) -> None:
    ended = in_room("ended", 61, reason="all_left")
    projection = fold([*OPEN, ended])
    projection.record_command("end_conference", {"conference_id": "room"}, after(command_at))
    assert room(projection).end_reason == "ended_via_api"
    text = projection.timeline("room", after(90)) or ""
    assert "It ended: it was ended by a command." in text
    assert ("The conference ended: it was ended by a command." in text) == (command_at < 61)


# Bounds


def a_conference(number: int) -> list[StoredEvent]:
    """A call that waits, joins, speaks, and hangs up; ten seconds after the one before."""
    at, id_, call = number * 10.0, f"c{number}", f"leg{number}"
    return [
        event("call.initiated", at, call=call, **{"from": f"+1555{number}"}),
        event("call.enqueued", at + 1, call=call, queue="line"),
        event("call.dequeued", at + 2, call=call, queue="line", reason="leave"),
        event("conference.created", at + 2, call=call, conference_id=id_),
        event("conference.participant.joined", at + 3, call=call, conference_id=id_),
        event("conference.floor.changed", at + 4, call=call, conference_id=id_),
        event("call.hangup", at + 5, call=call),
        event("conference.ended", at + 6, call=call, conference_id=id_),
    ]


def test_the_conferences_that_ended_first_are_forgotten_and_late_events_do_not_restore_them() -> None:
    projection = fold((stored_event for number in range(10) for stored_event in a_conference(number)), ended_kept=3)
    assert [view.id for view in projection.conferences(after(100))] == ["c9", "c8", "c7"]
    assert projection.add(event("conference.participant.left", 5, call="leg0", conference_id="c0")) == set()
    assert projection.conference("c0", after(100)) is None


def test_legs_that_hung_up_are_forgotten_with_the_conference_unless_they_were_elsewhere_too() -> None:
    stories = [a_conference(number) for number in range(10)]
    events = [event for story in stories for event in story if event.queue is None or event.call_control_id == "leg1"]
    projection = fold(events, ended_kept=3)
    assert [projection.legs.number(f"leg{number}") for number in (0, 1, 9)] == [None, "+15551", "+15559"]


def test_the_order_of_events_does_not_decide_which_are_forgotten() -> None:
    events = [event for number in range(10) for event in a_conference(number)]
    projections = [fold(order, ended_kept=3) for order in (events, events[::-1], events[::2] + events[1::2])]
    first, *others = [dump(projection, after(100)) for projection in projections]
    assert all(other == first for other in others)


def test_very_old_events_of_unknown_conferences_are_ignored() -> None:
    late_events = [stored_event for number in range(2_000, 2_010) for stored_event in a_conference(number)]
    projection = fold(late_events, ended_kept=3)
    assert projection.add(event("conference.floor.changed", 5, call="leg0", conference_id="c0")) == set()
    assert projection.add(event("conference.floor.changed", 20_000, call="leg0", conference_id="c0")) != set()


def test_a_forgotten_conference_is_restored_from_its_events() -> None:
    stories = [a_conference(number) for number in range(30)]
    projection = fold((event for story in stories for event in story), ended_kept=3)
    assert projection.conference("c0", after(400)) is None
    assert projection.restore("c0", reversed(stories[0])) >= {LIST, f"{LIST}/c0"}
    assert projection.conference("c0", after(400)) == fold(stories[0]).conference("c0", after(400))
    projection.add(in_room("created", 390, "z"))
    assert len(projection.conferences(after(400))) == 5
    for number in range(1, 21):
        projection.restore(f"c{number}", stories[number])
    assert projection.conference("c0", after(400)) is None
    assert len(projection.conferences(after(400))) == 24
    assert projection.restore("room", [in_room("participant.joined", 391, "z")]) == {ROOM}


def test_a_new_conference_is_known_after_many_unknown_ones_were_asked_for() -> None:
    projection = fold([])
    for number in range(30):
        projection.restore(f"unknown{number}", [])
    projection.merge_conference({"id": "unknown0"}, [], after(1))
    for number in range(30):
        projection.merge_conference({"id": f"unknown{number}"}, [], after(1))
    projection.add(event("conference.created", 5, call="leg0", conference_id="c0"))
    assert projection.conference("c0", after(6)) is not None


def test_reading_the_api_restores_a_forgotten_conference() -> None:
    projection = fold((event for number in range(30) for event in a_conference(number)), ended_kept=3)
    projection.merge_conference({"id": "c0", "name": "Old", "status": "completed"}, [], after(400))
    view = projection.conference("c0", after(400))
    assert view is not None
    assert (view.name, view.status) == ("Old", "ended")


def test_open_conferences_are_not_forgotten() -> None:
    created = [event("conference.created", at, conference_id=f"c{at}") for at in range(300)]
    assert len(fold(created, ended_kept=3).conferences(after(301))) == 300


def test_conferences_whose_end_was_missed_are_forgotten_in_time() -> None:
    created = [event("conference.created", at * 3600, conference_id=f"c{at}") for at in range(300)]
    assert len(fold(created, ended_kept=3).conferences(after(300 * 3600))) < 100


@pytest.mark.slow
def test_ended_conferences_do_not_take_more_and_more_memory() -> None:
    kept = {"ended_kept": 5, "queues_kept": 5, "calls_kept": 40, "moments_kept": 50}
    projection = Projection(**kept)
    held: list[int] = []
    for number in range(1_500):
        for stored_event in a_conference(number):
            projection.add(stored_event)
        if number in (500, 1_499):
            gc.collect()
            held.append(len(gc.get_objects()))
    assert held[1] < held[0] + 500
    view = projection.queue("line", after(20_000))
    assert view is not None
    assert (view.left, view.average_wait_secs) == (1_500, 1)


def test_a_long_conference_ignores_only_very_late_events() -> None:
    talk = [in_room("floor.changed", 10 + at, "ab"[at % 2]) for at in range(1_000)]
    projection = fold([*OPEN, *talk], moments_kept=100)
    whole = fold([*OPEN, *talk])
    assert dump(projection, after(2_000))[ROOM]["summary"] == dump(whole, after(2_000))[ROOM]["summary"]
    assert projection.add(in_room("participant.left", 5, "a")) == set()
    assert projection.add(in_room("participant.left", 1_005, "a")) == {ROOM}
    assert inside(projection) == ["b"]


def test_empty_queues_are_forgotten_first() -> None:
    events = [event("call.enqueued", at, call=f"leg{at}", queue=f"q{at}") for at in range(4)]
    projection = fold([*events, event("call.dequeued", 9, call="leg2", queue="q2")], queues_kept=4)
    projection.add(event("call.enqueued", 10, call="new", queue="new"))
    assert [view.name for view in projection.queues(after(20))] == ["new", "q0", "q1", "q3"]


def test_a_view_lists_a_hundred_of_those_who_left_and_counts_the_rest() -> None:
    stays = [
        event
        for number in range(150)
        for event in (
            in_room("participant.joined", number, f"leg{number}"),
            in_room("participant.left", number + 0.5, f"leg{number}"),
        )
    ]
    view = room(fold(stays), 200)
    assert (len(view.participants), view.left_not_shown) == (100, 50)
    assert view.participants[0].call_control_id == "leg149"


def test_a_hold_is_in_the_sandbox_and_in_the_projection() -> None:
    story = Story()
    agent, caller = story.part("agent"), story.part("caller 1")
    id_ = story.do("create_conference", call_control_id=agent, name="Room")["id"]
    story.do("join_conference", conference_id=id_, call_control_id=caller)
    story.do("hold_participants", conference_id=id_, call_control_ids=[caller])
    view = story.projection().conference(id_, story.now)
    assert view is not None
    assert [who.on_hold is not None and who.on_hold.value for who in view.participants] == [False, True]
