"""The server as an ASGI application: `uvicorn --factory telnyx_conferencing.server.http.asgi:create_app`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ..lifecycle import on_signals
from ..observability.logs import log_to_stderr
from ..settings import load
from .app import open_http_app


def create_app() -> ASGIApp:
    """The application, with its settings from the environment. The server opens at ASGI lifespan startup.

    Raises `SettingsError`, also at startup.
    """
    settings = load(transport="http")
    log_to_stderr(settings)
    running: list[ASGIApp] = []

    async def forward(scope: Scope, receive: Receive, send: Send) -> None:
        await running[0](scope, receive, send)

    @asynccontextmanager
    async def lifespan(router: Router) -> AsyncGenerator[None]:
        async with open_http_app(settings) as http_app:
            running.append(http_app.app)
            # ASGI reports shutdown only after every response has ended, and some responses wait for the shutdown.
            loop = asyncio.get_running_loop()
            with on_signals(lambda _: loop.call_soon_threadsafe(http_app.shutdown.begin), chain=True):
                yield

    return Router(default=forward, lifespan=lifespan)
