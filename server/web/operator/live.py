"""The conferences, queues and events of the page, and its buttons."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams
from starlette.requests import Request

from ...auth import TokenScope
from ...board.board import ACTIONS, Board
from ...database import StoreError
from ...errors import CallFailed
from ...events.service import EventService
from ...guard import Caller
from ...guard.changes import Facts, changes
from ...guard.ledger import PendingApproval
from ...mcp.board_tools import FOR_PERSON, PENDING
from ...mcp.call_context import ButtonCallContext, CallContext
from .requests import RequestRefused, read_json, text_field
from .sign_in import Session

_REFRESH_INTERVAL_S = 1.0
_CLIENT = "switchboard"
_MAX_TOOL_NAME_LENGTH = 100
_MAX_ID_LENGTH = 200
_NO_BUTTON = "There is no such button."

CallTool = Callable[[CallToolRequestParams, CallContext], Awaitable[Any]]
"""Answers a tool call, as for an MCP client."""

_EMPTY: dict[str, Any] = {"rooms": [], "queues": [], "alerts": [], "events": [], "actions": []}


class LiveCalls:
    """What happens on the line now."""

    def __init__(self, board: Board, events: EventService, call_tool: CallTool | None = None) -> None:
        """`call_tool`: None for a page without buttons."""
        self.events = events
        self._board = board
        self._call_tool = call_tool
        self._content = _EMPTY

    @property
    def has_calls(self) -> bool:
        """Whether this process has access to Telnyx."""
        return self._call_tool is not None

    async def read(self) -> dict[str, Any]:
        """The content. When it cannot be read, the last one with the reason in `trouble`."""
        try:
            self._content = await self._board.live()
        except (StoreError, CallFailed) as problem:
            return {**self._content, "trouble": str(problem)}
        return self._content

    def changed_since(self, approval: PendingApproval) -> str | None:
        """What events say of the people and the end of the conferences since an approval request was asked."""
        before: Facts = approval.facts.get("rooms", {})
        now = {id_: self._room_now(id_, room) for id_, room in before.items()}
        return changes({"rooms": before}, {"rooms": now}) if now != before else None

    def _room_now(self, conference_id: str, before: Facts) -> Facts:
        """The facts of a conference, with those who have joined and without those who have left since."""
        projection, now = self.events.projection, self.events.now()
        state = projection.conference_state(conference_id)
        if state is None or state.ended_by(now):
            return {**before, "over": before["over"] or state is not None}
        departed = state.participants.keys() - state.present.keys()
        people = {leg: facts for leg, facts in before["people"].items() if leg not in departed}
        for leg in sorted(state.present.keys() - people.keys()):
            people[leg] = [self.name_of(leg), []]
        return {**before, "people": people}

    def name_of(self, id_: str) -> str:
        """Who is on a call leg; any other text as it is."""
        person = self.events.projection.person(id_, self.events.now())
        return person.name if person is not None else id_

    async def press(self, request: Request, session: Session) -> dict[str, Any]:
        """Call the tool behind a button, with the same policy, approval, limits and audit as for an MCP client."""
        body = await read_json(request)
        tool, arguments = text_field(body, "tool", _MAX_TOOL_NAME_LENGTH), body.get("arguments")
        if tool not in ACTIONS or not isinstance(arguments, dict):
            raise RequestRefused(400, _NO_BUTTON)
        result = await self._call(tool, cast("dict[str, Any]", arguments), ButtonCallContext(_caller(session)))
        outcome = {"failed": result.get("isError", False), "text": _text(result)}
        pending = result.get("_meta", {}).get(PENDING)
        return outcome | ({"pending": pending} if pending else {})

    async def recording_links(self, request: Request, session: Session, by: str) -> dict[str, str]:
        """Links to download a recording, by format; valid for ten minutes. Raises `RequestRefused`.

        `by`: how the audit names the person. Who signed in with a code at a terminal may approve it, and does so by
        asking for it. An identity cannot approve its own request: another person approves it.
        """
        id_ = text_field(await read_json(request), "id", _MAX_ID_LENGTH)
        context = ButtonCallContext(_caller(session), by if session.identity is None else None)
        result = await self._call("get_recording", {"recording_id": id_, "include_download_urls": True}, context)
        if result.get("isError", False):
            raise RequestRefused(409, _text(result))
        return result["structuredContent"]["recording"].get("download_urls") or {}

    async def _call(self, tool: str, arguments: dict[str, Any], context: ButtonCallContext) -> dict[str, Any]:
        if self._call_tool is None:
            raise RequestRefused(400, _NO_BUTTON)
        try:
            return await self._call_tool(CallToolRequestParams(name=tool, arguments=arguments), context)
        except MCPError as unknown:
            raise RequestRefused(409, unknown.error.message) from None

    @asynccontextmanager
    async def refreshing(self) -> AsyncGenerator[None]:
        """Ask Telnyx now and then for what no event reports, such as names, until the context ends."""
        if self._call_tool is None:  # this process has no access to Telnyx
            yield
            return

        async def refresh() -> None:
            while True:
                await anyio.sleep(_REFRESH_INTERVAL_S)
                await self._board.refresh()

        await self._board.refresh()  # so that the first state has the names
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refresh)
            yield
            tasks.cancel_scope.cancel()


def _text(result: dict[str, Any]) -> str:
    """What a tool answered, for a person."""
    text: str = result.get("_meta", {}).get(FOR_PERSON) or result["content"][0]["text"]
    return text


def _caller(session: Session) -> Caller:
    identity = session.identity
    if identity is None:
        return Caller(f"{_CLIENT} {session.stored.id}", f"{_CLIENT} of {session.stored.person}", is_alone=False)
    return Caller(
        f"{_CLIENT} {identity.name}",
        _CLIENT,
        identity.name,
        identity.may(TokenScope.CONTROL),
        is_alone=False,
    )
