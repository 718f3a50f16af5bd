"""The sandbox's time: clocks that can be advanced, and timers."""

import heapq
import itertools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

_LAST_MOMENT = datetime(9000, 1, 1, tzinfo=UTC)
_MAX_DELAY_S = 100 * 365.25 * 86_400
"""A hundred years: a longer delay is shortened to it, so that no request overflows a date."""


class Clock(Protocol):
    """Where the sandbox takes the time from."""

    def now(self) -> datetime:
        """The sandbox's time, in UTC."""
        ...

    def receivers_now(self) -> datetime:
        """The time on the receiver's clock, with which webhooks are signed."""
        ...

    def move_to(self, moment: datetime) -> None:
        """Advance to a moment. A moment in the past changes nothing."""
        ...

    def real_seconds_until(self, moment: datetime) -> float | None:
        """How long until a moment comes by itself; None: it never does."""
        ...


class SystemClock:
    """Wall time, plus an offset by which it was advanced."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def receivers_now(self) -> datetime:
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        self.move_to(later(self.now(), seconds))

    def move_to(self, moment: datetime) -> None:
        self._offset += max(moment - self.now(), timedelta())

    def real_seconds_until(self, moment: datetime) -> float | None:
        return max((moment - self.now()).total_seconds(), 0.0)


class ManualClock:
    """A clock that only `advance` and `move_to` move."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime(2025, 1, 1, 12, tzinfo=UTC)).astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def receivers_now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self.move_to(later(self._now, seconds))

    def move_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)

    def real_seconds_until(self, moment: datetime) -> float | None:
        return 0.0 if moment <= self._now else None


def later(moment: datetime, seconds: float) -> datetime:
    """A moment some seconds later: at most a hundred years later, and not after the year 9000."""
    return min(moment + timedelta(seconds=min(seconds, _MAX_DELAY_S)), _LAST_MOMENT)


class Timer:
    """A callback that runs at a moment, unless it is cancelled before."""

    __slots__ = ("due", "run")

    def __init__(self, due: datetime, run: Callable[[], None]) -> None:
        self.due = due
        self.run: Callable[[], None] | None = run

    def cancel(self) -> None:
        self.run = None


class Timers:
    """Callbacks that run in order of their time. While one runs, now is the time it was due."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.on_change: Callable[[], None] = lambda: None
        """Called when a timer is added."""
        self._heap: list[tuple[datetime, int, Timer]] = []
        self._sequence = itertools.count()
        self._seen: datetime | None = None

    def now(self) -> datetime:
        return self._seen or self.clock.now()

    def after(self, seconds: float, run: Callable[[], None]) -> Timer:
        """Run a callback some seconds from now."""
        return self.at(later(self.now(), seconds), run)

    def at(self, due: datetime, run: Callable[[], None]) -> Timer:
        """Run a callback at a moment."""
        timer = Timer(due, run)
        heapq.heappush(self._heap, (due, next(self._sequence), timer))
        self.on_change()
        return timer

    def next_due(self) -> datetime | None:
        while self._heap and self._heap[0][2].run is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_due(self) -> None:
        """Run everything that is due by now."""
        while (due := self.next_due()) is not None and due <= self.clock.now():
            timer = heapq.heappop(self._heap)[2]
            if timer.run is not None:
                with self.seeing(due):
                    timer.run()

    @contextmanager
    def seeing(self, moment: datetime) -> Generator[None]:
        """Use this moment as the current time inside the `with` block."""
        before, self._seen = self._seen, moment
        try:
            yield
        finally:
            self._seen = before

    def clear(self) -> None:
        self._heap.clear()
