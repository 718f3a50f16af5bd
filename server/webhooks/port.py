"""The webhook port. One process on this machine holds it at a time; when that process ends, the next takes it over."""

import errno
import json
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import anyio

from ..asgi_server import LOOPBACK, Asgi, Server, listen
from .receiver import HEALTH_PATH, WEBHOOK_PATH, store_marker

RETRY_DELAY_S = 3.0
"""Delay between attempts to take a port that another process holds."""

_PROBE_TIMEOUT_S = 2.0
"""How long the holder of the port may take to identify itself."""
_MAX_ANSWER_BYTES = 8192
_MAX_CONNECTIONS = 1024
"""Served at the same time; further ones are answered 503."""
_PROBE_HOSTS = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}  # noqa: S104 - addresses to connect to
"""Where to reach a server that listens on every address."""

_log = logging.getLogger(__name__)


class CannotListen(Exception):
    """The port is free, but cannot be listened on. The message is for the operator."""


class PortState(StrEnum):
    """Who holds the port."""

    HOLDING = "holding"
    """This process: webhooks arrive here."""
    WAITING = "waiting"
    """Another server on the same store: its events are seen here too."""
    BLOCKED = "blocked"
    """Another program, or a server on another store: its webhooks are not seen here."""


_DESCRIPTIONS = {
    PortState.HOLDING: "receives webhooks",
    PortState.WAITING: "is held by another server on the same store. Its events are seen here, and this server takes "
    "over when that one ends",
    PortState.BLOCKED: "is held by another program. No webhooks arrive here until it ends",
}


class Port:
    """The port, and who holds it."""

    def __init__(self, number: int, host: str) -> None:
        self.number = number
        """The requested port. If that was 0, the free port that was taken."""
        self.host = host
        self.state = PortState.WAITING
        self._changed = anyio.Event()

    @property
    def is_held(self) -> bool:
        return self.state is PortState.HOLDING

    @property
    def webhook_url(self) -> str:
        return f"http://{self.host}:{self.number}{WEBHOOK_PATH}"

    def describe(self) -> str:
        """Who holds the port, in a sentence for the operator."""
        return f"Port {self.number} {_DESCRIPTIONS[self.state]}."

    async def wait_until_held(self) -> None:
        """Wait until this process holds the port."""
        await self._wait_for(PortState.HOLDING)

    async def wait_until_blocked(self) -> None:
        """Wait until another program holds the port."""
        await self._wait_for(PortState.BLOCKED)

    async def _wait_for(self, state: PortState) -> None:
        while self.state is not state:
            await self._changed.wait()

    def set_state(self, state: PortState) -> None:
        if self.state is not state:
            self.state = state
            _log.info("%s", self.describe())
            changed, self._changed = self._changed, anyio.Event()
            changed.set()


@asynccontextmanager
async def hold_port(
    number: int,
    app: Asgi,
    store: str,
    *,
    host: str = LOOPBACK,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncGenerator[Port]:
    """Serve a `Receiver.app` on a port: now if it is free, otherwise as soon as it is.

    `number`: 0 takes a free port. `store`: the identity of the store that the app writes to, as given to `Receiver`.
    `sleep`: how to wait between attempts. Leaving the context frees the port after the webhooks in flight are answered,
    also when it is left by cancellation: the app's resources must stay open until then.

    Raises `CannotListen`.
    """
    port = Port(number, host)
    holder = _PortHolder(port, app, store, sleep)
    holder.try_to_listen()
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holder.run)
        try:
            yield port
        except Exception as failure:
            raised = failure
        finally:
            holder.leave()
    if raised is not None:
        raise raised  # not in the ExceptionGroup that a task group would make of it


class _PortHolder:
    """Takes the port, and serves on it."""

    def __init__(self, port: Port, app: Asgi, store: str, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._port = port
        self._store = store
        self._sleep = sleep
        self._listener: socket.socket | None = None
        self._waiting = anyio.CancelScope()
        self._server = Server(app, _MAX_CONNECTIONS)

    def try_to_listen(self) -> None:
        """Take the port if it is free. Raises `CannotListen`."""
        try:
            self._listener = listen(self._port.number, self._port.host, _MAX_CONNECTIONS)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                address = f"port {self._port.number} of {self._port.host}"
                raise CannotListen(f"{address} cannot be listened on: {error.strerror or error}.") from None
        else:
            self._port.number = self._listener.getsockname()[1]
            self._port.set_state(PortState.HOLDING)

    async def run(self) -> None:
        with self._waiting:
            while self._listener is None:
                await self._wait_and_retry()
        if self._listener is not None:
            await self._server.serve(self._listener)

    async def _wait_and_retry(self) -> None:
        same_store = await _is_held_for_store(self._port, self._store)
        self._port.set_state(PortState.WAITING if same_store else PortState.BLOCKED)
        await self._sleep(RETRY_DELAY_S)
        try:
            self.try_to_listen()
        except CannotListen as problem:
            _log.info("%s", problem)

    def leave(self) -> None:
        self._waiting.cancel()
        self._server.stop()


async def _is_held_for_store(port: Port, store: str) -> bool:
    """Whether the holder of the port is a server of this program, on the same store."""
    answer = b""
    with anyio.move_on_after(_PROBE_TIMEOUT_S):
        try:
            answer = await _get_health(_PROBE_HOSTS.get(port.host, port.host), port.number)
        except (OSError, anyio.BrokenResourceError):
            return False
    try:
        health = json.loads(answer.partition(b"\r\n\r\n")[2])
    except (ValueError, RecursionError):
        return False
    return isinstance(health, dict) and store_marker(store).items() <= health.items()


async def _get_health(host: str, number: int) -> bytes:
    """The first bytes of the answer to `GET /healthz`, its head included."""
    answer = b""
    async with await anyio.connect_tcp(host, number) as stream:
        await stream.send(f"GET {HEALTH_PATH} HTTP/1.1\r\nhost: {LOOPBACK}\r\nconnection: close\r\n\r\n".encode())
        while len(answer) < _MAX_ANSWER_BYTES:
            try:
                answer += await stream.receive()
            except anyio.EndOfStream:
                break
    return answer
