"""HTTP servers inside this process: a listening socket, and an app served on it beside whatever else goes on."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import uvicorn

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

LOOPBACK = "127.0.0.1"
_GRACE = 5
"""Seconds for the requests in hand, on leaving."""
_LOOK = 0.02
_LOOKS = 50
"""How often, and so many seconds apart, it is looked on leaving whether all connections have had a request."""


def listen(port: int, host: str = LOOPBACK, backlog: int = 128) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    `backlog`: how many connections may wait to be accepted. Raises `OSError`, such as one of `errno.EADDRINUSE`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its protocol asyncio knows that it may send small answers at once.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handlers: whoever started this process decides when it ends.

    And whoever has reached it by then is answered. Uvicorn breaks off a connection that waits to be accepted, or whose
    request is still on its way: a proxy cannot tell that from a command that was lost in the middle.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waiting = list(_waiting_at(sockets or []))
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)
        for _ in range(_LOOKS):
            await anyio.sleep(_LOOK)
            if all(getattr(one, "cycle", one) is not None for one in self.server_state.connections):
                break
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _waiting_at(listeners: Iterable[socket.socket]) -> Iterator[socket.socket]:
    """The connections that are made and not accepted yet."""
    for listener in listeners:
        with suppress(OSError):  # there is none left, or one has gone again
            while True:
                yield listener.accept()[0]


class Server:
    """An app over HTTP, quiet on both standard streams.

    `at_once`: connections that are served at the same time; to a further one the answer is 503. None: any number.
    `grace`: seconds for the requests in hand, on leaving.
    """

    def __init__(self, app: Asgi, at_once: int | None = None, grace: int = _GRACE) -> None:
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                access_log=False,
                interface="asgi3",
                lifespan="off",
                limit_concurrency=at_once,
                log_config=None,
                log_level="critical",  # anybody can send what is worth a warning to it
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=grace,
                ws="none",
            )
        )

    async def serve(self, listener: socket.socket) -> None:
        """Serve until `leave`. Cancellation does not end it, so that nothing breaks off in the middle of a request."""
        with anyio.CancelScope(shield=True):
            await self._uvicorn.serve([listener])

    def leave(self) -> None:
        """Accept nothing more, answer what is in hand, and end; told once more, end without that."""
        self._uvicorn.force_exit = self._uvicorn.should_exit
        self._uvicorn.should_exit = True


def run(app: Asgi, listener: socket.socket) -> None:
    """Serve an app with its lifespan on a listening socket until a signal ends the process; logs nothing."""
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")).run([listener])


@asynccontextmanager
async def serving(app: Asgi, listener: socket.socket, at_once: int | None = None) -> AsyncGenerator[None]:
    """Serve an app on a listening socket, which is closed on leaving, once the requests in hand are answered.

    `at_once`: as for `Server`.
    """
    server = Server(app, at_once)
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, listener)
        try:
            yield
        except Exception as failure:
            raised = failure
        finally:
            server.leave()
    if raised is not None:
        raise raised  # as it was: a task group would hand it on in an ExceptionGroup
