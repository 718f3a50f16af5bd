"""/board: the switchboard in a browser, for whoever is signed in on the operator page, told by server-sent events."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..auth import TokenScope as Right
from ..board.board import ACTIONS, Board
from ..board.page import html
from ..database import StoreError
from ..errors import CallFailed
from ..events.service import EventService
from ..guard import Caller
from ..mcp.board_tools import PENDING
from ..mcp.call_context import ButtonCallContext, CallContext
from .operator.app import PATH as OPERATOR
from .operator.app import OperatorPage, refusing
from .operator.event_stream import TOO_MANY, PageUpdates, Stream
from .operator.requests import RequestRefused, body_of, text_of
from .operator.security import door, policy_of
from .operator.sign_in_sessions import SignInSession

PATH = "/board"
_EVERY = 0.1
"""Seconds between two pictures of what happens."""
_LEDGER_EVERY = 1.0
"""Seconds after which is looked again although no event came: at approvals, and at the stop switch."""
_CLIENT = "switchboard"
_ICON = f'<link rel="icon" href="{OPERATOR}/icon.svg" type="image/svg+xml">'
_LONGEST_NAME = 100

Call = Callable[[CallToolRequestParams, CallContext], Awaitable[Any]]
"""Answers a tool call, as a client's is answered."""


class BoardPage:
    """The board at a port, beside an operator page whose sign-in it shares."""

    def __init__(  # noqa: PLR0917 (what it is made of)
        self,
        page: OperatorPage,
        board: Board,
        events: EventService,
        call: Call,
        port: int,
        names: Collection[str] = (),
    ) -> None:
        """`port`, `names`: as for the operator page."""
        self._page = page
        self._board = board
        self._call = call
        self._look = _Look(board, events)
        self._live = PageUpdates(self._look, lambda: datetime.now(UTC), _EVERY)
        routes = [
            Route(PATH, self._shown, methods=["GET"]),
            Route(f"{PATH}/events", refusing(self._events), methods=["GET"]),
            Route(f"{PATH}/call", page.changing(self._press), methods=["POST"]),
        ]
        self.app: ASGIApp = door(Starlette(routes=routes), port, names, _policy())
        page.has_board = True

    async def _shown(self, request: Request) -> Response:
        if not self._page.is_signed_in(request):
            return RedirectResponse(OPERATOR, 303)
        return HTMLResponse(html().replace("<head>", f"<head>{_ICON}", 1))

    async def _events(self, request: Request) -> Any:
        session = await self._page.session_of(request)
        if session.identity is not None and not session.identity.may(Right.READ):
            raise RequestRefused(403, f"Your token has not the scope {Right.READ}, which the switchboard takes.")
        if not self._live.has_room(session):
            raise RequestRefused(429, TOO_MANY)
        return _Watched(self._board, Stream(self._live, session, self._page.sessions))

    async def _press(self, request: Request, session: SignInSession) -> Response:
        """Call the tool behind a button: the same policy, approval, limits and audit as for any client."""
        body = await body_of(request)
        tool, given = text_of(body, "tool", _LONGEST_NAME), body.get("arguments")
        if tool not in ACTIONS or not isinstance(given, dict):
            raise RequestRefused(400, "There is no such button.")
        call = CallToolRequestParams(name=tool, arguments=cast("dict[str, Any]", given))
        try:
            answer = await self._call(call, ButtonCallContext(_caller(session)))
        except MCPError as unknown:
            raise RequestRefused(409, unknown.error.message) from None
        told = {"failed": answer.get("isError", False), "text": answer["content"][0]["text"]}
        pending = answer.get("_meta", {}).get(PENDING)
        return JSONResponse(told | ({"pending": pending} if pending else {}))


def _caller(session: SignInSession) -> Caller:
    """Whoever is signed in, as one who calls."""
    who = session.identity
    if who is None:
        return Caller(_CLIENT, _CLIENT, is_alone=False)
    return Caller(f"{_CLIENT} {who.name}", _CLIENT, who.name, who.may(Right.CONTROL), is_alone=False)


class _Look:
    """What the board shows, looked at anew when something has happened, and once a second."""

    def __init__(self, board: Board, events: EventService) -> None:
        self._board = board
        self._stale_at = float("-inf")
        self._content: dict[str, Any] = {}
        events.on_change(self._note)

    def _note(self, changed: object, events: object) -> None:
        self._stale_at = float("-inf")

    async def __call__(self) -> dict[str, Any]:
        if anyio.current_time() < self._stale_at:
            return self._content
        self._stale_at = anyio.current_time() + _LEDGER_EVERY  # before looking: what happens meanwhile is looked at
        try:
            self._content = await self._board.look()
        except (StoreError, CallFailed) as problem:
            self._content = {**_NOTHING, **self._content, "trouble": str(problem)}
        return self._content


_NOTHING: dict[str, Any] = {"rooms": [], "queues": [], "events": [], "approvals": [], "actions": []}


class _Watched:
    """A stream, during which Telnyx is asked now and then for what no event tells."""

    def __init__(self, board: Board, stream: Stream) -> None:
        self._board = board
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._board.ask()  # so that the first picture has the names
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ask)
            await self._stream(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _ask(self) -> None:
        while True:
            await self._board.ask()
            await anyio.sleep(_LEDGER_EVERY)


def beside(board: Board, events: EventService, call: Call, page: OperatorPage, port: int) -> ASGIApp:
    """An operator page at this port and the board as one app."""
    at_board = BoardPage(page, board, events, call, port)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        is_board = path == PATH or path.startswith(f"{PATH}/")
        await (at_board if is_board else page).app(scope, receive, send)

    return app


def _policy() -> str:
    """The page's own script and style by their hashes, and nothing else."""
    script, style = (
        base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        for tag in ("script", "style")
        if (found := re.search(f"<{tag}>(.*?)</{tag}>", html(), re.DOTALL))
    )
    return policy_of(f"'sha256-{script}'", f"'sha256-{style}'")
