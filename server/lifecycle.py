"""The life of a server: background tasks that restart when they fail, and a graceful shutdown."""

import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import anyio

logger = logging.getLogger(__name__)

_MIN_RESTART_DELAY_S = 1.0
_MAX_RESTART_DELAY_S = 60.0

SHUTTING_DOWN = "The server is shutting down."
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class TaskState:
    """The state of one background task."""

    is_running: bool = True
    failures: int = 0
    """Since the start of the server."""


class Supervisor:
    """Runs background tasks. A task that fails is restarted, after a delay that doubles up to a minute."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self.tasks: dict[str, TaskState] = {}
        """By name."""
        self._reported: dict[str, str] = {}
        self._sleep = sleep
        self._listeners: list[Callable[[Mapping[str, str]], None]] = []

    async def run(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task until it returns or is cancelled."""
        state = self.tasks[name] = TaskState()
        delay = _MIN_RESTART_DELAY_S
        while True:
            started = anyio.current_time()
            if not state.is_running:
                state.is_running = True
                self._notify()
            try:
                await task()
            except Exception:
                state.is_running = False
                state.failures += 1
                if anyio.current_time() - started > _MAX_RESTART_DELAY_S:
                    delay = _MIN_RESTART_DELAY_S
                self._notify()
                logger.exception("The background task %r failed and restarts in %.0f s", name, delay)
            else:
                return
            await self._sleep(delay)
            delay = min(2 * delay, _MAX_RESTART_DELAY_S)

    def report(self, task: str, problem: str) -> None:
        """Report what is wrong with a task that runs, as a sentence. Empty: nothing is wrong any more."""
        if problem != self._reported.get(task, ""):
            self._reported[task] = problem
            self._notify()

    def problems(self) -> Mapping[str, str]:
        """A sentence for each task that has failed and does not run again yet, or that has reported a problem."""
        failed = {
            name: f"this background task failed {state.failures} times and is about to restart: see the server's log"
            for name, state in self.tasks.items()
            if not state.is_running
        }
        return {task: problem for task, problem in self._reported.items() if problem} | failed

    def on_change(self, listener: Callable[[Mapping[str, str]], None]) -> None:
        """Call `listener` with the problems whenever they change."""
        self._listeners.append(listener)

    def _notify(self) -> None:
        for listener in self._listeners:
            listener(self.problems())


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
def on_signals(callback: Callable[[int], object], *, chain: bool) -> Generator[None]:
    """Call `callback` with the signal's number on SIGTERM and SIGINT; with `chain`, call the previous handler after it.

    Python delivers signals to the main thread only: in another thread this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        callback(number)
        if chain and callable(previous[number]):
            previous[number](number, frame)

    previous |= {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
