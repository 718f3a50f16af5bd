"""What events cost: to keep them, to find them, to wait for them, and to have had many."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep

from baseline_servers import BARE, DATABASE, SERVE, NotMeasured, Server, database, helper, on_disk, resident, running
from table import Gap, Limit, Row
from webhook_load import (
    APPENDED,
    PEOPLE,
    STORY,
    VERIFIED,
    WEBHOOKS,
    Key,
    Load,
    conferences,
    connected,
    free_port,
    happening,
    opened,
)

from telnyx_conferencing.server.events.event import EventFilter
from telnyx_conferencing.server.events.store import Store

CONNECTIONS = 16
POSTED = 300
"""Webhooks in a block."""
BLOCKS = 25
"""Blocks of webhooks to each endpoint."""
FEW, MANY = 10_000, 1_000_000
"""Events in the stores that are searched."""
SEARCHES = 60
WAITS = 300
BEFORE, AFTER = 10_000, 100_000
"""Events after which memory is looked at."""

METHOD = f"""
Webhooks a second: {CONNECTIONS} connections, {BLOCKS} blocks of {POSTED} to each endpoint in turn, the median; the
floors are endpoints of the same process: one checks the signature as soon as a body is there and answers, one also
appends the bodies that have come to a plain file and syncs it, which is the least that the disk takes. list_events:
what the tool does to find and to count, the median of {SEARCHES}; the floor is the same in a store of {FEW:,}, where
events came as often. Waits: from the webhook's answer to the tool's, {WAITS} of them; the floor is a call of the bare
SDK's echo tool."""

APART = timedelta(seconds=2)
_PAGE = 21
SETTLED = 0.02
"""Seconds after which a tool that was called is sure to wait."""
_IN_A_HURRY = 64
"""Connections, where it does not matter how many there are."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILL = """
WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < :last)
INSERT INTO events (id, type, occurred_at, received_at, via, verified, conference_id, call_control_id, body)
SELECT printf('%08x-0000-4000-8000-00000000e7e4', i), json_extract(:types, '$[' || (i % :story) || ']'),
    :start + i * :apart, :start + i * :apart, 'webhook', TRUE,
    printf('%08x-0000-4000-8000-00000000c04f', i / :story), printf('v3:%08x-%d', i / :story, i % :people), :body
FROM numbers
"""

Env = Mapping[str, str]


def events(env: Env) -> Iterator[Row | Gap]:
    """Every line about events."""
    parts: Mapping[str, Callable[[Env], Iterator[Row]]] = {
        "webhooks a second, verified and on disk": _intake,
        "list_events": _searches,
        "wait_for_event": _waits,
        "memory after many events": _memory,
    }
    for what, measured in parts.items():
        try:
            yield from measured(env)
        except NotMeasured as failed:
            yield Gap(what, str(failed))


def _intake(env: Env) -> Iterator[Row]:
    key = Key()
    stream = conferences(datetime.now(UTC), APART)
    rates = {path: list[float]() for path in (WEBHOOKS, VERIFIED, APPENDED)}
    with on_disk() as directory, intake_server(directory, database(directory), key) as port:
        for turn in range(BLOCKS + 1):
            block = list(islice(stream, POSTED))
            for path, measured in rates.items():
                requests = [key.request(event, path) for event in block]
                with connected(port, CONNECTIONS) as load:
                    rate = POSTED / load.post(requests)
                if turn:  # the first warms up
                    measured.append(rate)
    kept, verified, appended = map(median, rates.values())
    what = f"webhooks a second, on disk, {CONNECTIONS} connections"
    yield Row(what, kept, 0.55, "/s", verified, Limit.LEAST)
    yield Row(f"{what}, against a plain file on it", kept, None, "/s", appended, Limit.LEAST)


def intake_server(directory: Path, url: str, key: Key) -> AbstractContextManager[int]:
    """The port of a server that takes in webhooks for the store at a URL."""
    return helper("intake_server.py", url, key.public, str(directory / "appended"))


def _searches(env: Env) -> Iterator[Row]:
    with on_disk() as directory:
        few, many = asyncio.run(_searched(directory))
    for what in few:
        yield Row(f"list_events {what}, of {MANY:,}", median(many[what]), 1.5, floor=median(few[what]))


async def _searched(directory: Path) -> Sequence[Mapping[str, list[float]]]:
    """Seconds of each kind of search in a store of few and one of many events."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(_filled(directory / f"{size}.db", size)) for size in (FEW, MANY)]
        filters = [searches(size, _room(size)) for size in (FEW, MANY)]
        seconds = [{what: list[float]() for what in one} for one in filters]
        for what in filters[0]:
            for _ in range(SEARCHES):
                for store, one, times in zip(stores, filters, seconds, strict=True):
                    times[what].append(await timed_search(store, one[what]))
    return seconds


async def timed_search(store: Store, event_filter: EventFilter) -> float:
    started = perf_counter()
    await store.count(event_filter)
    found = await store.newest(event_filter, limit=_PAGE)
    took = perf_counter() - started
    if not found:
        raise NotMeasured("a search found nothing")
    return took


def searches(size: int, room: str) -> dict[str, EventFilter]:
    """Searches that find as many events in a store of any size, from the middle of it, where this conference is."""
    middle = datetime.now(UTC) - size * APART / 2
    hour = EventFilter(since=middle - timedelta(hours=1), until=middle)
    joined = frozenset({"conference.participant.joined"})
    return {
        "of a conference": EventFilter(conference_id=room),
        "of a type": EventFilter(types=joined),
        "of an hour": hour,
        "of a type in an hour": replace(hour, types=joined),
        "of a type in a conference in an hour": replace(hour, types=joined, conference_id=room),
    }


def _room(size: int) -> str:
    return f"{size // len(STORY) // 2:08x}-0000-4000-8000-00000000c04f"


@asynccontextmanager
async def _filled(path: Path, size: int) -> AsyncGenerator[Store]:
    """A store of this many events, at equal intervals up to now."""
    url = f"sqlite:///{path}"
    async with Store.open(url):
        pass
    await asyncio.to_thread(fill, path, size)
    async with Store.open(url) as store:
        yield store


def fill(path: Path, size: int) -> None:
    """Fill a new store straight through the driver; the ids in order, which is quick."""
    filled = {
        "last": size - 1,
        "apart": APART // timedelta(microseconds=1),
        "start": (datetime.now(UTC) - size * APART - _EPOCH) // timedelta(microseconds=1),
        "types": json.dumps([event_type for event_type, _ in STORY]),
        "story": len(STORY),
        "people": PEOPLE,
        "body": json.dumps({"data": {"payload": {"filler": "x" * 1000}}}).encode(),
    }
    with closing(sqlite3.connect(path)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
            connection.execute(f"PRAGMA {pragma}")
        with connection:
            connection.execute(_FILL, filled)


def _waits(env: Env) -> Iterator[Row]:
    key = Key()
    answered: list[float] = []
    echoed: list[float] = []
    posted: list[float] = []
    with _receiving(env, key) as (server, port), running(BARE, env) as bare, connected(port, 1) as load:
        for turn in range(WAITS):
            after_200, after_sending = timed_wait(server, load, key, f"v3:bench-{turn}")
            answered.append(after_200)
            posted.append(after_sending)
            sleep(SETTLED)
            echoed.append(bare.timed_call("echo", {"text": f"v3:bench-{turn}"}))
    what = "webhook answered 200 to wait_for_event returned"
    yield Row(f"{what}, p50", median(answered), 5e-3, floor=median(echoed), limit=Limit.MORE)
    yield Row(f"{what}, p99", _p99(answered), None, floor=_p99(echoed), limit=Limit.MORE)
    yield Row("webhook sent to wait_for_event returned, p50", median(posted), None)
    yield Row("webhook sent to wait_for_event returned, p99", _p99(posted), None)


def timed_wait(server: Server, load: Load, key: Key, call: str) -> tuple[float, float]:
    """Seconds from the webhook's answer, and from its sending, to the answer of the tool that waited for it."""
    request = key.request(happening("call.answered", {"call_control_id": call}, datetime.now(UTC)))
    server.begin_call("wait_for_event", {"types": ["call.answered"], "call_control_id": call})
    sleep(SETTLED)
    sent = perf_counter()
    load.post([request])
    answered = perf_counter()
    returned = server.returned()
    return returned - answered, returned - sent


def _memory(env: Env) -> Iterator[Row]:
    key = Key()
    stream = conferences(datetime.now(UTC), timedelta(milliseconds=10))
    with _receiving(env, key) as (server, port), connected(port, _IN_A_HURRY) as load:
        load.post(map(key.request, islice(stream, BEFORE)))
        before = resident(server)
        load.post(map(key.request, islice(stream, AFTER - BEFORE)))
        after = resident(server)
    yield Row(f"memory after {AFTER:,} events, against {BEFORE:,}", after, 1.1, "MB", before)


@contextmanager
def _receiving(env: Env, key: Key) -> Generator[tuple[Server, int]]:
    """A server on stdio that receives webhooks signed with this key, and its port."""
    port = free_port()
    with on_disk() as directory:
        own = {DATABASE: database(directory), "TELNYX_PUBLIC_KEY": key.public}
        with running((*SERVE, "--webhook-port", str(port)), {**env, **own}) as server:
            opened(port)
            yield server, port


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[-1]
