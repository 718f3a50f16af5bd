"""Events as Telnyx really sends them: in surprising orders, under other names, with fields that are not documented."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.projection_stories import START, as_stored_events, event, fold
from telnyx_conferencing.server.events.envelope import is_version_1, parse_event
from telnyx_conferencing.server.events.event import Event, StoredEvent, Via
from telnyx_conferencing.server.events.projection.event_text import describe_event, event_kind
from telnyx_conferencing.server.events.projection.people import PersonView, describe_person
from telnyx_conferencing.server.events.projection.projection import Projection
from telnyx_conferencing.server.events.views import event_view

ROOM = "437af747-68e0-40f7-84df-116d7df607f0"
LEG = "v3:leg1"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def in_room(event_type: str, at: float, call: str | None = None, **payload: Any) -> StoredEvent:
    return event(f"conference.{event_type}", at, call=call, conference_id=ROOM, **payload)


def people_in(projection: Projection, seconds: float) -> list[PersonView]:
    """Everyone who is in the conference at this many seconds after the start."""
    people = (projection.person(leg, after(seconds)) for leg in sorted(projection.present_in(ROOM) or ()))
    return [person for person in people if person is not None]


def floor_before_join() -> list[StoredEvent]:
    """An order that was observed live: the floor changes before the conference is created and joined."""
    ids = {"call_control_id": LEG, "conference_id": ROOM}
    floor = {"event_type": "conference.floor.changed", "id": "1"}
    created = {"event_type": "conference.created", "id": "2", "occurred_at": "2026-11-27T12:00:02.000000Z"}
    joined = {"event_type": "conference.participant.joined", "id": "3", "occurred_at": "2026-11-27T12:00:02.100000Z"}
    return as_stored_events(
        [
            {"data": {**floor, "payload": {**ids, "occurred_at": "2026-11-27T12:00:01.500000Z"}}},
            {"data": {**created, "payload": ids}},
            {"data": {**joined, "payload": ids}},
        ]
    )


def test_a_floor_change_before_the_join_breaks_neither_the_time_nor_the_timeline() -> None:
    now = datetime(2026, 11, 27, 12, 0, 12, 100_000, tzinfo=UTC)
    for events in (floor_before_join(), floor_before_join()[::-1]):
        projection = fold(events)
        view = projection.conference(ROOM, now)
        assert view is not None
        [participant] = view.participants
        assert participant.joined_at == datetime(2026, 11, 27, 12, 0, 2, 100_000, tzinfo=UTC)
        assert (participant.seconds, participant.stays, participant.source) == (10, None, None)
        timeline = projection.timeline(ROOM, now) or ""
        assert "- +0:00 v3\\:leg1 joined." in timeline.splitlines()


def test_the_api_dates_a_stay_that_only_a_floor_change_reported() -> None:
    projection = fold([in_room("floor.changed", 5, LEG)])
    listed = {"call_control_id": LEG, "created_at": "2025-01-01T12:00:01Z"}
    projection.merge_conference({"id": ROOM, "name": "room"}, [listed], after(6))
    view = projection.conference(ROOM, after(11))
    assert view is not None
    assert (view.participants[0].seconds, view.participants[0].source) == (10, "api")


def test_a_late_event_appears_in_the_timeline_at_its_own_time() -> None:
    projection = fold([in_room("participant.joined", 0, "a"), in_room("participant.joined", 30, "c")])
    projection.add(in_room("participant.joined", 10, "b"))
    lines = (projection.timeline(ROOM, after(40)) or "").splitlines()
    assert [line.split(" ")[1] for line in lines if line.startswith("- ")] == ["+0:00", "+0:10", "+0:30"]


def test_a_command_on_a_name_changes_the_conference_of_that_name_and_makes_no_second_one() -> None:
    projection = fold([in_room("participant.joined", 0, LEG)])
    early = {"conference_id": "Sales room", "format": "mp3"}
    assert projection.record_command("start_recording", early, after(1)) == set()
    assert [view.id for view in projection.conferences(after(2))] == [ROOM]
    projection.merge_conference({"id": ROOM, "name": "Sales room"}, [{"call_control_id": LEG}], after(3))
    everyone = {"conference_id": "Sales room", "call_control_ids": [LEG]}
    assert projection.record_command("hold_participants", everyone, after(4)) == {f"telnyx://conferences/{ROOM}"}
    [view] = projection.conferences(after(5))
    assert view == projection.conference("Sales room", after(5))
    assert (view.recording and view.recording.value, view.recording and view.recording.since) == ("recording", after(1))
    assert view.participants[0].on_hold
    assert view.participants[0].on_hold.value is True


def test_a_command_on_an_id_that_is_not_known_yet_takes_effect_with_the_first_event() -> None:
    projection = Projection()
    projection.record_command("mute_participants", {"conference_id": ROOM, "call_control_ids": [LEG]}, after(2))
    assert projection.conferences(after(3)) == []
    projection.add(in_room("participant.joined", 1, LEG))
    view = projection.conference(ROOM, after(3))
    assert view is not None
    assert view.participants[0].muted
    assert view.participants[0].muted.value is True


def test_a_hold_counts_from_its_beginning_however_often_the_api_confirms_it() -> None:
    projection = fold([in_room("participant.joined", 0, LEG)])
    held = {"conference_id": ROOM, "call_control_ids": [LEG]}
    projection.record_command("hold_participants", held, after(10))
    for at in (20, 400, 801):
        listed = {"call_control_id": LEG, "on_hold": True, "muted": True}
        projection.merge_conference({"id": ROOM, "name": "room"}, [listed], after(at))
    [person] = people_in(projection, 801)
    assert (person.on_hold_since, person.muted_since) == (after(10), after(20))
    assert describe_person(person, after(801)) == "v3:leg1 muted, on hold for 13:11"


def test_call_hold_and_call_unhold_are_holds_in_every_order() -> None:
    events = [
        in_room("participant.joined", 0, LEG),
        event("call.hold", 10, call=LEG),
        event("call.unhold", 40, call=LEG),
        event("call.hold", 60, call=LEG),
    ]
    for order in (events, events[::-1], [events[2], events[0], events[3], events[1]]):
        projection = fold(order)
        view = projection.conference(ROOM, after(70))
        assert view is not None
        assert view.participants[0].hold_seconds == 40
        [person] = people_in(projection, 70)
        assert person.on_hold_since == after(60)
    lines = (fold(events).timeline(ROOM, after(70)) or "").splitlines()
    assert [line for line in lines if "hold" in line] == [
        "- +0:10 v3\\:leg1 was put on hold.",
        "- +0:40 v3\\:leg1 was taken off hold.",
        "- +1:00 v3\\:leg1 was put on hold.",
    ]


def test_people_are_described_by_number_name_role_and_state() -> None:
    projection = fold(
        [
            event(
                "call.initiated",
                0,
                call="a",
                direction="outgoing",
                to="sip:ann.lee@sip.telnyx.com",
                caller_id_name="Us",
            ),
            event(
                "call.initiated", 0, call="b", direction="incoming", **{"from": "+12025550152"}, caller_id_name="Bob B"
            ),
            event("call.initiated", 0, call="c", direction="incoming", **{"from": "+12025550153"}),
            event("call.initiated", 0, call="q", direction="incoming", **{"from": "+12025550154"}),
            *(in_room("participant.joined", 1, call) for call in "abc"),
            event("call.enqueued", 2, call="q", queue="sales"),
        ]
    )
    listed: list[dict[str, Any]] = [
        {"call_control_id": "a", "label": "agent", "muted": True},
        {"call_control_id": "b", "on_hold": True},
        {"call_control_id": "c", "end_conference_on_exit": True},
    ]
    projection.merge_conference({"id": ROOM, "name": "room"}, listed, after(10))
    assert [describe_person(person, after(140)) for person in people_in(projection, 140)] == [
        "ann.lee (agent) muted",
        "+12025550152 ('Bob B') on hold for 2:10",
        "+12025550153 (host)",
    ]
    arguments = {"conference_id": ROOM, "call_control_id": "c", "supervisor_role": "monitor"}
    projection.record_command("update_supervisor", arguments, after(20))
    monitor, queued = projection.person("c", after(140)), projection.person("q", after(62))
    assert monitor is not None
    assert queued is not None
    assert describe_person(monitor, after(140)) == "+12025550153 (monitor) muted"
    assert describe_person(queued, after(62)) == "+12025550154 waiting in queue 'sales' for 1:00"
    assert projection.person("unknown", after(1)) is None


def test_a_call_that_left_a_queue_may_be_reported_under_its_other_name() -> None:
    left = event("call.left.queue", 30, call="q", queue="sales", reason="bridged", wait_time_secs=28)
    projection = fold([event("call.enqueued", 2, call="q", queue="sales"), left])
    queue = projection.queue("sales", after(40))
    assert queue is not None
    assert (queue.size, queue.left_by_reason, queue.average_wait_secs) == (0, {"bridged": 1}, 28)
    assert describe_event(left) == "Call q left queue 'sales' after 28 s: it was bridged."
    assert event_kind(left.type) == "queue"


RECEIVED_AT = datetime(2026, 11, 27, 13, tzinfo=UTC)


def parsed(body: bytes) -> Event:
    return parse_event(body, via=Via.WEBHOOK, verified=True, received_at=RECEIVED_AT)


@pytest.mark.parametrize(
    "times",
    [
        b'"payload": {"occured_at": "2026-11-27T12:00:00.521Z"}',
        b'"occured_at": "2026-11-27T12:00:00.521Z"',
        b'"payload": {"occurred_at": "2026-11-27T12:00:00.521z"}',
        b'"occurred_at": "2026-11-27t12:00:00.521z"',
        b'"created_at": "2026-11-27T12:00:00.521Z"',
    ],
)
def test_the_time_of_an_event_is_read_however_telnyx_spells_it(times: bytes) -> None:
    found = parsed(b'{"id": "1", "event_type": "conference.floor.changed", %b}' % times)
    assert found.occurred_at == datetime(2026, 11, 27, 12, 0, 0, 521_000, tzinfo=UTC)


def test_version_1_of_the_webhook_api_is_recognised_by_its_type_names() -> None:
    assert [is_version_1(name) for name in ("call_initiated", "call.initiated", "streaming.started", "novel")] == [
        *(True, False, False, False)
    ]


def test_a_recording_link_under_an_undocumented_name_is_hidden_too() -> None:
    saved = event("call.recording.saved", 0, call=LEG, recording_url="https://example.com/secret.mp3")
    assert "secret" not in str(event_view(saved))
    assert "secret" in str(event_view(saved, urls=True))
