"""HTTP servers for ASGI apps: a listening socket, and uvicorn running beside the rest of the process."""

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
_SHUTDOWN_TIMEOUT_S = 5
_POLL_INTERVAL_S = 0.02
_MAX_POLLS = 50


def listen(port: int, host: str = LOOPBACK, backlog: int = 128) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    `backlog`: how many connections may wait to be accepted. Raises `OSError`, such as one of `errno.EADDRINUSE`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol given, asyncio sets TCP_NODELAY, so that small responses are sent at once.
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
    """Uvicorn without signal handlers, and with a shutdown that answers every connected client.

    Uvicorn itself drops connections that are not accepted yet or whose request is still arriving. A proxy cannot tell
    that from a request that failed halfway.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        pending = list(_accept_pending(sockets or []))
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in pending:
            await loop.connect_accepted_socket(self._protocol, connection)
        for _ in range(_MAX_POLLS):
            await anyio.sleep(_POLL_INTERVAL_S)
            if all(
                getattr(connection, "cycle", connection) is not None for connection in self.server_state.connections
            ):
                break
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        protocol_class: Any = self.config.http_protocol_class
        return protocol_class(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _accept_pending(listeners: Iterable[socket.socket]) -> Iterator[socket.socket]:
    """Accept the connections that wait in the listeners' backlogs."""
    for listener in listeners:
        with suppress(OSError):  # none is left, or the client has gone
            while True:
                yield listener.accept()[0]


class Server:
    """Serves an app over HTTP, without output on either standard stream.

    `max_connections`: further connections are answered 503; None: no limit.
    `shutdown_timeout_s`: for requests in flight when the server stops.
    """

    def __init__(
        self, app: Asgi, max_connections: int | None = None, shutdown_timeout_s: int = _SHUTDOWN_TIMEOUT_S
    ) -> None:
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                access_log=False,
                interface="asgi3",
                lifespan="off",
                limit_concurrency=max_connections,
                log_config=None,
                log_level="critical",  # any client can cause uvicorn's warnings
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=shutdown_timeout_s,
                ws="none",
            )
        )

    async def serve(self, listener: socket.socket) -> None:
        """Serve until `stop`. Cancellation does not end it, so that no request is cut off."""
        with anyio.CancelScope(shield=True):
            await self._uvicorn.serve([listener])

    def stop(self) -> None:
        """Accept no more connections, finish the requests in flight, and end. A second call ends at once."""
        self._uvicorn.force_exit = self._uvicorn.should_exit
        self._uvicorn.should_exit = True


def run(app: Asgi, listener: socket.socket) -> None:
    """Serve an app with its lifespan on a listening socket until a signal ends the process; logs nothing."""
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")).run([listener])


@asynccontextmanager
async def serving(app: Asgi, listener: socket.socket, max_connections: int | None = None) -> AsyncGenerator[None]:
    """Serve an app on a listening socket until the context exits and the requests in flight are answered."""
    server = Server(app, max_connections)
    error: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, listener)
        try:
            yield
        except Exception as raised:
            error = raised
        finally:
            server.stop()
    if error is not None:
        raise error  # as it was: the task group would wrap it in an ExceptionGroup
