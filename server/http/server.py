"""The process behind `serve --transport http`, with a graceful shutdown."""

import asyncio
import importlib.util
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_network

import anyio

from ..asgi_server import Server, listen, port_problem
from ..lifecycle import on_signals
from ..settings import Settings, SettingsError
from .app import MCP, is_priority_path, open_http_app

if sys.platform != "win32":
    import resource

_MAX_CONNECTIONS = 2048
"""With a request in progress; a further request is answered 503, except to the operator and to probes."""
_OPEN_FILES = 2 * _MAX_CONNECTIONS
_SHUTDOWN_TIMEOUT_S = 35
"""For requests in flight: a command to Telnyx is given up after 30 s."""


def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises `KeyboardInterrupt` after SIGINT.

    `announce` gets a line with the server's address once it serves. Raises `SettingsError` before that.
    """
    _raise_open_file_limit()
    listener = _listener(settings)
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    anyio.run(_serve, settings, listener, announce, backend_options={"use_uvloop": has_uvloop})


def _raise_open_file_limit() -> None:
    """Each connection takes a file descriptor, and the usual limit of 1,024 is below this server's own."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        target = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < target:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


def _listener(settings: Settings) -> socket.socket:
    try:
        return listen(settings.port, settings.host, _MAX_CONNECTIONS)
    except OSError as error:
        port = f"port {settings.port} of {settings.host}"
        raise SettingsError(f"{port} {port_problem(error)}: choose another with --port.") from None


async def _serve(settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    port: int = listener.getsockname()[1]
    async with open_http_app(settings.model_copy(update={"port": port})) as http_app:
        proxies = [ip_network(network) for network in settings.trusted_proxies]
        server = Server(
            http_app.app,
            _MAX_CONNECTIONS,
            _SHUTDOWN_TIMEOUT_S,
            is_priority=is_priority_path,
            trusted_proxies=proxies,
        )

        received: list[int] = []

        def shut_down(number: int) -> None:
            received.append(number)
            http_app.shutdown.begin()
            server.stop()

        with on_signals(lambda number: loop.call_soon_threadsafe(shut_down, number), chain=False):
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            announce(f"Serving MCP at http://{host}:{port}{MCP}. Press Ctrl-C to stop.")
            await server.serve(listener)
    if signal.SIGINT in received:
        raise KeyboardInterrupt
