"""Past conferences on the page: found by name, number and time, and shown one by one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ....tools.text import clean
from ...adapters.conference_history import ConferenceHistory, render_timeline
from ...errors import CallFailed
from ...events.projection.projection import Projection
from ...events.projection.views import ConferenceSummary
from ...events.service import EventService
from ...events.store import Store
from ...events.times import parse_time
from ...events.transcript import read_transcript
from ...evidence.export import NothingStored, export
from ...guard.ledger import Ledger
from .requests import RequestRefused
from .view import approval_view

_MAX_TEXT_LENGTH = 100
_MAX_NAME_LENGTH = 200
_MAX_PEOPLE = 300
_MAX_UTTERANCES = 1_000
_NOT_STORED = "The store has no event of this conference."
_PROGRAM = "telnyx-conferencing"
HEAD_HEADER = "x-audit-head"


class HistoryApi:
    """Answers the page's requests for past conferences."""

    def __init__(self, events: EventService, ledger: Ledger, *, has_links: bool) -> None:
        """`has_links`: whether recordings can be downloaded, which needs access to Telnyx."""
        self._has_links = has_links
        self._events = events
        self._ledger = ledger

    async def _history(self) -> ConferenceHistory:
        return ConferenceHistory(await self._store(), self._ledger, self._events.now, self._known_name)

    async def _store(self) -> Store:
        try:
            return await self._events.store()
        except CallFailed as problem:
            raise RequestRefused(503, str(problem)) from None

    def _known_name(self, conference_id: str) -> str | None:
        view = self._events.projection.conference(conference_id, self._events.now())
        return view.name if view else None

    async def list(self, request: Request) -> Response:
        """`text`, `since`, `until` and `before` in the query."""
        query = request.query_params
        history = await self._history()
        page = await history.find(
            query.get("text", "")[:_MAX_TEXT_LENGTH],
            since=time_of(query.get("since")),
            until=time_of(query.get("until")),
            before=number_of(query.get("before")),
        )
        content: dict[str, Any] = {"conferences": [_row(summary) for summary in page.conferences]}
        return JSONResponse(content | ({"next": page.next} if page.next is not None else {}))

    async def detail(self, request: Request) -> Response:
        """One conference: its figures, its people, its recordings and what people decided about it."""
        conference_id: str = request.path_params["id"]
        projection = await (await self._history()).load(conference_id)
        summary = projection.summary(conference_id, self._events.now()) if projection else None
        if projection is None or summary is None:
            raise RequestRefused(404, _NOT_STORED)
        people = summary.to_json()["participants"][:_MAX_PEOPLE]
        return JSONResponse(
            _row(summary)
            | {
                "people": [
                    {
                        name: clean(text, _MAX_NAME_LENGTH) if isinstance(text := value, str) else value
                        for name, value in person.items()
                    }
                    for person in people
                ],
                "has_links": self._has_links,
                "recordings": [recording.to_json() for recording in summary.recordings or ()],
                "transcript": await self._transcript(conference_id, projection),
                "approvals": await self._approvals(conference_id),
            }
        )

    async def _approvals(self, conference_id: str) -> Sequence[dict[str, Any]]:
        outdated = {approval.code for approval, _ in await self._ledger.asked_again()}
        return [
            approval_view(approval) | ({"state": "outdated"} if approval.code in outdated else {})
            for approval in await self._ledger.approvals_of(conference_id)
        ]

    async def _transcript(self, conference_id: str, projection: Projection) -> Sequence[dict[str, Any]]:
        """The newest utterances, oldest first; without their text if it is not kept."""
        intervals = projection.intervals(conference_id, self._events.now())
        if intervals is None:
            return []
        utterances = await read_transcript(await self._events.store(), projection, intervals)
        return [utterance.to_json() for utterance in utterances[-_MAX_UTTERANCES:]]

    async def picture(self, request: Request) -> Response:
        """The timeline of one conference as an SVG."""
        conference_id: str = request.path_params["id"]
        projection = await (await self._history()).load(conference_id)
        picture = projection.timeline_svg(conference_id, self._events.now()) if projection else None
        if picture is None:
            raise RequestRefused(404, _NOT_STORED)
        return Response(picture, media_type="image/svg+xml")

    async def archive(self, request: Request) -> Response:
        """The archive of one conference that `telnyx-conferencing verify` proves; its head in a header."""
        with TemporaryDirectory(prefix="archive-") as folder:
            out = Path(folder) / "archive.zip"
            try:
                exported = await export(
                    request.path_params["id"],
                    out,
                    await self._store(),
                    self._ledger,
                    render_timeline,
                    now=datetime.now(UTC),
                    program=f"{_PROGRAM} {version(_PROGRAM)}",
                )
            except NothingStored:
                raise RequestRefused(404, _NOT_STORED) from None
            content = await to_thread.run_sync(out.read_bytes)
        return Response(content, media_type="application/zip", headers={HEAD_HEADER: exported.head})


def _row(summary: ConferenceSummary) -> dict[str, Any]:
    numbers = [person.label or person.number for person in summary.participants]
    fields = summary.to_json()
    row = {name: fields[name] for name in _ROW if name in fields}
    shown = [clean(number, _MAX_NAME_LENGTH) for number in numbers if number]
    return row | {"name": clean(summary.name or "", _MAX_NAME_LENGTH), "who": list(dict.fromkeys(shown))[:20]}


_ROW = ("id", "status", "started_at", "ended_at", "end_reason", "seconds", "peak_participants", "talk_turns")


def time_of(text: str | None) -> datetime | None:
    """A time in a query. Raises `RequestRefused`."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        raise RequestRefused(400, "A time must be ISO 8601, such as 2026-01-31T12:00:00Z.") from None


def number_of(text: str | None) -> int | None:
    """A cursor in a query. Raises `RequestRefused`."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise RequestRefused(400, "before: must be a number that an earlier answer gave.")
    return int(text)
