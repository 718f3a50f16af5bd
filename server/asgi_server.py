"""HTTP servers for ASGI apps: a listening socket, limits on connections, and uvicorn beside the rest of the process."""

import asyncio
import errno
import re
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import anyio
import h11
import uvicorn

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:  # or that of httptools, which has the same attributes, where that is installed
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as Protocol

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

Network = IPv4Network | IPv6Network

LOOPBACK = "127.0.0.1"
MAX_IDLE_PER_PEER = 256
"""Connections of one peer without a request in progress. A further one closes the oldest of them."""
RESERVED_CONNECTIONS = 64
"""Beyond a server's limit, for priority requests."""
_HEADER_TIMEOUT_S = 10.0
"""For a request's headers, from the connection's start or the previous response. Uvicorn closes quiet ones earlier."""
_WRITE_TIMEOUT_S = 60.0
"""For a client that reads nothing of what is sent to it."""
_MAX_HEADER_BYTES = 64 * 1024
_SHUTDOWN_TIMEOUT_S = 5
_TICKS_PER_CHECK = 10
"""Of uvicorn's main loop, ten ticks a second."""
_POLL_INTERVAL_S = 0.02
_MAX_POLLS = 50


def listen(port: int, host: str = LOOPBACK, backlog: int = 128) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    `backlog`: how many connections may wait to be accepted. Raises `OSError`, which `port_problem` describes.
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


def port_problem(error: OSError) -> str:
    """Why `listen` failed, as a clause about the port."""
    if error.errno == errno.EADDRINUSE:
        return "is already in use"
    return f"cannot be opened ({error.strerror or type(error).__name__})"


_FRAMING_HEADER = re.compile(rb"^(?:content-length|transfer-encoding)[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADERS = re.compile(rb"\n\r?\n")


class _StrictH11(h11.Connection):
    """Refuses requests with more than one header that says where the body ends.

    h11 accepts Content-Length beside Transfer-Encoding, and a repeated Content-Length. A proxy in front may read such a
    request differently, which lets a client smuggle a second request past it. The parser of httptools refuses both.
    """

    def next_event(self) -> Any:
        if self.their_state is h11.IDLE:
            data, _ = self.trailing_data
            if end := _END_OF_HEADERS.search(data):
                values = _FRAMING_HEADER.findall(data, 0, end.end())
                if len(values) > 1 or any(b"," in value for value in values):
                    raise h11.RemoteProtocolError("More than one header says where the body ends")
        return super().next_event()


class _Connection(Protocol):
    """A client's connection, which the limits of its server may close."""

    def __init__(self, limits: "_ConnectionLimits", *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(getattr(self, "conn", None), h11.Connection):
            self.conn = _StrictH11(h11.SERVER, _MAX_HEADER_BYTES)
        self._limits = limits
        self._header_bytes = 0
        self.has_served = False
        self.idle_since = self.loop.time()
        self.writing_paused_at: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress; its headers may be arriving."""
        return not self.cycle or self.cycle.response_complete

    @property
    def waits_for_client(self) -> bool:
        """Whether it is idle, or the body of its request is still arriving."""
        return self.is_idle or self.cycle.more_body

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._limits.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._limits.remove(self)

    def data_received(self, data: bytes) -> None:
        self._header_bytes += len(data)
        super().data_received(data)
        if not self.is_idle:
            self._header_bytes = 0
        elif self._header_bytes > _MAX_HEADER_BYTES:
            self.close()

    def on_response_complete(self) -> None:
        self.has_served = True
        self.idle_since = self.loop.time()
        self._header_bytes = 0
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.writing_paused_at = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.writing_paused_at = None

    def close(self) -> None:
        """Close it now, without waiting for data that the client does not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


class _ConnectionLimits:
    """The open connections of a server, and which of them to close when there are too many."""

    def __init__(self, max_connections: int | None, trusted_proxies: Collection[Network]) -> None:
        self._max_connections = max_connections
        self._trusted_proxies = trusted_proxies
        self._connections: dict[_Connection, str | None] = {}
        """With the peer; None: no limit for it. The oldest first."""

    def admit(self, connection: _Connection) -> None:
        """Note a new connection, and close another where that makes too many."""
        peer = self._peer(connection)
        self._connections[connection] = peer
        if peer is not None and len(self._connections) > MAX_IDLE_PER_PEER:
            idle = [other for other, its in self._connections.items() if its == peer and other.is_idle]
            if len(idle) > MAX_IDLE_PER_PEER:
                self._close(idle[0])
        if self._max_connections is not None and len(self._connections) > self._max_connections + RESERVED_CONNECTIONS:
            waiting = [other for other in self._connections if other.waits_for_client and other is not connection]
            self._close(min(waiting, key=lambda other: other.has_served, default=connection))

    def remove(self, connection: _Connection) -> None:
        """Forget a closed connection."""
        self._connections.pop(connection, None)

    def close_expired(self) -> None:
        """Close the connections whose client sends no request, or reads no response."""
        for connection in list(self._connections):
            now, paused_at = connection.loop.time(), connection.writing_paused_at
            is_expired = connection.is_idle and now > connection.idle_since + _HEADER_TIMEOUT_S
            if is_expired or (paused_at is not None and now > paused_at + _WRITE_TIMEOUT_S):
                self._close(connection)

    def _close(self, connection: _Connection) -> None:
        self.remove(connection)
        connection.close()

    def _peer(self, connection: _Connection) -> str | None:
        """The peer that a connection counts for: an IPv4 address, or the /64 network of an IPv6 address."""
        if connection.client is None:  # a Unix socket
            return None
        address = ip_address(connection.client[0].partition("%")[0])
        if any(address in network for network in self._trusted_proxies):
            return None
        is_v6 = isinstance(address, IPv6Address)
        return str(ip_network((address, 64), strict=False)) if is_v6 else str(address)


class _RequestLimit:
    """Answers 503 when too many requests are in progress, except to priority requests."""

    def __init__(self, app: Asgi, max_requests: int, is_priority: Callable[[str], bool]) -> None:
        self._app = app
        self._max_requests = max_requests
        self._is_priority = is_priority
        self._requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._requests >= self._max_requests and not self._is_priority(scope["path"]):
            headers = [(b"connection", b"close"), (b"content-length", b"0"), (b"retry-after", b"5")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        self._requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers, and with a shutdown that answers every connected client.

    Uvicorn itself drops connections that are not accepted yet or whose request is still arriving. A proxy cannot tell
    that from a request that failed halfway.
    """

    def __init__(self, config: uvicorn.Config, limits: _ConnectionLimits) -> None:
        super().__init__(config)
        self._limits = limits

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_CHECK == 0:
            self._limits.close_expired()
        return await super().on_tick(counter)

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

    `max_connections`: for this many requests in progress, the next is answered 503; None: no limit. Some more
    connections are accepted, so that priority requests are still answered; when these are in use too, a new connection
    closes one that waits for its client.
    `shutdown_timeout_s`: for requests in flight when the server stops.
    `is_priority`: whether a request to a path may use the reserved connections.
    `trusted_proxies`: peers whose idle connections are not limited.
    """

    def __init__(
        self,
        app: Asgi,
        max_connections: int | None = None,
        shutdown_timeout_s: int = _SHUTDOWN_TIMEOUT_S,
        *,
        is_priority: Callable[[str], bool] = lambda path: False,
        trusted_proxies: Collection[Network] = (),
    ) -> None:
        limits = _ConnectionLimits(max_connections, trusted_proxies)
        protocol: Any = partial(_Connection, limits)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app if max_connections is None else _RequestLimit(app, max_connections, is_priority),
                access_log=False,
                http=protocol,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                log_level="critical",  # any client can cause uvicorn's warnings
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=shutdown_timeout_s,
                ws="none",
            ),
            limits,
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
