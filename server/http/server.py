"""MCP over HTTP: a process of its own, which ends in order when it is told to."""

import asyncio
import errno
import importlib.util
import socket

import anyio

from ..asgi_server import Server, listen
from ..settings import Settings, SettingsError
from ..shutdown import on_signals
from .app import open_http_app

_AT_ONCE = 2048
"""Connections that are served at the same time; to a further one the answer is 503."""
_GRACE = 35
"""Seconds for the requests in hand, on leaving: a command is given up after 30."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `SettingsError` before anything is served."""
    listener = _listener(settings)
    fast = importlib.util.find_spec("uvloop") is not None
    anyio.run(_serve, settings, listener, backend_options={"use_uvloop": fast})


def _listener(settings: Settings) -> socket.socket:
    try:
        return listen(settings.port, settings.host, _AT_ONCE)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is already in use" if taken else f"cannot be listened on ({error.strerror})"
        raise SettingsError(f"port {settings.port} of {settings.host} {why}: choose another with --port.") from None


async def _serve(settings: Settings, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    port: int = listener.getsockname()[1]
    async with open_http_app(settings.model_copy(update={"port": port})) as site:
        server = Server(site.app, _AT_ONCE, _GRACE)

        def leave() -> None:
            site.leaving.begin()
            server.leave()

        with on_signals(lambda: loop.call_soon_threadsafe(leave), then=False):
            await server.serve(listener)
