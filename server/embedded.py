"""The embedded Telnyx inside this process: reached without a socket, and served on a loopback port if wanted."""

import errno
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import httpx2
import uvicorn

from .sandbox import ConnectionDropped, Sandbox, create_app
from .settings import SettingsError

LOOPBACK = "127.0.0.1"


class SandboxTransport(httpx2.ASGITransport):
    """Requests handed to the sandbox in this process; a connection it drops is a read error, as on a socket."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped as dropped:
            raise httpx2.ReadError(str(dropped), request=request) from None


def listen(port: int) -> socket.socket:
    """A listening loopback socket; port 0 takes a free one. Raises `SettingsError` when the port is taken."""
    # By its protocol asyncio knows that it may send small answers at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        why = "is already in use" if taken else f"cannot be listened on ({error.strerror})"
        raise SettingsError(f"port {port} {why}: choose another, or 0 for a free one.") from None
    listener.listen(128)
    return listener


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: whoever started this process decides when it ends."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def http_server(sandbox: Sandbox, *, owns_process: bool) -> uvicorn.Server:
    """The sandbox as an HTTP server, quiet on both standard streams."""
    config = uvicorn.Config(
        create_app(sandbox), log_config=None, access_log=False, lifespan="on" if owns_process else "off"
    )
    return uvicorn.Server(config) if owns_process else _Server(config)


@asynccontextmanager
async def serving(sandbox: Sandbox, port: int) -> AsyncGenerator[int]:
    """Serve a sandbox that is already running on a loopback port, beside whatever else this process does."""
    listener = listen(port)
    server = http_server(sandbox, owns_process=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
