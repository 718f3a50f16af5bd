"""The figures of a report on the page, and as a file for a spreadsheet."""

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ....tools.text import clean
from ...errors import CallFailed
from ...events.service import EventService
from ...guard.ledger import Ledger
from ...reports import ReportListing, ReportRow, Window, run_report
from ...reports.csv_text import csv_header, csv_row
from .history import time_of
from .requests import RequestRefused

_KINDS = ("queues", "agents", "conferences", "days")
_MAX_ROWS = 100
"""Of each kind on the page; the file has all."""
_MAX_NAME_LENGTH = 200


class ReportApi:
    """Answers the page's requests for reports: `since` and `until` in the query; without them, all that is stored."""

    def __init__(self, events: EventService, ledger: Ledger) -> None:
        self._events = events
        self._ledger = ledger

    async def read(self, request: Request) -> Response:
        listing = ReportListing(_MAX_ROWS)
        async for row in await self._rows(request):
            listing.add(row)
        content = listing.content()
        for kind in _KINDS:
            for row in content[kind]:
                row["name"] = clean(row.get("name") or self._live_name(row) or "", _MAX_NAME_LENGTH)
        return JSONResponse({"summary": listing.summary(), **content})

    def _live_name(self, row: Mapping[str, Any]) -> str | None:
        """The name of a conference that another program or a dialled call created, while the live state knows it."""
        view = self._events.projection.conference(row["id"], self._events.now()) if "id" in row else None
        return view.name if view is not None else None

    async def csv(self, request: Request) -> Response:
        return StreamingResponse(_lines(await self._rows(request)), media_type="text/csv")

    async def _rows(self, request: Request) -> AsyncGenerator[ReportRow]:
        """Raises `RequestRefused`."""
        query, now = request.query_params, self._events.now()
        since = time_of(query.get("since")) or datetime.min.replace(tzinfo=UTC)
        window = Window(since, time_of(query.get("until")) or now)
        try:
            store = await self._events.store()
        except CallFailed as problem:
            raise RequestRefused(503, str(problem)) from None
        return run_report(store, self._ledger, window, now)


async def _lines(rows: AsyncGenerator[ReportRow]) -> AsyncGenerator[bytes]:
    yield csv_header()
    async for row in rows:
        yield csv_row(row)
