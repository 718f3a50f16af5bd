"""The audit on the page: filtered, exported and verified."""

import re
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ....tools.base import Risk
from ....tools.text import quoted
from ...adapters.conference_history import ConferenceHistory
from ...errors import CallFailed
from ...events.history import load_number
from ...events.service import EventService
from ...guard.ledger import MAX_NUMBER, AuditTampered, Ledger, export_line
from ...newest import Newest
from .history import number_of, time_of
from .requests import RequestRefused, read_json, text_field
from .sign_in import Session
from .view import action_views

_PAGE = 50
_MAX_SEARCHED = 20_000
"""Records that one search looks at."""
_MAX_TEXT_LENGTH = 100
_MAX_HEAD_LENGTH = 100
_CHANGES = "changes"
"""As an outcome to show: every action but reads."""
_ID = re.compile(r"v\d:[\w=-]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The id of a call leg or a conference in a sentence."""
_MAX_NAMES = 10_000


class AuditApi:
    """Answers the page's requests for the audit."""

    def __init__(self, ledger: Ledger, events: EventService) -> None:
        self._ledger = ledger
        self._events = events
        self._stored_names = Newest[str, str](_MAX_NAMES)
        """Names that the live state does not know any more, by id; the id itself where the store does not know one."""

    async def list(self, request: Request) -> Response:
        """Actions, the newest first: `tool`, `outcome`, `text`, `since`, `until` and `before` in the query."""
        query = request.query_params
        matches = _Filter(query)
        number, searched, actions = number_of(query.get("before")) or MAX_NUMBER, 0, list[dict[str, Any]]()
        while searched < _MAX_SEARCHED and (records := await self._ledger.before(number)):
            for action in action_views(records):
                if not matches(action):
                    continue
                if "does" in action:
                    action["does"] = await self._named(action["does"])
                if matches.has_text(action):
                    actions.append(action)
                if len(actions) == _PAGE:
                    return JSONResponse({"actions": actions, "next": action["number"]})
            searched += len(records)
            number = records[-1].number
            if matches.since is not None and records[-1].at < matches.since:
                return JSONResponse({"actions": actions})
        return JSONResponse({"actions": actions} | ({"next": number} if searched >= _MAX_SEARCHED else {}))

    async def _named(self, text: str) -> str:
        """A sentence with the names of conferences and people instead of their ids, where they are known."""
        names = {id_: self._live_name(id_) or await self._stored_name(id_) for id_ in set(_ID.findall(text))}
        return _ID.sub(lambda id_: names[id_[0]], text)

    def _live_name(self, id_: str) -> str | None:
        projection, now = self._events.projection, self._events.now()
        conference = projection.conference(id_, now)
        if conference is not None and conference.name:
            return quoted(conference.name)
        person = projection.person(id_, now)
        return person.name if person is not None and person.name != id_ else None

    async def _stored_name(self, id_: str) -> str:
        if id_ not in self._stored_names:
            try:
                store = await self._events.store()
            except CallFailed:
                return id_
            if id_.startswith("v"):
                name = await load_number(id_, store)
            else:
                name = await ConferenceHistory(store, self._ledger, self._events.now).name_of(id_)
                name = name and quoted(name)
            self._stored_names[id_] = name or id_
        return self._stored_names[id_]

    async def export(self, request: Request) -> Response:
        """All records as JSON, one on a line: what `audit verify` checks."""
        return StreamingResponse(self._lines(), media_type="application/jsonl")

    async def _lines(self) -> AsyncGenerator[str]:
        number = 0
        while records := await self._ledger.after(number):
            yield "".join(f"{export_line(record)}\n" for record in records)
            number = records[-1].number

    async def verify(self, request: Request, session: Session) -> Response:
        """Check that no record was changed or removed; `head` from an earlier check proves that none is missing."""
        head = text_field(await read_json(request), "head", _MAX_HEAD_LENGTH) or None
        try:
            verified = await self._ledger.verify(head)
        except AuditTampered as problem:
            raise RequestRefused(409, str(problem)) from None
        return JSONResponse({"records": verified.records, "head": verified.head})


class _Filter:
    """Which actions to show: those that it accepts and that have its text, once ids are replaced by names."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self._tool = query.get("tool", "")
        self._outcome = query.get("outcome", "")
        self._text = query.get("text", "")[:_MAX_TEXT_LENGTH].casefold()
        self.since: datetime | None = time_of(query.get("since"))
        self._until = time_of(query.get("until"))

    def __call__(self, action: Mapping[str, Any]) -> bool:
        at = datetime.fromisoformat(action["at"])
        return (
            (not self._tool or action.get("tool") == self._tool)
            and (not self._outcome or self._has_outcome(action))
            and (self.since is None or at >= self.since)
            and (self._until is None or at < self._until)
        )

    def has_text(self, action: Mapping[str, Any]) -> bool:
        return not self._text or self._text in " ".join(_texts(action)).casefold()

    def _has_outcome(self, action: Mapping[str, Any]) -> bool:
        if self._outcome == _CHANGES:
            return action.get("risk") != str(Risk.READ)
        return str(action.get("outcome", "")).startswith(self._outcome)


def _texts(action: Mapping[str, Any]) -> list[str]:
    asked: Mapping[str, Any] = action.get("asked", {})
    return [value for value in (*action.values(), *asked.values()) if isinstance(value, str)]
