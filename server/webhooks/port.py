"""The webhook port: held by one process of this machine at a time, and taken over by the next when that one leaves."""

import errno
import json
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import anyio

from ..asgi_server import LOOPBACK, Server, listen
from .receiver import HEALTH_PATH, Asgi, store_marker

RETRY_DELAY_S = 3.0
"""Seconds between attempts to take a port that is held."""

_PROBE = 2.0
"""Seconds that whoever holds the port has to say who it is."""
_LONGEST_ANSWER = 8192
"""Bytes of it that are read."""
_CONNECTIONS = 1024
"""Served at once; to a further one the answer is 503."""
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}  # noqa: S104 - addresses to reach, none to listen on

_log = logging.getLogger(__name__)


class CannotListen(Exception):
    """A port that nobody holds, and that cannot be listened on all the same. The message is for the operator."""


class PortState(StrEnum):
    """Who has the port."""

    HOLDING = "holding"
    """This process: webhooks come here."""
    WAITING = "waiting"
    """Another process of ours with the same store: its events are seen here too."""
    BLOCKED = "blocked"
    """Something else, or one of ours with another store: its webhooks are not seen here."""


class Port:
    """The port, as long as it is wanted."""

    def __init__(self, number: int, host: str) -> None:
        self.number = number
        """The one asked for; for 0, the one that was free."""
        self.host = host
        self.state = PortState.WAITING
        self._changed = anyio.Event()

    def describe(self) -> str:
        """Who has it, in a sentence for the operator."""
        said = {
            PortState.HOLDING: "receives webhooks",
            PortState.WAITING: "is held by another server on the same store, whose events are seen here",
            PortState.BLOCKED: "is held by another program: no webhooks come here until that one leaves",
        }
        return f"Port {self.number} {said[self.state]}."

    async def wait_for(self, state: PortState) -> None:
        """Wait for a state."""
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
    port: int,
    app: Asgi,
    store: str,
    *,
    host: str = LOOPBACK,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncGenerator[Port]:
    """Serve a `Receiver.app` on a port, now if it is free and otherwise as soon as it is.

    `port`: 0 takes a free one. `store`: the identity of the store that the app writes to, as `Receiver` was given it.
    `sleep`: how to wait between attempts. Leaving the context frees the port once the webhooks in hand are answered,
    also when it is left by cancellation: what the app needs must be open until then.

    Raises `CannotListen`.
    """
    held = Port(port, host)
    keeper = _Keeper(held, app, store, sleep)
    keeper.try_now()
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keeper.run)
        try:
            yield held
        except Exception as failure:
            raised = failure
        finally:
            keeper.leave()
    if raised is not None:
        raise raised  # as it was: a task group would hand it on in an ExceptionGroup


class _Keeper:
    """Takes the port, and serves on it."""

    def __init__(self, port: Port, app: Asgi, store: str, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._port = port
        self._store = store
        self._sleep = sleep
        self._listener: socket.socket | None = None
        self._waiting = anyio.CancelScope()
        self._server = Server(app, _CONNECTIONS)

    def try_now(self) -> None:
        """Take the port if it is free. Raises `CannotListen`."""
        try:
            self._listener = listen(self._port.number, self._port.host, _CONNECTIONS)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                where = f"port {self._port.number} of {self._port.host}"
                raise CannotListen(f"{where} cannot be listened on: {error.strerror or error}.") from None
        else:
            self._port.number = self._listener.getsockname()[1]
            self._port.set_state(PortState.HOLDING)

    async def run(self) -> None:
        with self._waiting:
            while self._listener is None:
                await self._wait()
        if self._listener is not None:
            await self._server.serve(self._listener)

    async def _wait(self) -> None:
        ours = await _is_ours(self._port, self._store)
        self._port.set_state(PortState.WAITING if ours else PortState.BLOCKED)
        await self._sleep(RETRY_DELAY_S)
        try:
            self.try_now()
        except CannotListen as why:
            _log.info("%s", why)

    def leave(self) -> None:
        self._waiting.cancel()
        self._server.leave()


async def _is_ours(port: Port, store: str) -> bool:
    """Whether whoever answers on the port says that it is one of ours, with the same store."""
    answer = b""
    with anyio.move_on_after(_PROBE):
        try:
            answer = await _ask(_EVERYWHERE.get(port.host, port.host), port.number)
        except (OSError, anyio.BrokenResourceError):
            return False
    try:
        said = json.loads(answer.partition(b"\r\n\r\n")[2])
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and store_marker(store).items() <= said.items()


async def _ask(host: str, port: int) -> bytes:
    """The whole answer to a GET of `/healthz`, as far as it is of a reasonable length."""
    answer = b""
    async with await anyio.connect_tcp(host, port) as stream:
        await stream.send(f"GET {HEALTH_PATH} HTTP/1.1\r\nhost: {LOOPBACK}\r\nconnection: close\r\n\r\n".encode())
        while len(answer) < _LONGEST_ANSWER:
            try:
                answer += await stream.receive()
            except anyio.EndOfStream:
                break
    return answer
