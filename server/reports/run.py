"""Reads the store once, from the beginning of a report's window to its end, and yields the rows."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..events.event import EventFilter
from ..events.history import LOOK_BACK
from ..events.store import Store
from ..guard.ledger import MAX_CLOCK_DISORDER, AuditRecord, Ledger
from .figures import ReportRow
from .fold import LATENESS, ReportFold, is_reported

_BATCH_EVENTS = 1_000
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The bounds of every window, so that a time around it is still a date."""

Progress = Callable[[int], Awaitable[None]]
"""Called with the number of events read so far."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time of a report. It counts what began at or after `since` and before `until`."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", max(self.since, _FIRST))
        object.__setattr__(self, "until", min(self.until, _LAST))

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


async def run_report(
    store: Store, ledger: Ledger, window: Window, now: datetime, progress: Progress | None = None
) -> AsyncGenerator[ReportRow]:
    """The rows of a report: each conference soon after its end, then queues, agents and days.

    The memory does not grow with the number of events: only with the conferences and calls that are open at the same
    time, and with queues and agents, up to 10,000 of each. Raises `StoreError`.
    """
    fold = ReportFold(window.__contains__)
    records = _records(ledger, window)
    record = await anext(records, None)
    count = 0
    # The events of the window in the order in which they were stored, and those around it of what began in it.
    event_filter = EventFilter(since=window.since - LOOK_BACK, until=window.until + LOOK_BACK + LATENESS)
    async for batch in store.batches(event_filter, _BATCH_EVENTS):
        for event in batch:
            while record is not None and record.telnyx_time <= event.occurred_at:
                fold.add_record(record)
                record = await anext(records, None)
            fold.add_event(event)
        for row in fold.take_conferences():
            yield row
        count += len(batch)
        if progress is not None:
            await progress(count)
    while record is not None:
        fold.add_record(record)
        record = await anext(records, None)
    for row in fold.finish(min(now, window.until + LOOK_BACK)):
        yield row


async def _records(ledger: Ledger, window: Window) -> AsyncIterator[AuditRecord]:
    """The audit records of the window that change a figure, oldest first, and some around it."""
    number = await ledger.number_before(window.since - LOOK_BACK - MAX_CLOCK_DISORDER)
    while records := await ledger.after(number):
        for record in records:
            if is_reported(record):
                yield record
        number = records[-1].number
        if records[-1].at > window.until + LOOK_BACK + MAX_CLOCK_DISORDER:
            return
