"""The projection is the same for any order of events, and agrees with the sandbox that sent them."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.fuzzing import examples
from support.projection_stories import START, Story, dump, fold, odd_events, play, shuffled_batches, steps
from telnyx_conferencing.server.events.event import StoredEvent
from telnyx_conferencing.server.events.projection.projection import Projection

Json = dict[str, Any]

LATER = START + timedelta(hours=1)


def fold_in_batches(batches: list[list[StoredEvent]], now: datetime) -> Projection:
    """Fold the events, and read the projection after each batch, so that late events make it compute states again."""
    projection = Projection()
    for batch in batches:
        for event in batch:
            projection.add(event)
        dump(projection, now)
    return projection


@given(data=st.data(), numbers=steps)
def test_events_in_any_order_with_duplicates_give_the_same_projection(data: st.DataObject, numbers: Any) -> None:
    story = play(numbers)
    events = story.events()
    batches = data.draw(shuffled_batches(events))
    assert dump(fold_in_batches(batches, story.now), story.now) == dump(fold(events), story.now)


@given(data=st.data(), events=odd_events())
def test_odd_events_in_any_order_give_the_same_projection(data: st.DataObject, events: list[StoredEvent]) -> None:
    batches = data.draw(shuffled_batches(events))
    assert dump(fold_in_batches(batches, LATER), LATER) == dump(fold(events), LATER)


@given(data=st.data(), numbers=steps)
def test_commands_and_answers_in_any_order_with_events_give_the_same_projection(
    data: st.DataObject, numbers: Any
) -> None:
    story = play(numbers)
    events = story.events()
    first = story.projection(events)
    story.ask(first)
    second = fold(())
    story.ask(second)
    shuffled = data.draw(st.permutations(events))
    half = len(shuffled) // 2
    for event in shuffled[:half]:
        second.add(event)
    for tool, arguments, at in story.accepted:
        second.record_command(tool, arguments, at)
    for event in shuffled[half:]:
        second.add(event)
    assert dump(first, story.now) == dump(second, story.now)


@given(events=odd_events())
def test_add_names_every_resource_that_changes(events: list[StoredEvent]) -> None:
    projection = Projection()
    before = dump(projection, LATER)
    for event in events:
        named = projection.add(event)
        after = dump(projection, LATER)
        changed = {uri for uri in before.keys() | after.keys() if before.get(uri) != after.get(uri)}
        assert changed <= named, event
        before = after


@given(numbers=steps)
@examples(30)
def test_add_names_every_resource_that_changes_in_a_story(numbers: Any) -> None:
    story = play(numbers)
    projection = Projection()
    before = dump(projection, story.now)
    for event in reversed(story.events()):
        named = {uri.replace("sales%20%2F%20%C3%A9v%C3%A9%3F", "sales / évé?") for uri in projection.add(event)}
        after = dump(projection, story.now)
        changed = {uri for uri in before.keys() | after.keys() if before.get(uri) != after.get(uri)}
        assert changed <= named, event
        before = after


@given(events=odd_events())
def test_a_known_event_changes_nothing(events: list[StoredEvent]) -> None:
    projection = fold(events)
    assert all(projection.add(event) == set() for event in events)


@given(numbers=steps)
def test_after_a_story_the_projection_equals_the_sandbox(numbers: Any) -> None:
    story = play(numbers)
    projection = story.projection()
    assert_is_the_sandbox(projection, story)
    assert_sounds_are_the_sandbox_s(projection, story)
    for room in story.sandbox.snapshot()["conferences"]:
        assert_known_facts_are_true(projection, room, story.now)


@given(data=st.data(), numbers=steps)
def test_reading_the_api_makes_up_for_missed_events(data: st.DataObject, numbers: Any) -> None:
    story = play(numbers)
    events = [event for event in story.events() if data.draw(st.booleans())]
    projection = story.projection(events)
    story.wait(10)
    story.ask(projection)
    assert_is_the_sandbox(projection, story)
    for room in story.sandbox.snapshot()["conferences"]:
        assert_known_facts_are_true(projection, room, story.now, every=True)


def assert_is_the_sandbox(projection: Projection, story: Story) -> None:
    """Who is in which conference, and who waits in which queue, in order."""
    state = story.sandbox.snapshot()
    for room in state["conferences"]:
        view = projection.conference(room["id"], story.now)
        assert view is not None
        assert (view.status == "ended") == (room["status"] == "completed")
        joined = [who["call_control_id"] for who in room["participants"] if who["status"] == "joined"]
        assert [who.call_control_id for who in view.participants if who.left_at is None] == joined or (
            sorted(who.call_control_id for who in view.participants if who.left_at is None) == sorted(joined)
        )
    waiting = {queue["name"]: queue["calls"] for queue in state["queues"]}
    for name in {*waiting, *(queue.name for queue in projection.queues(story.now))}:
        view = projection.queue(name, story.now)
        seen = [] if view is None else [(call.call_control_id, call.is_alive is not False) for call in view.calls]
        assert seen == [(call["call_control_id"], call["is_alive"]) for call in waiting.get(name, [])]


def assert_sounds_are_the_sandbox_s(projection: Projection, story: Story) -> None:
    state = story.sandbox.snapshot()
    playing = Counter((item["conference_id"], item["kind"], item.get("call_control_id")) for item in state["playing"])
    views = projection.conferences(story.now)
    assert Counter((view.id, item.kind, item.to) for view in views for item in view.playing or ()) == playing
    recordings = {item["id"] for item in state["recordings"] if item["status"] == "completed"}
    assert {item.recording_id for view in views for item in view.recordings or ()} == recordings
    recorded = {item["conference_id"]: item["status"] for item in state["recordings"] if item["status"] != "completed"}
    known = {view.id: view.recording.value for view in views if view.recording and view.recording.value != "stopped"}
    assert known == recorded


def assert_known_facts_are_true(projection: Projection, room: Json, now: datetime, every: bool = False) -> None:
    """Muted and on hold, as far as known from commands; `every`: of everyone, since the API was asked."""
    view = projection.conference(room["id"], now)
    assert view is not None
    truth = {who["call_control_id"]: who for who in room["participants"] if who["status"] == "joined"}
    for who in view.participants:
        if who.left_at is not None:
            continue
        real = truth[who.call_control_id]
        if every:
            assert who.muted is not None
            assert who.on_hold is not None
        if who.on_hold is not None and (every or room["status"] != "init"):
            assert who.on_hold.value == real["on_hold"]
        # A whisper whose only hearer leaves is a monitor, of which nothing tells but the API.
        if who.muted is not None and (every or who.role is None or who.role.value != "whisper"):
            assert who.muted.value == real["muted"]
