"""Everything that is served over HTTP on one port: MCP, webhooks, health, metrics, the operator page and the board."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..app import RunningServer, open_server
from ..auth import TokenScope as Right
from ..auth.access_tokens import AccessTokens
from ..auth.authenticator import Authenticator, metadata
from ..database import StoreError, default_url
from ..errors import CallFailed
from ..guard import Ledger
from ..observability.metrics import Metrics
from ..settings import Settings, SettingsError
from ..shutdown import Shutdown
from ..stores import store_identity
from ..web.operator.app import PATH as OPERATOR
from ..webhooks.receiver import HEALTH_PATH, WEBHOOK_PATH, store_marker
from .health import Health
from .middleware import AccessMiddleware

MCP = "/mcp"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
BOARD = "/board"
READY = "/readyz"
METRICS = "/metrics"
_LARGEST = 1024 * 1024
"""Bytes of a request to `/mcp`."""
_IDLE = 30 * 60.0
"""Seconds after which a session in which nothing happens is closed."""
_MOST_SESSIONS = 10_000
_TEXT = "text/plain; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class HttpApp:
    """A running server as an ASGI app, and its end."""

    app: ASGIApp
    leaving: Shutdown


@asynccontextmanager
async def open_http_app(settings: Settings) -> AsyncGenerator[HttpApp]:
    """What these settings describe, over HTTP, for as long as the context lasts. Raises `SettingsError`."""
    # A stream is ended by what it waits for, which hears of the server's end: not cut off in the middle of an answer.
    AppStatus.disable_automatic_graceful_drain()
    await _must_let_somebody_in(settings)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_server(settings))
        with suppress(CallFailed):  # its log and `/readyz` say why, and a store may come back
            await opened.events.store()
        admission = _admission(settings, opened.guard_runtime.ledger)
        watching = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(watching.cancel_scope.cancel)
        watching.start_soon(admission.watch)
        manager = StreamableHTTPSessionManager(
            opened.server,
            stateless=settings.stateless,
            max_request_body_size=_LARGEST,
            session_idle_timeout=_IDLE,
            max_sessions=_MOST_SESSIONS,
        )
        await stack.enter_async_context(manager.run())
        pages = _Pages(settings, opened)
        served: dict[str, ASGIApp] = {
            MCP: AccessMiddleware(manager.asgi_app, settings, opened.shutdown, admission, Right.READ),
            METRICS: AccessMiddleware(pages.metrics, settings, opened.shutdown, admission, Right.READ),
            HEALTH_PATH: pages.alive,
            READY: pages.ready,
        }
        if opened.ingest.receives_webhooks:
            receiver = opened.ingest.receiver()
            pages.numbers.receives(receiver)
            served[WEBHOOK_PATH] = receiver.app
        if settings.oauth_issuer is not None and settings.oauth_audience is not None:
            about = pages.resource(metadata(settings.oauth_audience, settings.oauth_issuer))
            served |= {WELL_KNOWN: about, urlsplit(_metadata_url(settings.oauth_audience)).path: about}
        if settings.operator_page is not None:
            served |= _for_people(settings, opened, admission)
        yield HttpApp(_by_path(served), opened.shutdown)


def _by_path(served: Mapping[str, ASGIApp]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        within = next((place for place in (OPERATOR, BOARD) if path.startswith(f"{place}/")), "")
        found = served.get(path) or served.get(within)
        await (found or PlainTextResponse("There is nothing here.", 404))(scope, receive, send)

    return app


async def _must_let_somebody_in(settings: Settings) -> None:
    """Raises `SettingsError` when nobody could come in."""
    if not settings.tokens_required or settings.oauth_issuer is not None:
        return
    is_kept = settings.database is not None or not settings.sandbox  # practice begins with an empty store
    with suppress(StoreError):  # as above
        if not is_kept or not await _tokens_in(settings.database or default_url()):
            raise _NOBODY


async def _tokens_in(url: str) -> bool:
    async with Ledger.open(url) as ledger:
        return bool(await ledger.tokens())


_NOBODY = SettingsError(
    "Where others than this machine may come (--host, --allowed-hosts) or with --require-tokens, a client needs a "
    "token, and there is none yet. Make one in the same store (--database) with `telnyx-conferencing tokens create "
    "NAME --scope conferences:control`, or name an OAuth issuer with --oauth-issuer and --oauth-audience."
)


def _admission(settings: Settings, ledger: Ledger) -> Authenticator:
    own = AccessTokens(ledger.token, lambda: datetime.now(UTC))
    if settings.oauth_issuer is None or settings.oauth_audience is None:
        return Authenticator(own, None, is_required=settings.tokens_required)
    from ..auth.jwt_verifier import JwtVerifier  # noqa: PLC0415 (for who has one)

    issuer = JwtVerifier(settings.oauth_issuer, settings.oauth_audience, settings.oauth_jwks_url)
    return Authenticator(own, issuer, is_required=True, metadata_url=_metadata_url(settings.oauth_audience))


def _metadata_url(audience: str) -> str:
    """Where RFC 9728 has clients look for what this server says of itself."""
    at = urlsplit(audience)
    return f"{at.scheme}://{at.netloc}{WELL_KNOWN}{at.path.rstrip('/')}"


def _for_people(settings: Settings, opened: RunningServer, admission: Authenticator) -> dict[str, ASGIApp]:
    """The operator page and the board, which share a sign-in."""
    from ..web.board import BoardPage  # noqa: PLC0415 (for who wants it)
    from ..web.operator.app import OperatorPage  # noqa: PLC0415
    from ..web.operator.server import print_link  # noqa: PLC0415

    by_token = admission if admission.is_required else None
    names = settings.allowed_hosts
    page = OperatorPage(opened.guard_runtime.ledger, settings.port, print_link, names=names, admission=by_token)
    board = BoardPage(page, opened.board, opened.events, opened.tool_calls.answer, settings.port, names=names)
    opened.shutdown.on_begin(page.close)
    if by_token is None:
        print_link(page.link())
    return {OPERATOR: page.app, BOARD: board.app}


class _Pages:
    """What a load balancer and Prometheus ask for."""

    def __init__(self, settings: Settings, opened: RunningServer) -> None:
        self._opened = opened
        self._alive = {"status": "alive", **store_marker(store_identity(settings))}
        self._health = Health(opened.guard_runtime.ledger, opened.telnyx)
        self.numbers = Metrics()
        opened.tool_calls.on_ended(self.numbers.call_ended)
        opened.telnyx.on_exchange(self.numbers.exchanged)
        opened.ingest.on_event(self.numbers.event)

    async def alive(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, JSONResponse(self._alive))(scope, receive, send)

    async def ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = {"server": "is shutting down"} if self._opened.shutdown.has_begun else {}
        problems = leaving or await self._health.problems()
        told: dict[str, Any] = {"status": "not ready", "problems": problems} if problems else {"status": "ready"}
        await self._answer(scope, JSONResponse(told, 503 if problems else 200))(scope, receive, send)

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.numbers.waits.set(self._opened.events.waiter_count)
        self.numbers.pending.set(len(await self._opened.guard_runtime.ledger.pending()))
        await self._answer(scope, Response(self.numbers.text(), media_type=_TEXT))(scope, receive, send)

    def resource(self, told: dict[str, Any]) -> ASGIApp:
        """What this server says of who gives out its tokens, to anybody, pages of other sites included."""
        headers = {"access-control-allow-origin": "*", "cache-control": "public, max-age=3600"}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._answer(scope, JSONResponse(told, headers=headers))(scope, receive, send)

        return app

    def _answer(self, scope: Scope, answer: Response) -> Response:
        reads = Request(scope).method in ("GET", "HEAD")
        return answer if reads else PlainTextResponse("Only to be read.", 405, {"allow": "GET"})
