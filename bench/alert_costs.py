"""What the alerts cost: the share of a processor that evaluates them while 1,000 conferences are open."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from time import process_time

from baseline_servers import database, on_disk
from table import Row

from telnyx_conferencing.server.alerts.book import AlertBook
from telnyx_conferencing.server.alerts.engine import INTERVAL_S, AlertEngine
from telnyx_conferencing.server.errors import CallRefused
from telnyx_conferencing.server.events.envelope import parse_event_data
from telnyx_conferencing.server.events.event import Event, Via
from telnyx_conferencing.server.events.service import ApiAnswer, EventService
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.guard import Ledger
from telnyx_conferencing.server.guard.policy import read_rules

ROOMS = 1_000
PEOPLE = 4
QUEUED = 100
CHANGED = 25
"""Conferences in which a participant takes the floor between two evaluations: fifty events a second."""
ROUNDS = 200
TARGET = 0.01

METHOD = f"""
Alerts: one rule of each kind over {ROOMS:,} conferences of {PEOPLE} and {QUEUED} waiting calls. {CHANGED} conferences
change before each evaluation. The time of the processor for an evaluation (median of {ROUNDS}) over the {INTERVAL_S} s
between two. What it takes to store and fold the events is not in it: that is needed without alerts too."""

_POLICY = """
alerts = [
    { name = "wait", when = "queue_wait", after = "2h" },
    { name = "length", when = "queue_length", above = 500 },
    { name = "hold", when = "on_hold", after = "2h" },
    { name = "host", when = "no_host", after = "2h" },
    { name = "alone", when = "alone", after = "2h" },
    { name = "consent", when = "recording_without_consent", after = "2h" },
    { name = "gap", when = "webhook_gap", after = "2h" },
    { name = "approval", when = "approval_expiring", before = "1m" },
]
"""
_numbers = count()


def alerts(env: Mapping[str, str]) -> Iterator[Row]:
    """The line about alerts."""
    with on_disk() as directory:
        seconds = asyncio.run(_evaluated(directory))
    share = median(seconds) / INTERVAL_S
    yield Row(f"alerts of {ROOMS:,} conferences, of a processor", share, TARGET, "%")


class _NoApi:
    """Telnyx is not asked."""

    async def open_conferences(self) -> dict[str, str]:
        return {}

    async def queues(self) -> list[str]:
        return []

    async def conference(self, conference_id: str) -> ApiAnswer:
        raise CallRefused("not here")

    async def queue(self, name: str) -> ApiAnswer:
        raise CallRefused("not here")


async def _evaluated(directory: Path) -> Sequence[float]:
    """Seconds of the processor for each evaluation."""
    url, now = database(directory), datetime.now(UTC)
    seconds: list[float] = []
    async with AsyncExitStack() as stack:
        events = EventService(lambda: Store.open(url), _NoApi(), open_delay_s=0)
        await stack.enter_async_context(events.connection.running())
        store = await events.store()
        ledger = Ledger(events.connection.database)
        engine = AlertEngine(events, ledger, lambda: rules, AlertBook())
        rules = read_rules(_POLICY).alerts
        await asyncio.gather(*(store.add(event) for event in _history(now)))
        await engine.evaluate()
        for turn in range(ROUNDS):
            rooms = [(turn * CHANGED + place) % ROOMS for place in range(CHANGED)]
            changes = [_event("conference.floor.changed", room, turn % PEOPLE, datetime.now(UTC)) for room in rooms]
            await asyncio.gather(*(store.add(event) for event in changes))
            begun = process_time()
            await engine.evaluate()
            seconds.append(process_time() - begun)
    return seconds


def _history(now: datetime) -> Iterator[Event]:
    begun = now - timedelta(minutes=30)
    for room in range(ROOMS):
        yield _event("conference.created", room, 0, begun)
        for person in range(PEOPLE):
            yield _event("conference.participant.joined", room, person, begun + timedelta(seconds=person))
        if room % 4 == 0:
            yield _event("call.hold", room, 1, begun + timedelta(minutes=1))
    for place in range(QUEUED):
        yield _event("call.enqueued", ROOMS + place, 0, begun, queue=f"queue {place % 10}")


def _event(event_type: str, room: int, person: int, at: datetime, **more: str) -> Event:
    payload = {"call_control_id": f"v3:{room}-{person}", **more}
    payload |= {"conference_id": f"room {room}"} if event_type.startswith("conference.") else {}
    data = {"id": f"event {next(_numbers)}", "event_type": event_type, "occurred_at": at.isoformat()}
    return parse_event_data({**data, "payload": payload}, via=Via.WEBHOOK, verified=True, received_at=at)
