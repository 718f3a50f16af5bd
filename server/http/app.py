"""Everything that is served over HTTP on one port: MCP, webhooks, probes, metrics and the operator page."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from ..app import RunningServer, open_server
from ..auth import TokenScope
from ..auth.access_tokens import AccessTokens
from ..auth.authenticator import Authenticator
from ..database import StoreError, default_url
from ..errors import CallFailed
from ..guard import Ledger
from ..lifecycle import Shutdown
from ..settings import Settings, SettingsError
from ..webhooks.receiver import HEALTH_PATH, READY_PATH, WEBHOOK_PATH
from .middleware import MAX_BODY_BYTES, AccessMiddleware
from .probes import Probes
from .protected_resource import metadata_routes, metadata_url

MCP = "/mcp"
METRICS = "/metrics"
_PRIORITY_PATHS = ("/operator", HEALTH_PATH, READY_PATH, WEBHOOK_PATH)
_SESSION_IDLE_TIMEOUT_S = 30 * 60.0
_MAX_SESSIONS = 10_000


def is_priority_path(path: str) -> bool:
    """Whether requests to a path are answered even when clients of MCP use all connections."""
    return path.startswith(_PRIORITY_PATHS)


@dataclass(frozen=True, slots=True)
class HttpApp:
    """A running server as an ASGI app, and its shutdown."""

    app: ASGIApp
    shutdown: Shutdown


@asynccontextmanager
async def open_http_app(settings: Settings) -> AsyncGenerator[HttpApp]:
    """Serve what these settings describe over HTTP until the context exits. Raises `SettingsError`."""
    # Streams end themselves at shutdown, after a last event. The library would cut them off.
    AppStatus.disable_automatic_graceful_drain()
    await _require_any_token(settings)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(open_server(settings))
        with suppress(CallFailed):  # the log and `/readyz` say why; the store may come back
            await running.events.store()
        authenticator = _authenticator(settings, running.guard_runtime.ledger)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(authenticator.watch)
        sessions = StreamableHTTPSessionManager(
            running.server,
            stateless=settings.stateless,
            max_request_body_size=MAX_BODY_BYTES,
            session_idle_timeout=_SESSION_IDLE_TIMEOUT_S,
            max_sessions=_MAX_SESSIONS,
        )
        await stack.enter_async_context(sessions.run())
        routes = _routes(settings, running, authenticator, sessions)
        yield HttpApp(Router(routes, redirect_slashes=False), running.shutdown)


def _routes(
    settings: Settings, running: RunningServer, authenticator: Authenticator, sessions: StreamableHTTPSessionManager
) -> list[BaseRoute]:
    probes = Probes(settings, running)
    readers_only = Middleware(AccessMiddleware, settings, running.shutdown, authenticator, TokenScope.READ)
    routes: list[BaseRoute] = [
        Route(MCP, sessions.asgi_app, middleware=[readers_only]),
        Route(METRICS, probes.metrics, methods=["GET"], middleware=[readers_only]),
        Route(HEALTH_PATH, probes.alive, methods=["GET"]),
        Route(READY_PATH, probes.ready, methods=["GET"]),
    ]
    if running.ingest.receives_webhooks:
        receiver = running.ingest.receiver()
        probes.numbers.report_webhooks(receiver)
        routes.append(Route(WEBHOOK_PATH, receiver.app))
    if settings.oauth_issuer is not None and settings.oauth_audience is not None:
        routes += metadata_routes(settings.oauth_audience, settings.oauth_issuer)
    if settings.operator_page is not None:
        routes += _page_routes(settings, running, authenticator)
    return routes


async def _require_any_token(settings: Settings) -> None:
    """Raise `SettingsError` when a token is required and none exists."""
    if not settings.tokens_required or settings.oauth_issuer is not None:
        return
    has_stored_tokens = settings.database is not None or not settings.sandbox  # a sandbox starts with an empty store
    if not has_stored_tokens:
        raise SettingsError(f"{_NO_TOKENS} A sandbox needs --database for that: without it, its store is always new.")
    with suppress(StoreError):  # the log and `/readyz` say why; the store may come back
        if not await _has_tokens(settings.database or default_url()):
            raise SettingsError(_NO_TOKENS)


async def _has_tokens(url: str) -> bool:
    async with Ledger.open(url) as ledger:
        return bool(await ledger.tokens())


_NO_TOKENS = (
    "Clients need a token when other machines can connect (--host, --allowed-hosts) or with --require-tokens, and the "
    "store has none yet. Create one in the same store (--database): `telnyx-conferencing tokens create "
    "NAME --scope conferences:control`. Or set an OAuth issuer with --oauth-issuer and --oauth-audience."
)


def _authenticator(settings: Settings, ledger: Ledger) -> Authenticator:
    access_tokens = AccessTokens(ledger.token, lambda: datetime.now(UTC))
    if settings.oauth_issuer is None or settings.oauth_audience is None:
        return Authenticator(access_tokens, None, is_required=settings.tokens_required)
    from ..auth.jwt_verifier import JwtVerifier  # noqa: PLC0415 (only needed with an issuer)

    issuer = JwtVerifier(settings.oauth_issuer, settings.oauth_audience, settings.oauth_jwks_url)
    return Authenticator(access_tokens, issuer, is_required=True, metadata_url=metadata_url(settings.oauth_audience))


def _page_routes(settings: Settings, running: RunningServer, authenticator: Authenticator) -> list[BaseRoute]:
    from ..web.operator import LiveCalls, OperatorPage, announce_page  # noqa: PLC0415 (only needed with the page)

    by_token = authenticator if authenticator.is_required else None
    live = LiveCalls(running.board, running.events, running.tool_calls.answer)
    ledger, hosts = running.guard_runtime.ledger, settings.allowed_hosts
    page = OperatorPage(ledger, live, settings.port, hosts=hosts, authenticator=by_token)
    running.shutdown.on_begin(page.close)
    announce_page(running.guard_runtime.page or "", needs_token=by_token is not None)
    return page.routes
