"""What was missed: fetched from Telnyx's list of webhook deliveries, under the same ids, so that nothing doubles."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import anyio

from ...tools.deliveries import DeliveryFilter, ListWebhookDeliveries
from ...tools.pagination import Read
from ..errors import CallFailed
from ..events.envelope import NotAnEvent, parse_event_data
from ..events.event import Event, Via
from ..events.store import Store, StoreError, UnfitEvent
from ..events.times import iso, parse_time

logger = logging.getLogger(__name__)

Found = tuple[Event, bytes]
"""An event, and the JSON it came in."""

FIRST_BACKFILL = timedelta(hours=24)
"""How far back the very first look goes, when nothing is stored yet."""
_OVERLAP = timedelta(minutes=5)
"""Deliveries that may still have been under way at the last look."""
_LOOKED = "catch_up.looked"
_PAGE = 250
_MOST_PAGES = 200
_AT_ONCE = 500
_AGAIN = 30.0
"""Seconds until a look is tried again that has failed, where none follows by itself."""
_BEAT = 30.0
_STOOD_STILL = timedelta(seconds=90)
"""How late a beat must be: later than a busy machine makes it, and than Telnyx need repeat a webhook."""


class Backfill:
    """Fills the store from Telnyx's deliveries."""

    def __init__(self, read: Read, now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._since: datetime | None = None

    async def run_once(self, store: Store, latest: datetime | None) -> int:
        """Fetch what was delivered, or failed to be, since the last look that succeeded; how many events were new.

        `latest`: when the newest stored event occurred, for the first look of all. Raises `CallFailed`, `StoreError`.
        """
        started = self._now()
        since = iso((await self._looked(store) or latest or started - FIRST_BACKFILL) - _OVERLAP)
        new = 0
        for wanted in (DeliveryFilter.started_from(since), DeliveryFilter.failed_from(since)):
            new += await _keep(store, await self._events(wanted))
        self._since = started
        await store.note(_LOOKED, iso(started))
        if new:
            logger.info("Caught up on %d events", new)
        return new

    async def _looked(self, store: Store) -> datetime | None:
        """When the last look that succeeded began, in this process or one before it."""
        if self._since is None and (noted := await store.noted(_LOOKED)):
            self._since = parse_time(noted)
        return self._since

    async def _events(self, wanted: DeliveryFilter) -> list[Found]:
        """The events of these deliveries, oldest first: Telnyx lists the newest first."""
        found: list[Found] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._read(ListWebhookDeliveries(filter=wanted, page_number=page, page_size=_PAGE))
            deliveries, last = _page(answer)
            found += filter(None, map(self._event, deliveries))
            if page >= last:
                break
        return found[::-1]

    def _event(self, delivery: Mapping[str, Any]) -> Found | None:
        webhook: Any = delivery.get("webhook")
        if not isinstance(webhook, dict):
            return None
        data = cast("dict[str, Any]", webhook)
        try:
            event = parse_event_data(data, via=Via.CATCH_UP, verified=True, received_at=self._now())
        except NotAnEvent:
            return None
        return event, json.dumps(data, ensure_ascii=False).encode(errors="replace")


async def _keep(store: Store, found: list[Found]) -> int:
    """Store what is not there yet, in this order, many to a commit; how many that were. Raises `StoreError`."""
    new, problems = 0, list[StoreError]()

    async def keep(event: Event, raw: bytes) -> None:
        nonlocal new
        try:
            new += await store.add(event, raw) is not None
        except UnfitEvent as unfit:
            logger.warning("An event of type %r cannot be stored: %s", event.type, unfit)
        except StoreError as problem:
            problems.append(problem)

    for begin in range(0, len(found), _AT_ONCE):
        async with anyio.create_task_group() as tasks:
            for event, raw in found[begin : begin + _AT_ONCE]:
                tasks.start_soon(keep, event, raw)
        if problems:
            raise problems[0]
    return new


class GapDetector:
    """Notices when events may have passed this process by: it or its machine stood still, or somebody says so.

    `now` goes on while the machine sleeps; `sleep` need not.
    """

    def __init__(self, now: Callable[[], datetime], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._now = now
        self._sleep = sleep
        self._noted = anyio.Event()

    def report(self) -> None:
        """Say that events may have been missed."""
        self._noted.set()

    async def watch(self) -> None:
        """Note whenever a beat comes late. Runs until cancelled."""
        while True:
            due = self._now() + timedelta(seconds=_BEAT)
            await self._sleep(_BEAT)
            if self._now() - due > _STOOD_STILL:
                logger.info("Stood still for a while: events may have been missed")
                self.report()

    async def wait(self) -> None:
        """Return when there has been one since the last that was returned for."""
        await self._noted.wait()
        self._noted = anyio.Event()


async def run_backfill(
    catch_up: Backfill,
    store: Store,
    every: float | None,
    latest: datetime | None,
    sleep: Callable[[float], Awaitable[None]],
    *,
    gaps: GapDetector | None = None,
) -> None:
    """Look, and look again every so many seconds; None: after each gap, or where none are watched for, never again.

    A look that fails is tried again.
    """
    said = ""
    while True:
        try:
            await catch_up.run_once(store, latest)
        except (CallFailed, StoreError) as failed:
            if str(failed) != said:
                said = str(failed)
                logger.warning("Could not look for missed events: %s", said)
            await sleep(every or _AGAIN)
            continue
        said = ""
        if every is not None:
            await sleep(every)
        elif gaps is not None:
            await gaps.wait()
        else:
            return


def _page(answer: Any) -> tuple[list[Mapping[str, Any]], int]:
    body = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    items: Any = body.get("data")
    found = cast("list[Any]", items) if isinstance(items, list) else []
    deliveries: list[Mapping[str, Any]] = [item for item in found if isinstance(item, dict)]
    meta: Any = body.get("meta")
    last: Any = cast("dict[str, Any]", meta).get("total_pages") if isinstance(meta, dict) else None
    return deliveries, last if isinstance(last, int) else 1
