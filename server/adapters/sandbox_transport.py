"""The sandbox in this process: a transport without a socket, and a server on a loopback port."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2

from .. import asgi_server as http
from ..sandbox import ConnectionDropped, Sandbox, Scene, SceneError, create_app, find_scene
from ..settings import SettingsError

LOOPBACK = http.LOOPBACK


class SandboxTransport(httpx2.ASGITransport):
    """Hands requests to the sandbox in this process. A connection it drops is a read error, as on a socket."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped as dropped:
            raise httpx2.ReadError(str(dropped), request=request) from None


def listen(port: int) -> socket.socket:
    """A listening loopback socket. Port 0 takes a free port. Raises `SettingsError` if the port is taken."""
    try:
        return http.listen(port)
    except OSError as error:
        problem = http.port_problem(error)
        raise SettingsError(f"port {port} {problem}: choose another, or 0 for a free one.") from None


def read_scene(name: str) -> Scene:
    """A scene by its name or from a file. Raises `SettingsError`."""
    try:
        return find_scene(name)
    except SceneError as error:
        raise SettingsError(str(error)) from None


def run_sandbox(sandbox: Sandbox, listener: socket.socket) -> None:
    """Serve the sandbox on a listening socket until a signal ends the process."""
    http.run(create_app(sandbox), listener)


@asynccontextmanager
async def serving(sandbox: Sandbox, port: int) -> AsyncGenerator[int]:
    """Serve a running sandbox on a loopback port, beside what else this process does. Yields the port."""
    listener = listen(port)
    async with http.serving(create_app(sandbox), listener):
        yield listener.getsockname()[1]
