"""Backfill of missed events: fetches Telnyx's webhook deliveries and stores those whose event id is not stored yet."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import anyio

from ...tools.deliveries import DeliveryFilter, ListWebhookDeliveries
from ...tools.pagination import Read, pages_of
from ..errors import CallFailed
from ..events.envelope import NotAnEvent, parse_event_data
from ..events.event import Event, Via
from ..events.store import Store, StoreError, UnfitEvent
from ..events.times import iso, parse_time

logger = logging.getLogger(__name__)

EventWithBody = tuple[Event, bytes]
Sleep = Callable[[float], Awaitable[None]]

FIRST_BACKFILL = timedelta(hours=24)
"""How far back the first backfill goes when nothing is stored yet."""
_OVERLAP = timedelta(minutes=5)
"""Deliveries that may have been in flight during the previous backfill."""
_LAST_RUN = "catch_up.looked"
"""The note in the store that has the time of the last successful backfill."""
_PAGE_SIZE = 250
_MAX_PAGES = 200
_BATCH_SIZE = 500
_RETRY_DELAY_S = 30.0
"""Delay until a failed backfill is repeated when there is no interval."""
_HEARTBEAT_S = 30.0
_MAX_HEARTBEAT_DELAY = timedelta(seconds=90)
"""A later heartbeat means that the process stood still. A busy machine delays it less, and Telnyx repeats webhooks
that failed for a shorter time."""


class Backfill:
    """Fills the store from Telnyx's webhook deliveries."""

    def __init__(self, read: Read, now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._last_run: datetime | None = None

    async def run_once(self, store: Store, latest: datetime | None) -> int:
        """Store the events delivered, or not delivered, since the last successful run. Returns how many were new.

        `latest`: when the newest stored event occurred, for the very first run. Raises `CallFailed`, `StoreError`.
        """
        started = self._now()
        since = iso((await self._previous_run(store) or latest or started - FIRST_BACKFILL) - _OVERLAP)
        new = 0
        for delivery_filter in (DeliveryFilter.started_from(since), DeliveryFilter.failed_from(since)):
            new += await _store_new(store, await self._fetch_events(delivery_filter))
        self._last_run = started
        await store.set_value(_LAST_RUN, iso(started))
        if new:
            logger.info("Fetched %d missed events", new)
        return new

    async def _previous_run(self, store: Store) -> datetime | None:
        """When the last successful run began, in this process or an earlier one."""
        if self._last_run is None and (noted := await store.get_value(_LAST_RUN)):
            self._last_run = parse_time(noted)
        return self._last_run

    async def _fetch_events(self, delivery_filter: DeliveryFilter) -> list[EventWithBody]:
        """The events of these deliveries, oldest first. Telnyx lists the newest first."""
        listing = ListWebhookDeliveries(filter=delivery_filter)
        events: list[EventWithBody] = []
        async for deliveries in pages_of(self._read, listing, page_size=_PAGE_SIZE, max_pages=_MAX_PAGES):
            events += filter(None, map(self._event, deliveries))
        return events[::-1]

    def _event(self, delivery: Mapping[str, Any]) -> EventWithBody | None:
        webhook: Any = delivery.get("webhook")
        if not isinstance(webhook, dict):
            return None
        data = cast("dict[str, Any]", webhook)
        try:
            event = parse_event_data(data, via=Via.CATCH_UP, verified=True, received_at=self._now())
        except NotAnEvent:
            return None
        return event, json.dumps(data, ensure_ascii=False).encode(errors="replace")


async def _store_new(store: Store, events: list[EventWithBody]) -> int:
    """Store the events that are not stored yet, in order, many to a commit. Returns how many. Raises `StoreError`."""
    new, problems = 0, list[StoreError]()

    async def add(event: Event, body: bytes) -> None:
        nonlocal new
        try:
            new += await store.add(event, body) is not None
        except UnfitEvent as problem:
            logger.warning("An event of type %r cannot be stored: %s", event.type, problem)
        except StoreError as problem:
            problems.append(problem)

    for begin in range(0, len(events), _BATCH_SIZE):
        async with anyio.create_task_group() as tasks:
            for event, body in events[begin : begin + _BATCH_SIZE]:
                tasks.start_soon(add, event, body)
        if problems:
            raise problems[0]
    return new


class GapDetector:
    """Notices when events may have been missed: the process or machine stood still, or another part reports it.

    `now` continues while the machine sleeps; `sleep` need not.
    """

    def __init__(self, now: Callable[[], datetime], sleep: Sleep) -> None:
        self._now = now
        self._sleep = sleep
        self._gap = anyio.Event()

    def report(self) -> None:
        """Report that events may have been missed."""
        self._gap.set()

    async def watch(self) -> None:
        """Report a gap whenever a heartbeat is late. Runs until cancelled."""
        while True:
            due = self._now() + timedelta(seconds=_HEARTBEAT_S)
            await self._sleep(_HEARTBEAT_S)
            if self._now() - due > _MAX_HEARTBEAT_DELAY:
                logger.info("This process stood still for a while: events may have been missed")
                self.report()

    async def wait(self) -> None:
        """Return when a gap has been reported since the last call."""
        await self._gap.wait()
        self._gap = anyio.Event()


async def run_backfill(
    backfill: Backfill,
    store: Store,
    interval_s: float | None,
    latest: datetime | None,
    sleep: Sleep,
    *,
    gaps: GapDetector | None = None,
) -> None:
    """Backfill at once, then every `interval_s` seconds. None: after each gap, or never again without `gaps`.

    A failed backfill is repeated.
    """
    last_problem = ""
    while True:
        try:
            await backfill.run_once(store, latest)
        except (CallFailed, StoreError) as problem:
            if str(problem) != last_problem:
                last_problem = str(problem)
                logger.warning("Could not look for missed events: %s", problem)
            await sleep(interval_s or _RETRY_DELAY_S)
            continue
        last_problem = ""
        if interval_s is not None:
            await sleep(interval_s)
        elif gaps is not None:
            await gaps.wait()
        else:
            return
