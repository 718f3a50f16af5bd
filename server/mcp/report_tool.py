"""The tool `report`: figures of conferences, queues, agents and days over a time."""

from datetime import datetime
from typing import Any, Protocol

from ...tools.reports import Report
from ..database import StoreError
from ..errors import CallRefused
from ..events.service import EventService
from ..events.times import iso, parse_time
from ..guard import Guard
from ..reports import ReportListing, Window, run_report


class ReportProgress(Protocol):
    """Called with the number of events read."""

    async def __call__(self, progress: float, total: float | None = None, message: str | None = None) -> None: ...


async def answer_report(tool: Report, events: EventService, guard: Guard, progress: ReportProgress) -> dict[str, Any]:
    """The structured content. Raises `CallRefused`."""
    now = events.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    window = Window(_time(tool.since, "since") or today, _time(tool.until, "until") or now)
    if window.since >= window.until:
        raise CallRefused("since must be before until.")
    store = await events.store()
    await guard.audit_writer.flush()
    listing = ReportListing(tool.limit)

    async def report(count: int) -> None:
        await progress(count, None, f"{count} events read")

    try:
        async for row in run_report(store, guard.ledger, window, now, report):
            listing.add(row)
    except StoreError as problem:
        raise CallRefused(f"The store cannot be read now: {problem}") from None
    summary = f"From {iso(window.since)} to {iso(window.until)}: {listing.summary()}"
    return {"summary": summary, **listing.content()}


def _time(text: str | None, argument: str) -> datetime | None:
    try:
        return parse_time(text) if text is not None else None
    except ValueError:
        raise CallRefused(f"{argument} must be an ISO 8601 time such as 2026-01-31T12:00:00Z.") from None
