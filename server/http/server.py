"""The process behind `serve --transport http`, with a graceful shutdown."""

import asyncio
import errno
import importlib.util
import socket

import anyio

from ..asgi_server import Server, listen
from ..lifecycle import on_signals
from ..settings import Settings, SettingsError
from .app import open_http_app

_MAX_CONNECTIONS = 2048
"""Further connections are answered 503."""
_SHUTDOWN_TIMEOUT_S = 35
"""For requests in flight: a command to Telnyx is given up after 30 s."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `SettingsError` before anything is served."""
    listener = _listener(settings)
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    anyio.run(_serve, settings, listener, backend_options={"use_uvloop": has_uvloop})


def _listener(settings: Settings) -> socket.socket:
    try:
        return listen(settings.port, settings.host, _MAX_CONNECTIONS)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        problem = "is already in use" if in_use else f"cannot be opened ({error.strerror})"
        raise SettingsError(f"port {settings.port} of {settings.host} {problem}: choose another with --port.") from None


async def _serve(settings: Settings, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    port: int = listener.getsockname()[1]
    async with open_http_app(settings.model_copy(update={"port": port})) as http_app:
        server = Server(http_app.app, _MAX_CONNECTIONS, _SHUTDOWN_TIMEOUT_S)

        def shut_down() -> None:
            http_app.shutdown.begin()
            server.stop()

        with on_signals(lambda: loop.call_soon_threadsafe(shut_down), chain=False):
            await server.serve(listener)
