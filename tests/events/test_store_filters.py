"""Searches of the event store decide as `Wanted.matches` does, whatever index they go by."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fuzzing import examples
from support.stored_events import START, add_all, made
from support.webhooks import eventually
from telnyx_conferencing.server.events.event import MAX_COUNT, Event, EventFilter, StoredEvent
from telnyx_conferencing.server.events.store import Store

pytestmark = pytest.mark.anyio

TYPES = ("conference.created", "conference.participant.joined", "conference.participant.left", "call.enqueued")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
moments = st.integers(-5, 3005).map(lambda seconds: START + timedelta(seconds=seconds))
wanted_types = st.frozensets(
    st.sampled_from([*TYPES, "conference.*", "conference.participant.*", "call.*", "none.*", "none", ".*"]), max_size=3
)


wanteds = st.builds(
    EventFilter,
    types=wanted_types,
    conference_id=st.none() | st.sampled_from(["room 1", "room 2", "no room"]),
    call_control_id=st.none() | st.sampled_from(["leg 1", "leg 2", "no leg"]),
    queue=st.none() | st.sampled_from(["queue 1", "queue 2", ""]),
    since=st.none() | moments,
    until=st.none() | moments,
    after_number=st.none() | st.integers(-5, 3010),
    before_number=st.none() | st.integers(-5, 3010),
)


def assorted(count: int) -> list[Event]:
    """Events of every kind, some of them late by up to the whole time."""
    chance = random.Random(3)

    def one(place: int) -> Event:
        late = chance.choice([0, 0, 1, 5, chance.randrange(count)])
        return made(
            f"e{place}",
            type=chance.choice(TYPES),
            occurred_at=START + timedelta(seconds=max(0, place - late)),
            conference_id=chance.choice([None, "room 1", "room 2"]),
            call_control_id=chance.choice([None, "leg 1", "leg 2"]),
            queue=chance.choice([None, "queue 1", "queue 2"]),
        )

    return [one(place) for place in range(count)]


async def wait_for_zones(store: Store, count: int) -> None:
    """Until the times of so many runs of numbers are noted: beside the writer, so a little later."""

    async def noted() -> bool:
        query = "SELECT count(*) FROM zones"
        ((found,),) = await store.dialect.transaction(lambda session: session.rows(query))
        return found >= count

    await eventually(noted)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def full(module_address: str, anyio_backend: str) -> AsyncIterator[Store]:
    async with Store.open(module_address) as opened:
        await add_all(opened, assorted(3000))
        await wait_for_zones(opened, 8)
        yield opened


@pytest.fixture(scope="module")
async def everything(full: Store) -> list[StoredEvent]:
    return await full.find(EventFilter(), limit=3000, newest_first=False)


@given(wanted=wanteds, limit=st.sampled_from([1, 7, 3000]), newest_first=st.booleans())
@examples(200)
async def test_what_is_found_is_what_is_wanted(
    full: Store, everything: list[StoredEvent], wanted: EventFilter, limit: int, newest_first: bool
) -> None:
    matching = [event for event in everything if wanted.matches(event)]
    ordered = matching[::-1] if newest_first else matching
    assert await full.find(wanted, limit=limit, newest_first=newest_first) == ordered[:limit]
    assert await full.count(wanted) == min(len(matching), MAX_COUNT)


@given(kinds=st.lists(texts, min_size=1, max_size=5), prefix=texts, room=texts)
@examples(60)
async def test_text_is_compared_character_by_character(full: Store, kinds: list[str], prefix: str, room: str) -> None:
    before = await full.latest_number()
    events = [
        made(f"{before}-{place}", type=kind, conference_id=room if place % 2 else kind)
        for place, kind in enumerate(kinds)
    ]
    added = [event for event in await add_all(full, events) if event]
    for types in ({prefix}, {f"{prefix}.*"}, {*kinds, ".*"}):
        wanted = EventFilter(types=frozenset(types), after_number=before)
        matching = [event for event in added if wanted.matches(event)]
        assert await full.find(wanted, limit=100, newest_first=False) == matching
        both = EventFilter(types=frozenset(types), conference_id=room, after_number=before)
        matching = [event for event in added if both.matches(event)]
        assert await full.find(both, limit=100, newest_first=False) == matching
    starting = {kind for kind in kinds if kind.startswith(prefix)}
    assert starting <= set(await full.distinct("type", prefix, limit=10_000))
    assert all(kind.startswith(prefix) for kind in await full.distinct("type", prefix, limit=10_000))
