"""Everything that is served over HTTP on one port: MCP, webhooks, health, metrics and the operator page."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .app import Opened, open_server
from .door import Asgi, Door, Receive, Scope, Send
from .errors import CallFailed
from .events.receiver import HEALTH, WEBHOOKS, mark
from .health import Health
from .intake import identity_of
from .leaving import Leaving
from .metrics import Metrics
from .operator_page.page import PATH as OPERATOR
from .settings import Settings

MCP = "/mcp"
READY = "/readyz"
METRICS = "/metrics"
_LARGEST = 1024 * 1024
"""Bytes of a request to `/mcp`."""
_IDLE = 30 * 60.0
"""Seconds after which a session in which nothing happens is closed."""
_MOST_SESSIONS = 10_000
_TEXT = "text/plain; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Site:
    """A running server as an ASGI app, and its end."""

    app: Asgi
    leaving: Leaving


@asynccontextmanager
async def open_site(settings: Settings) -> AsyncGenerator[Site]:
    """What these settings describe, over HTTP, for as long as the context lasts. Raises `SettingsError`."""
    # A stream is ended by what it waits for, which hears of the server's end: not cut off in the middle of an answer.
    AppStatus.disable_automatic_graceful_drain()
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_server(settings))
        with suppress(CallFailed):  # its log and `/readyz` say why, and a store may come back
            await opened.events.store()
        manager = StreamableHTTPSessionManager(
            opened.server,
            stateless=settings.stateless,
            max_request_body_size=_LARGEST,
            session_idle_timeout=_IDLE,
            max_sessions=_MOST_SESSIONS,
        )
        await stack.enter_async_context(manager.run())
        pages = _Pages(settings, opened)
        served: dict[str, Asgi] = {
            MCP: Door(manager.asgi_app, settings, opened.leaving),
            METRICS: Door(pages.metrics, settings, opened.leaving),
            HEALTH: pages.alive,
            READY: pages.ready,
        }
        if opened.intake.takes_webhooks:
            receiver = opened.intake.receiver()
            pages.numbers.receives(receiver)
            served[WEBHOOKS] = receiver.app
        if settings.operator_page is not None:
            served[OPERATOR] = _operator_page(settings, opened)
        yield Site(_by_path(served), opened.leaving)


def _by_path(served: Mapping[str, Asgi]) -> Asgi:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        found = served.get(path) or (served.get(OPERATOR) if path.startswith(f"{OPERATOR}/") else None)
        await (found or PlainTextResponse("There is nothing here.", 404))(scope, receive, send)

    return app


def _operator_page(settings: Settings, opened: Opened) -> Asgi:
    from .operator_page.page import OperatorPage  # noqa: PLC0415 (for who wants it)
    from .operator_page.serving import print_link  # noqa: PLC0415

    page = OperatorPage(opened.guarding.ledger, settings.port, print_link, names=settings.allowed_hosts)
    opened.leaving.on_begin(page.close)
    print_link(page.link())
    return page.app


class _Pages:
    """What a load balancer and Prometheus ask for."""

    def __init__(self, settings: Settings, opened: Opened) -> None:
        self._opened = opened
        self._alive = {"status": "alive", **mark(identity_of(settings))}
        self._health = Health(opened.guarding.ledger, opened.telnyx)
        self.numbers = Metrics()
        opened.dispatcher.on_ended(self.numbers.call_ended)
        opened.telnyx.on_exchange(self.numbers.exchanged)
        opened.intake.on_event(self.numbers.event)

    async def alive(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, JSONResponse(self._alive))(scope, receive, send)

    async def ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = {"server": "is shutting down"} if self._opened.leaving.has_begun else {}
        problems = leaving or await self._health.problems()
        told: dict[str, Any] = {"status": "not ready", "problems": problems} if problems else {"status": "ready"}
        await self._answer(scope, JSONResponse(told, 503 if problems else 200))(scope, receive, send)

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.numbers.waits.set(self._opened.events.waits)
        self.numbers.pending.set(len(await self._opened.guarding.ledger.pending()))
        await self._answer(scope, Response(self.numbers.text(), media_type=_TEXT))(scope, receive, send)

    def _answer(self, scope: Scope, answer: Response) -> Response:
        reads = Request(scope).method in ("GET", "HEAD")
        return answer if reads else PlainTextResponse("Only to be read.", 405, {"allow": "GET"})
