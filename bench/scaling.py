"""How one PostgreSQL does with few events and with many: `scaling.py 10000 1000000 10000000`, for docs/scaling.md.

It fills a store of each size on a throw-away server, and prints what an event takes there, what searches, pruning and
counting take, and how many events a second come in from one, two and four processes at once. Takes 2 GB of disk for a
million events, and some minutes.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import islice
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from event_costs import SEARCHES, searches, timed_search
from shared import postgresql
from webhook_load import PEOPLE, STORY, conferences

from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.events.store import Store

if TYPE_CHECKING:
    from support.postgres import Cluster

PRUNED = 20_000
POURED = 6_000
"""Events that each process stores."""
AT_ONCE = 64
_APART = timedelta(seconds=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILL = """
INSERT INTO events (id, type, occurred_at, received_at, via, verified, conference_id, call_control_id, call_session_id,
    body)
SELECT md5(i::text)::uuid::text, type, %(start)s + i * %(apart)s, %(start)s + i * %(apart)s, 'webhook', TRUE,
    CASE WHEN type LIKE 'conference.%%' THEN room END, 'v3:' || room || md5((i %% %(people)s)::text), room,
    %(body)s
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i,
    LATERAL (SELECT md5((i / %(story)s)::text)::uuid::text AS room,
        (%(types)s::text[])[i %% %(story)s + 1] AS type) AS one
"""
_PART = 200_000
_SIZES = {
    "with its indexes": "pg_total_relation_size('events')",
    "the table alone": "pg_table_size('events')",
}


def main(sizes: Sequence[int]) -> None:
    """Measure stores of these sizes, and print what was found."""
    with postgresql() as cluster:
        cluster.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
        cluster.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
        cluster.stop()
        cluster.start()
        for size in sizes:
            url = cluster.store()
            asyncio.run(_fill(url, size))
            print(f"\n{size:,} events")
            for what, figure in _measured(cluster, url, size):
                print(f"  {what:<60}{figure:>14}", flush=True)


def _measured(cluster: "Cluster", url: str, size: int) -> Iterator[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        for what, counted in _SIZES.items():
            found = connection.execute(f"SELECT {counted}".encode()).fetchone()
            yield f"bytes an event, {what}", f"{found[0] / size:,.0f}" if found else ""
    yield from asyncio.run(_read(url, size))
    yield from asyncio.run(_pruned(url, size))
    for processes in (1, 2, 4):
        yield f"events stored a second, {processes} processes", f"{_intake(url, processes):,.0f}"


async def _fill(url: str, size: int) -> None:
    """Straight through the driver, with ids as random as Telnyx's, and bodies as long as the bench's."""
    happened = next(islice(conferences(datetime.now(UTC), _APART), 8, None))
    filled: dict[str, Any] = {
        "apart": _APART // timedelta(microseconds=1),
        "start": (datetime.now(UTC) - size * _APART - _EPOCH) // timedelta(microseconds=1),
        "types": [event_type for event_type, _ in STORY],
        "story": len(STORY),
        "people": PEOPLE,
        "body": _envelope(happened).encode(),
    }
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for first in range(0, size, _PART):
            await connection.execute(_FILL.encode(), {**filled, "first": first, "last": min(size, first + _PART) - 1})
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE events")


@asynccontextmanager
async def _opened(url: str, keep_most: int = 10**12) -> AsyncGenerator[Store]:
    async with Store.open(url, keep_for=timedelta.max, keep_most=keep_most) as store:
        yield store


async def _read(url: str, size: int) -> Sequence[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    async with _opened(url) as store:
        for what, event_filter in searches(size, _room(size)).items():
            times = [await timed_search(store, event_filter) for _ in range(SEARCHES)]
            rows.append((f"list_events {what}, median", _milliseconds(median(times))))
    return rows


def _room(size: int) -> str:
    return str(UUID(md5(str(size // len(STORY) // 2 - 1).encode(), usedforsecurity=False).hexdigest()))


async def _pruned(url: str, size: int) -> Sequence[tuple[str, str]]:
    async with _opened(url, keep_most=size * 2) as store:
        started = perf_counter()
        await store.prune()
        nothing = perf_counter() - started
    gone = min(PRUNED, size // 2)
    async with _opened(url, keep_most=size - gone) as store:
        started = perf_counter()
        found = await store.prune()
        took = perf_counter() - started
    return [
        ("pruning when there is nothing to do", _milliseconds(nothing)),
        (f"events pruned a second, {found:,} of them", f"{found / took:,.0f}"),
    ]


def _intake(url: str, processes: int) -> float:
    """Events a second that this many processes store at the same time, each from 64 senders."""
    command = [sys.executable, __file__, "pour", url]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)]
    for one in running:
        assert one.stdout
        one.stdout.readline()
    started = perf_counter()
    for one in running:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in running:
        one.communicate()
    return processes * POURED / (perf_counter() - started)


async def _pour(url: str) -> None:
    """Store the events that conferences bring, as the receiver does once it has proved who sent them."""
    stream = conferences(datetime.now(UTC), _APART)
    bodies = [_envelope(one).encode() for one in islice(stream, POURED)]
    now = datetime.now(UTC)
    waiting = iter(bodies)
    async with _opened(url) as store:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(_send(store, waiting, now) for _ in range(AT_ONCE)))


async def _send(store: Store, waiting: Iterator[bytes], now: datetime) -> None:
    for body in waiting:
        await store.add(parse_event(body, via=Via.WEBHOOK, verified=True, received_at=now), body)


def _envelope(event: Mapping[str, Any]) -> str:
    return json.dumps({"data": event, "meta": {"attempt": 1, "delivered_to": "https://example.com/"}})


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


if __name__ == "__main__":
    if sys.argv[1:2] == ["pour"]:
        asyncio.run(_pour(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:]])
