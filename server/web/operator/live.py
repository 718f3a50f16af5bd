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
from ...mcp.board_tools import FOR_PERSON, PENDING
from ...mcp.call_context import ButtonCallContext, CallContext
from .requests import RequestRefused, read_json, text_field
from .sign_in import Session

_REFRESH_INTERVAL_S = 1.0
_CLIENT = "switchboard"
_MAX_TOOL_NAME_LENGTH = 100

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

    async def read(self) -> dict[str, Any]:
        """The content. When it cannot be read, the last one with the reason in `trouble`."""
        try:
            self._content = await self._board.live()
        except (StoreError, CallFailed) as problem:
            return {**self._content, "trouble": str(problem)}
        return self._content

    async def press(self, request: Request, session: Session) -> dict[str, Any]:
        """Call the tool behind a button, with the same policy, approval, limits and audit as for an MCP client."""
        body = await read_json(request)
        tool, arguments = text_field(body, "tool", _MAX_TOOL_NAME_LENGTH), body.get("arguments")
        if self._call_tool is None or tool not in ACTIONS or not isinstance(arguments, dict):
            raise RequestRefused(400, "There is no such button.")
        call = CallToolRequestParams(name=tool, arguments=cast("dict[str, Any]", arguments))
        try:
            result = await self._call_tool(call, ButtonCallContext(_caller(session)))
        except MCPError as unknown:
            raise RequestRefused(409, unknown.error.message) from None
        meta = result.get("_meta", {})
        failed, text = result.get("isError", False), meta.get(FOR_PERSON) or result["content"][0]["text"]
        outcome = {"failed": failed, "text": text}
        pending = meta.get(PENDING)
        return outcome | ({"pending": pending} if pending else {})

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
