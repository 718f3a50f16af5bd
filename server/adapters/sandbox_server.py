"""The sandbox on a loopback port."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .. import asgi_server as http
from ..sandbox import Sandbox, create_app
from ..settings import SettingsError

LOOPBACK = http.LOOPBACK


def listen(port: int) -> socket.socket:
    """A listening loopback socket. Port 0 takes a free port. Raises `SettingsError` if the port is taken."""
    try:
        return http.listen(port)
    except OSError as error:
        problem = http.port_problem(error)
        raise SettingsError(f"port {port} {problem}: choose another, or 0 for a free one.") from None


def run_sandbox(sandbox: Sandbox, listener: socket.socket) -> None:
    """Serve the sandbox on a listening socket until a signal ends the process."""
    http.run(create_app(sandbox), listener)


@asynccontextmanager
async def serving(sandbox: Sandbox, port: int) -> AsyncGenerator[int]:
    """Serve a running sandbox on a loopback port, beside what else this process does. Yields the port."""
    listener = listen(port)
    async with http.serving(create_app(sandbox), listener):
        yield listener.getsockname()[1]
