"""Graceful shutdown: cancel what waits, then finish the requests in flight."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio

SHUTTING_DOWN = "The server is shutting down."
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether the server is shutting down, and what to cancel when it begins."""

    def __init__(self) -> None:
        self.has_begun = False
        self._scopes: set[anyio.CancelScope] = set()
        self._callbacks: list[Callable[[], None]] = []

    def on_begin(self, callback: Callable[[], None]) -> None:
        """Call this when the shutdown begins."""
        self._callbacks.append(callback)

    def begin(self) -> None:
        """Begin the shutdown. Call it in the event loop."""
        if self.has_begun:
            return
        self.has_begun = True
        for scope in list(self._scopes):
            scope.cancel()
        for callback in self._callbacks:
            callback()

    @contextmanager
    def cancel_scope(self) -> Generator[anyio.CancelScope]:
        """A scope that is cancelled when the shutdown begins, for waits that may be long."""
        with anyio.CancelScope() as scope:
            if self.has_begun:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield scope
            finally:
                self._scopes.discard(scope)


@contextmanager
def on_signals(callback: Callable[[], object], *, chain: bool) -> Generator[None]:
    """Call `callback` on SIGTERM and SIGINT; with `chain`, call the previous handler after it.

    Python delivers signals to the main thread only: in another thread this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        callback()
        if chain and callable(previous[number]):
            previous[number](number, frame)

    previous |= {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
