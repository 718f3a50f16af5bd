"""The event store: events are stored once, found, passed to subscribers, and deleted when they are old."""

import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from support.postgres import Cluster
from support.stored_events import START, Clock, add_all, make_event, series
from telnyx_conferencing.server.events.event import Event, EventFilter, StoredEvent, Via
from telnyx_conferencing.server.events.store import Store, StoreError, UnfitEvent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(address: str, anyio_backend: str) -> AsyncIterator[Store]:
    async with Store.open(address) as opened:
        yield opened


def numbers(events: list[StoredEvent] | list[StoredEvent | None]) -> list[int]:
    return [event.number for event in events if event]


class Subscriber:
    """Collects the events that it receives."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.calls = 0
        self._more = anyio.Event()

    def __call__(self, events: list[StoredEvent]) -> None:
        self.events += events
        self.calls += 1
        self._more.set()
        self._more = anyio.Event()

    async def until(self, count: int) -> list[StoredEvent]:
        """Wait until it has received this many events, and return them."""
        with anyio.fail_after(10):
            while len(self.events) < count:
                await self._more.wait()
        return self.events


class TestAdding:
    async def test_an_event_is_read_back_as_it_was_added(self, store: Store) -> None:
        event = Event(
            id="4c5e",
            type="call.enqueued",
            occurred_at=datetime(2026, 5, 1, 9, 30, 0, 123456, tzinfo=UTC),
            payload={"from": "Zoë \u202e\0", "tags": [1, 2.5, None, {"x": True}]},
            via=Via.CATCH_UP,
            verified=False,
            conference_id="room",
            call_control_id="v3:leg",
            call_session_id="session",
            queue="support",
        )
        added = await store.add(event)
        assert added == await store.get("4c5e")
        assert added
        assert Event(**{name: getattr(added, name) for name in Event.__dataclass_fields__}) == event
        assert added.number == 1

    async def test_an_unknown_id_has_no_event(self, store: Store) -> None:
        await store.add(make_event("without a body"))
        assert await store.get("nothing") is None

    async def test_a_second_event_with_the_same_id_is_counted_and_changes_nothing(self, store: Store) -> None:
        first = await store.add(make_event("a"))
        assert await store.add(make_event("a", type="other", payload={"digits": "2"})) is None
        assert store.duplicates == 1
        assert await store.get("a") == first

    async def test_an_event_that_arrives_many_times_at_once_is_stored_once(self, store: Store) -> None:
        answers = await add_all(store, [make_event("a")] * 50)
        assert len(numbers(answers)) == 1
        assert store.duplicates == 49
        assert await store.count(EventFilter()) == 1

    @pytest.mark.parametrize("count", [1, 20, 700])
    async def test_each_event_of_a_group_gets_its_own_number(self, store: Store, count: int) -> None:
        await add_all(store, series(10, "twice"))
        answers = await add_all(store, [*series(count), *series(5, "twice"), *series(count, "more")])
        assert numbers(answers) == sorted(numbers(answers))
        assert len(numbers(answers)) == 2 * count
        assert await store.find(EventFilter(after_number=10), limit=2 * count, newest_first=False) == [
            answer for answer in answers if answer
        ]

    async def test_events_added_at_the_same_time_share_commits(self, store: Store) -> None:
        subscriber = Subscriber()
        store.subscribe(subscriber)
        await add_all(store, series(1000))
        assert len(await subscriber.until(1000)) == 1000
        assert subscriber.calls <= 4

    async def test_a_cancelled_caller_leaves_its_event_stored_completely_or_not_at_all(self, store: Store) -> None:
        with anyio.CancelScope() as impatient:
            async with anyio.create_task_group() as tasks:
                for event in series(20):
                    tasks.start_soon(store.add, event)
                await anyio.lowlevel.checkpoint()
                impatient.cancel()
        await add_all(store, series(5, "after"))
        found = await store.find(EventFilter(), limit=100)
        assert {event.id for event in found} >= {f"after{place}" for place in range(5)}
        assert all(event.payload == {"digits": "1"} for event in found)

    async def test_events_that_were_added_before_the_end_are_stored(self, address: str) -> None:
        async with anyio.create_task_group() as tasks, Store.open(address) as store:
            for event in series(20):
                tasks.start_soon(store.add, event)
            await anyio.lowlevel.checkpoint()
        async with Store.open(address) as store:
            assert await store.count(EventFilter()) == 20

    async def test_a_closed_store_accepts_no_events(self, address: str) -> None:
        async with Store.open(address) as store:
            pass
        with pytest.raises(StoreError, match="closed"):
            await store.add(make_event("a"))

    async def test_a_payload_that_is_not_json_is_refused_without_affecting_others(self, store: Store) -> None:
        with pytest.raises(UnfitEvent, match="payload"):
            await store.add(make_event("a", payload={"x": object()}))
        assert await store.add(make_event("b"))

    @pytest.mark.parametrize("text", ["", "\0", "\ud800", "Zoë", "'; DROP TABLE events; --", "x" * 100_000])
    async def test_any_text_can_be_an_id_a_type_and_a_queue(self, store: Store, text: str) -> None:
        added = await store.add(make_event(text, type=text, queue=text))
        assert added
        for event_filter in (EventFilter(queue=text), EventFilter(types=frozenset({text}))):
            assert numbers(await store.find(event_filter, limit=10)) == [1]
        assert await store.get(text)
        assert len(await store.distinct("queue", text)) == 1


class TestFinding:
    async def test_events_are_found_in_the_order_of_storage_not_of_occurrence(self, store: Store) -> None:
        for place in (5, 1, 9):
            await store.add(make_event(str(place), occurred_at=START + timedelta(seconds=place)))
        assert [event.id for event in await store.find(EventFilter(), limit=10)] == ["9", "1", "5"]
        assert [event.id for event in await store.find(EventFilter(), limit=2, newest_first=False)] == ["5", "1"]

    async def test_a_count_stops_at_a_thousand(self, store: Store) -> None:
        await add_all(store, series(1_050, queue="support"))
        assert await store.count(EventFilter()) == 1_000
        assert await store.count(EventFilter(queue="support", since=START)) == 1_000
        assert await store.count(EventFilter(since=START + timedelta(seconds=1_000))) == 50

    async def test_distinct_values_start_with_the_most_recently_used(self, store: Store) -> None:
        rooms = ["aa", "ab", "b", "aa"]
        for place, room in enumerate(rooms):
            await store.add(make_event(f"id{place}", conference_id=room, queue=f"queue {room}", type=f"type.{room}"))
        await store.add(make_event("without a conference"))
        assert await store.distinct("conference_id") == ["aa", "b", "ab"]
        assert await store.distinct("conference_id", "a") == ["aa", "ab"]
        assert await store.distinct("conference_id", limit=1) == ["aa"]
        assert await store.distinct("queue", "queue a") == ["queue aa", "queue ab"]
        assert await store.distinct("type", "type.b") == ["type.b"]
        assert await store.distinct("id", "id", limit=2) == ["id3", "id2"]
        assert await store.distinct("call_control_id") == []

    async def test_distinct_values_include_those_last_used_long_ago(self, store: Store) -> None:
        await store.add(make_event("first", call_control_id="the first"))
        await add_all(store, series(3000, call_control_id="another"))
        assert await store.distinct("call_control_id") == ["another", "the first"]
        assert await store.distinct("id", "fir") == ["first"]


class TestSubscribing:
    async def test_every_subscriber_receives_each_event_once_in_the_order_of_numbers(self, store: Store) -> None:
        one, another = Subscriber(), Subscriber()
        store.subscribe(one)
        store.subscribe(another)
        added = await add_all(store, series(50))
        assert await one.until(50) == await another.until(50) == added

    async def test_a_duplicate_event_is_passed_on_once(self, store: Store) -> None:
        subscriber = Subscriber()
        store.subscribe(subscriber)
        await add_all(store, series(5))
        await add_all(store, series(5))
        await store.add(make_event("last"))
        assert [event.id for event in await subscriber.until(6)] == ["e0", "e1", "e2", "e3", "e4", "last"]

    async def test_a_subscriber_receives_only_events_of_the_time_of_its_subscription(self, store: Store) -> None:
        subscriber, always = Subscriber(), Subscriber()
        await store.add(make_event("before"))
        store.subscribe(always)
        unsubscribe = store.subscribe(subscriber)
        await store.add(make_event("meanwhile"))
        await subscriber.until(1)
        unsubscribe()
        unsubscribe()
        await store.add(make_event("after"))
        await always.until(2)
        assert [event.id for event in subscriber.events] == ["meanwhile"]

    async def test_a_failing_subscriber_stops_neither_the_others_nor_the_store(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        subscriber = Subscriber()

        def fail(events: list[StoredEvent]) -> None:
            raise RuntimeError("broken")

        store.subscribe(fail)
        store.subscribe(subscriber)
        await store.add(make_event("a"))
        assert await store.add(make_event("b"))
        assert [event.id for event in await subscriber.until(2)] == ["a", "b"]
        assert "broken" in caplog.text

    async def test_a_second_store_in_the_same_process_receives_all_events(self, store: Store, address: str) -> None:
        subscriber = Subscriber()
        async with Store.open(address) as other:
            other.subscribe(subscriber)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(add_all, store, series(100, "here"))
                tasks.start_soon(add_all, other, series(100, "there"))
            assert numbers(await subscriber.until(200)) == list(range(1, 201))


class TestRetention:
    async def test_old_events_are_deleted(self, address: str) -> None:
        clock = Clock()
        async with Store.open(address, keep_for=timedelta(days=30), now=clock) as store:
            await add_all(store, series(500, "old"))
            clock.time += timedelta(days=30)
            await add_all(store, series(10, "new"))
            assert await store.prune() == 0
            clock.time += timedelta(seconds=1)
            assert await store.prune() == 500
            assert {event.id for event in await store.find(EventFilter(), limit=1000)} == {f"new{n}" for n in range(10)}

    async def test_events_can_be_kept_for_ever(self, address: str) -> None:
        async with Store.open(address, keep_for=timedelta.max) as store:
            await store.add(make_event("a"))
            assert await store.prune() == 0

    async def test_the_oldest_of_too_many_events_are_deleted(self, address: str) -> None:
        async with Store.open(address, keep_most=100) as store:
            for _ in range(4):  # what came twice does not count
                await add_all(store, series(50))
            assert await store.prune() == 0
            await add_all(store, series(700, "more"))
            assert await store.prune() == 650
            assert [event.id for event in await store.find(EventFilter(), limit=1000)] == [
                f"more{place}" for place in range(699, 599, -1)
            ]

    async def test_numbers_are_not_reused_after_all_events_were_deleted(self, address: str) -> None:
        clock = Clock()
        subscriber = Subscriber()
        async with Store.open(address, now=clock) as store:
            await add_all(store, series(10))
            clock.time += timedelta(days=31)
            assert await store.prune() == 10
            store.subscribe(subscriber)
            added = await store.add(make_event("next"))
            assert added
            assert added.number == 11
            assert await subscriber.until(1) == [added]

    async def test_a_search_by_time_after_pruning_finds_the_remaining_events(self, address: str) -> None:
        async with Store.open(address, keep_most=1500) as store:
            await add_all(store, series(3000))
            await store.prune()
            found = await store.find(EventFilter(until=START + timedelta(seconds=1600)), limit=3000)
            assert numbers(found) == list(range(1600, 1500, -1))

    async def test_events_can_be_added_while_many_are_pruned(self, address: str) -> None:
        clock = Clock()
        async with Store.open(address, now=clock) as store:
            await add_all(store, series(5000))
            clock.time += timedelta(days=31)
            left: list[int] = []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.prune)
                for event in series(5, "new"):
                    await store.add(event)
                    left.append(await store.count(EventFilter()))
            assert left[0] == 1_000  # or more: the first was stored in the middle of it
            assert await store.count(EventFilter()) == 5

    async def test_rejected_webhooks_are_kept_newest_first_and_bounded(self, address: str) -> None:
        async with Store.open(address) as store:
            for place in range(105):
                await store.reject(b"%d" % place, "not JSON")
            await store.reject(b"\xff" * 100_000, "not an event " * 1000)
            kept = await store.rejected()
        assert len(kept) == 100
        assert (kept[0].size, len(kept[0].body)) == (100_000, 65_536)
        assert len(kept[0].reason) == 1000
        assert kept[1].body == b"104"
        assert all(newer.received_at >= older.received_at for newer, older in pairwise(kept))

    @pytest.mark.slow
    async def test_memory_does_not_grow_with_the_number_of_events(self, store: Store) -> None:
        store.subscribe(lambda events: None)

        async def some(count: int) -> int:
            for place in range(0, count, 200):
                await add_all(store, series(200, f"{count}-{place}-", conference_id=f"{count}-{place}"))
                await store.find(EventFilter(conference_id=f"{count}-{place}"), limit=20)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            memory_before = await some(2000)
            memory_after = await some(6000)
        finally:
            tracemalloc.stop()
        assert memory_after - memory_before < 300_000


async def test_reads_that_are_cancelled_leave_the_store_usable(store: Store) -> None:
    await add_all(store, series(50))
    for turns in range(100):
        async with anyio.create_task_group() as reading:
            reading.start_soon(read_all, store)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            reading.cancel_scope.cancel()
    assert len(await read_all(store)) == 50


async def read_all(store: Store) -> list[StoredEvent]:
    return await store.find(EventFilter(), limit=100)


async def test_postgresql_stores_finds_and_reports_events(postgres: Cluster) -> None:
    """The one test of the event store on PostgreSQL in the fast run."""
    subscriber = Subscriber()
    async with Store.open(postgres.store()) as store:
        store.subscribe(subscriber)
        added = await add_all(store, [*series(20, queue="support"), make_event("e3")])
        assert added[-1] is None
        assert await subscriber.until(20) == added[:-1]
        event_filter = EventFilter(queue="support", types=frozenset({"conference.*"}), since=START)
        assert await store.find(event_filter, limit=100, newest_first=False) == added[:-1]
        assert await store.count(event_filter) == 20
