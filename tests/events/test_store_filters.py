"""Searches of the event store find the same events as `EventFilter.matches`, with every index."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fuzzing import examples
from support.stored_events import START, add_all, make_event
from telnyx_conferencing.server.events.event import MAX_COUNT, Event, EventFilter, StoredEvent
from telnyx_conferencing.server.events.store import Store

pytestmark = pytest.mark.anyio

TYPES = ("conference.created", "conference.participant.joined", "conference.participant.left", "call.enqueued")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
moments = st.integers(-5, 3005).map(lambda seconds: START + timedelta(seconds=seconds))
types_filters = st.frozensets(
    st.sampled_from([*TYPES, "conference.*", "conference.participant.*", "call.*", "none.*", "none", ".*"]), max_size=3
)


event_filters = st.builds(
    EventFilter,
    types=types_filters,
    conference_id=st.none() | st.sampled_from(["room 1", "room 2", "no room"]),
    call_control_id=st.none() | st.sampled_from(["leg 1", "leg 2", "no leg"]),
    queue=st.none() | st.sampled_from(["queue 1", "queue 2", ""]),
    since=st.none() | moments,
    until=st.none() | moments,
    after_number=st.none() | st.integers(-5, 3010),
)


def assorted_events(count: int) -> list[Event]:
    """Events of every kind. Some arrive late, up to the whole time."""
    chance = random.Random(3)

    def one(place: int) -> Event:
        late = chance.choice([0, 0, 1, 5, chance.randrange(count)])
        return make_event(
            f"e{place}",
            type=chance.choice(TYPES),
            occurred_at=START + timedelta(seconds=max(0, place - late)),
            conference_id=chance.choice([None, "room 1", "room 2"]),
            call_control_id=chance.choice([None, "leg 1", "leg 2"]),
            queue=chance.choice([None, "queue 1", "queue 2"]),
        )

    return [one(place) for place in range(count)]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def full(module_address: str, anyio_backend: str) -> AsyncIterator[Store]:
    async with Store.open(module_address) as opened:
        await add_all(opened, assorted_events(3000))
        yield opened


@pytest.fixture(scope="module")
async def everything(full: Store) -> list[StoredEvent]:
    return await full.find(EventFilter(), limit=3000, newest_first=False)


@given(event_filter=event_filters, limit=st.sampled_from([1, 7, 3000]), newest_first=st.booleans())
@examples(200)
async def test_a_search_finds_the_events_that_match_and_no_others(
    full: Store, everything: list[StoredEvent], event_filter: EventFilter, limit: int, newest_first: bool
) -> None:
    matching = [event for event in everything if event_filter.matches(event)]
    ordered = matching[::-1] if newest_first else matching
    assert await full.find(event_filter, limit=limit, newest_first=newest_first) == ordered[:limit]
    assert await full.count(event_filter) == min(len(matching), MAX_COUNT)


@given(event_filter=event_filters, limit=st.sampled_from([1, 7, 3000]), place=st.none() | st.integers(0, 2999))
@examples(200)
async def test_the_newest_events_come_in_the_order_of_their_times_on_every_page(
    full: Store, everything: list[StoredEvent], event_filter: EventFilter, limit: int, place: int | None
) -> None:
    in_time = sorted(everything, key=lambda event: (event.occurred_at, event.number), reverse=True)
    rest, before = in_time, None
    if place is not None:
        rest, before = in_time[place + 1 :], in_time[place].number
    matching = [event for event in rest if event_filter.matches(event)]
    assert await full.newest(event_filter, limit=limit, before=before) == matching[:limit]


@given(kinds=st.lists(texts, min_size=1, max_size=5), prefix=texts, room=texts)
@examples(60)
async def test_text_is_compared_character_by_character(full: Store, kinds: list[str], prefix: str, room: str) -> None:
    before = await full.latest_number()
    events = [
        make_event(f"{before}-{place}", type=kind, conference_id=room if place % 2 else kind)
        for place, kind in enumerate(kinds)
    ]
    added = [event for event in await add_all(full, events) if event]
    for types in ({prefix}, {f"{prefix}.*"}, {*kinds, ".*"}):
        event_filter = EventFilter(types=frozenset(types), after_number=before)
        matching = [event for event in added if event_filter.matches(event)]
        assert await full.find(event_filter, limit=100, newest_first=False) == matching
        both = EventFilter(types=frozenset(types), conference_id=room, after_number=before)
        matching = [event for event in added if both.matches(event)]
        assert await full.find(both, limit=100, newest_first=False) == matching
    starting = {kind for kind in kinds if kind.startswith(prefix)}
    assert starting <= set(await full.distinct("type", prefix, limit=10_000))
    assert all(kind.startswith(prefix) for kind in await full.distinct("type", prefix, limit=10_000))
