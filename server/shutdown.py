"""The end of a server: what waits is told at once, so that what is in hand can be finished."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio

WORD = "The server is shutting down."
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether a server is about to end, and who must hear of it."""

    def __init__(self) -> None:
        self.has_begun = False
        self._scopes: set[anyio.CancelScope] = set()
        self._told: list[Callable[[], None]] = []

    def on_begin(self, told: Callable[[], None]) -> None:
        """Be told when the server is about to end."""
        self._told.append(told)

    def begin(self) -> None:
        """The server is about to end. To be called in the event loop."""
        if self.has_begun:
            return
        self.has_begun = True
        for scope in list(self._scopes):
            scope.cancel()
        for told in self._told:
            told()

    @contextmanager
    def ending(self) -> Generator[anyio.CancelScope]:
        """A scope that is cancelled when the server is about to end, for what would wait until then or longer."""
        with anyio.CancelScope() as scope:
            if self.has_begun:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield scope
            finally:
                self._scopes.discard(scope)


@contextmanager
def on_signals(told: Callable[[], object], *, then: bool) -> Generator[None]:
    """Have SIGTERM and SIGINT call `told`; and `then` whatever handled them before.

    Only the main thread hears of signals: in another, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        told()
        if then and callable(before[number]):
            before[number](number, frame)

    before |= {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
