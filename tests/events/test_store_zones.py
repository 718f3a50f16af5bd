"""What events are found by is noted beside, for finished zones of numbers: it is complete, goes with the events, and
comes over from an older version."""

from datetime import timedelta
from typing import Any

import pytest

from support.older_store import put_back
from support.stored_events import START, Clock, add_all, made, series
from support.webhooks import eventually
from telnyx_conferencing.server.database import Transaction
from telnyx_conferencing.server.events.event import Event, EventFilter, StoredEvent
from telnyx_conferencing.server.events.store import Store, query
from telnyx_conferencing.server.events.store.zones import FIELDS, ZONE, note_zones

pytestmark = pytest.mark.anyio

Key = tuple[int, str, int]


def assorted(count: int, prefix: str = "e") -> list[Event]:
    """Events with and without each of the fields."""
    return [
        made(
            f"{prefix}{place}",
            type=f"type.{place % 3}",
            occurred_at=START + timedelta(seconds=place),
            payload={"place": place},
            conference_id=f"room {place // 40}" if place % 2 else None,
            call_control_id=f"leg {place // 7}" if place % 5 else None,
            queue="support" if place % 11 == 0 else None,
        )
        for place in range(count)
    ]


def keys(events: list[StoredEvent]) -> set[Key]:
    """What should be noted of these."""
    return {
        (code, value, event.number)
        for event in events
        for field, code in FIELDS.items()
        if (value := getattr(event, field)) is not None
    }


async def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    return await store.dialect.transaction(lambda session: session.rows(query))


async def noted(store: Store) -> set[Key]:
    found = await rows(store, "SELECT field, value, number FROM event_keys")
    return {(field, value, number) for field, value, number in found}


async def moved(store: Store, *, first: int, by: int) -> None:
    """Give the events from a number on greater ones, and forget what is noted."""

    def work(session: Transaction) -> None:
        for table in ("zones", "event_keys"):
            session.change(f"DELETE FROM {table}")
        session.change("UPDATE events SET number = number + :by WHERE number >= :first", first=first, by=by)

    await store.dialect.transaction(work)


async def test_every_key_of_a_finished_zone_is_noted_and_no_other(address: str) -> None:
    async with Store.open(address) as store:
        await add_all(store, assorted(5 * ZONE + 100))
        await note_zones(store.dialect)
        everything = await store.find(EventFilter(), limit=2_000)
        assert await noted(store) == keys([event for event in everything if event.number < 5 * ZONE])


async def test_zones_are_noted_by_themselves_as_events_come(address: str) -> None:
    async with Store.open(address) as store:
        await add_all(store, assorted(4 * ZONE))

        async def has_four() -> bool:
            return len(await rows(store, "SELECT block FROM zones")) == 4

        await eventually(has_four)


async def test_numbers_that_no_event_has_hold_nothing_up(address: str) -> None:
    """A database may give out numbers for what was there already."""
    async with Store.open(address) as store:
        await add_all(store, assorted(3 * ZONE))
        await moved(store, first=2 * ZONE - 5, by=100 * ZONE)
        await note_zones(store.dialect)
        everything = await store.find(EventFilter(), limit=2_000)
        newest = max(event.number for event in everything)
        assert newest > 102 * ZONE
        assert await noted(store) == keys([event for event in everything if event.number < newest // ZONE * ZONE])


@pytest.mark.parametrize("timed", [False, True])
async def test_nothing_is_missed_that_is_noted_in_the_middle_of_a_search(
    address: str, timed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which types there are is asked by a statement of its own."""
    async with Store.open(address) as store:
        await add_all(store, assorted(ZONE))
        await note_zones(store.dialect)
        await add_all(store, series(ZONE, "new", type="new.type"))
        existing = vars(query)["_existing"]

        async def and_note(*given: Any) -> list[str]:
            found = await existing(*given)
            await note_zones(store.dialect)
            return found

        monkeypatch.setattr(query, "_existing", and_note)
        wanted = EventFilter(types=frozenset({"new.*", "type.*"}), since=START if timed else None)
        assert len(await store.find(wanted, limit=1_000)) == 2 * ZONE
        assert await store.count(wanted) == 2 * ZONE


async def test_keys_go_with_their_events(address: str) -> None:
    clock = Clock()
    async with Store.open(address, keep_most=300, now=clock) as store:
        await add_all(store, assorted(5 * ZONE))
        await note_zones(store.dialect)
        assert await store.prune() == 5 * ZONE - 300
        left = await store.find(EventFilter(), limit=300)
        assert await noted(store) == keys([event for event in left if event.number < 5 * ZONE])
        clock.time += timedelta(days=31)
        assert await store.prune() == 300
        assert await noted(store) == set()


async def test_events_of_an_older_version_are_found_as_before(address: str) -> None:
    async with Store.open(address) as store:
        await add_all(store, assorted(5 * ZONE))
        await note_zones(store.dialect)
        everything = await store.find(EventFilter(), limit=2_000)
    await put_back(address, "0006", "UPDATE events SET raw = NULL WHERE number < 500")  # not every event had its body
    async with Store.open(address) as store:
        assert await store.find(EventFilter(), limit=2_000) == everything
        assert await noted(store) == keys([event for event in everything if event.number < 5 * ZONE])
        assert {event.id for event in await store.find(EventFilter(conference_id="room 3"), limit=100)} == {
            event.id for event in everything if event.conference_id == "room 3"
        }
        added = await store.add(made("next"))
        assert added
        assert added.number == 5 * ZONE + 1


async def test_numbers_go_on_in_an_older_store_that_was_emptied(address: str) -> None:
    clock = Clock()
    async with Store.open(address, now=clock) as store:
        await add_all(store, series(10))
        clock.time += timedelta(days=31)
        assert await store.prune() == 10
    await put_back(address, "0006")
    async with Store.open(address) as store:
        added = await store.add(made("next"))
        assert added
        assert added.number == 11
