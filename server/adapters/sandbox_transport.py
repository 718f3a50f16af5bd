"""The embedded Telnyx inside this process: reached without a socket, and served on a loopback port if wanted."""

import errno
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2

from .. import asgi_server as http
from ..sandbox import ConnectionDropped, Sandbox, create_app
from ..settings import SettingsError

LOOPBACK = http.LOOPBACK


class SandboxTransport(httpx2.ASGITransport):
    """Requests handed to the sandbox in this process; a connection it drops is a read error, as on a socket."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped as dropped:
            raise httpx2.ReadError(str(dropped), request=request) from None


def listen(port: int) -> socket.socket:
    """A listening loopback socket; port 0 takes a free one. Raises `SettingsError` when the port is taken."""
    try:
        return http.listen(port)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is already in use" if taken else f"cannot be listened on ({error.strerror})"
        raise SettingsError(f"port {port} {why}: choose another, or 0 for a free one.") from None


def run_sandbox(sandbox: Sandbox, listener: socket.socket) -> None:
    """Serve the sandbox on a listening socket until a signal ends the process."""
    http.run(create_app(sandbox), listener)


@asynccontextmanager
async def serving(sandbox: Sandbox, port: int) -> AsyncGenerator[int]:
    """Serve a sandbox that is already running on a loopback port, beside whatever else this process does."""
    listener = listen(port)
    async with http.serving(create_app(sandbox), listener):
        yield listener.getsockname()[1]
