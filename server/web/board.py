"""The switchboard in a browser at /board, for people signed in on the operator page."""

import base64
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..auth import TokenScope
from ..board.board import ACTIONS, Board
from ..board.page import html
from ..database import StoreError
from ..errors import CallFailed
from ..events.service import EventService
from ..guard import Caller
from ..mcp.board_tools import PENDING
from ..mcp.call_context import ButtonCallContext, CallContext
from .operator.app import PATH as OPERATOR_PATH
from .operator.app import OperatorPage, page_routes, refusals_as_json
from .operator.event_stream import TOO_MANY_STREAMS, PageUpdates
from .operator.requests import RequestRefused, read_json, text_field
from .operator.security import PageSecurity, content_security_policy
from .operator.sign_in_sessions import SignInSession

PATH = "/board"
_EVENT_INTERVAL_S = 0.1
"""Between two states that are sent while events arrive."""
_LEDGER_INTERVAL_S = 1.0
"""Between two reads without an event, for approvals and the stop switch."""
_CLIENT = "switchboard"
_ICON = f'<link rel="icon" href="{OPERATOR_PATH}/icon.svg" type="image/svg+xml">'
_MAX_TOOL_NAME_LENGTH = 100

CallTool = Callable[[CallToolRequestParams, CallContext], Awaitable[Any]]
"""Answers a tool call, as for an MCP client."""


class BoardPage:
    """The board at a port, sharing the operator page's sign-in."""

    def __init__(  # noqa: PLR0917
        self,
        page: OperatorPage,
        board: Board,
        events: EventService,
        call_tool: CallTool,
        port: int,
        hosts: Collection[str] = (),
    ) -> None:
        """`port`, `hosts`: as for the operator page."""
        self._page = page
        self._board = board
        self._call_tool = call_tool
        self._updates = PageUpdates(_BoardReader(board, events), lambda: datetime.now(UTC), _EVENT_INTERVAL_S)
        inner_routes = [
            Route(PATH, self._show, methods=["GET"]),
            Route(f"{PATH}/events", refusals_as_json(self._events), methods=["GET"]),
            Route(f"{PATH}/call", page.signed_in_post(self._press), methods=["POST"]),
        ]
        self.routes = page_routes(PATH, PageSecurity(Starlette(routes=inner_routes), port, hosts, _policy()))
        page.has_board = True

    async def _show(self, request: Request) -> Response:
        if not self._page.is_signed_in(request):
            return RedirectResponse(OPERATOR_PATH, 303)
        return HTMLResponse(html().replace("<head>", f"<head>{_ICON}", 1))

    async def _events(self, request: Request) -> Any:
        session = await self._page.session_of(request)
        if session.identity is not None and not session.identity.may(TokenScope.READ):
            raise RequestRefused(403, f"The switchboard needs a token with the scope {TokenScope.READ}.")
        if not self._updates.has_room(session):
            raise RequestRefused(429, TOO_MANY_STREAMS)
        response = self._updates.response(session, self._page.sessions)

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            async with _refreshing(self._board):
                await response(scope, receive, send)

        return respond

    async def _press(self, request: Request, session: SignInSession) -> Response:
        """Call the tool behind a button, with the same policy, approval, limits and audit as for an MCP client."""
        body = await read_json(request)
        tool, arguments = text_field(body, "tool", _MAX_TOOL_NAME_LENGTH), body.get("arguments")
        if tool not in ACTIONS or not isinstance(arguments, dict):
            raise RequestRefused(400, "There is no such button.")
        call = CallToolRequestParams(name=tool, arguments=cast("dict[str, Any]", arguments))
        try:
            result = await self._call_tool(call, ButtonCallContext(_caller(session)))
        except MCPError as unknown:
            raise RequestRefused(409, unknown.error.message) from None
        payload = {"failed": result.get("isError", False), "text": result["content"][0]["text"]}
        pending = result.get("_meta", {}).get(PENDING)
        return JSONResponse(payload | ({"pending": pending} if pending else {}))


def _caller(session: SignInSession) -> Caller:
    identity = session.identity
    if identity is None:
        return Caller(_CLIENT, _CLIENT, is_alone=False)
    may_control = identity.may(TokenScope.CONTROL)
    return Caller(f"{_CLIENT} {identity.name}", _CLIENT, identity.name, may_control, is_alone=False)


class _BoardReader:
    """Reads the board's content: again after each event, and once a second."""

    def __init__(self, board: Board, events: EventService) -> None:
        self._board = board
        self._stale_at = float("-inf")
        self._content: dict[str, Any] = {}
        events.on_change(self._on_change)

    def _on_change(self, changed: object, events: object) -> None:
        self._stale_at = float("-inf")

    async def __call__(self) -> dict[str, Any]:
        if anyio.current_time() < self._stale_at:
            return self._content
        self._stale_at = anyio.current_time() + _LEDGER_INTERVAL_S  # first: an event during the read makes it stale
        try:
            self._content = await self._board.read()
        except (StoreError, CallFailed) as problem:
            self._content = {**_EMPTY, **self._content, "trouble": str(problem)}
        return self._content


_EMPTY: dict[str, Any] = {"rooms": [], "queues": [], "alerts": [], "events": [], "approvals": [], "actions": []}


@asynccontextmanager
async def _refreshing(board: Board) -> AsyncGenerator[None]:
    """Ask Telnyx now and then for what no event reports, such as names."""

    async def refresh() -> None:
        while True:
            await anyio.sleep(_LEDGER_INTERVAL_S)
            await board.refresh()

    await board.refresh()  # so that the first state has the names
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refresh)
        yield
        tasks.cancel_scope.cancel()


def _policy() -> str:
    """A content security policy that allows the page's own script and style by their hashes."""
    script, style = (
        base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
        for tag in ("script", "style")
        if (match := re.search(f"<{tag}>(.*?)</{tag}>", html(), re.DOTALL))
    )
    return content_security_policy(f"'sha256-{script}'", f"'sha256-{style}'")
