"""The time axis of the drawn timeline: positions, ticks, and bars merged when they are too close together."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from .intervals import Interval
from .sanitize import format_duration

_STEPS = tuple(
    timedelta(seconds=step) for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
)
_MIN_TICK_DISTANCE = 88
"""Pixels."""

Piece = tuple[float, float]
"""Start and end, in pixels."""


class Scale:
    """Maps times from `first` to `last` to pixels from the left edge."""

    def __init__(self, start: datetime, first: datetime, last: datetime, left: float, width: float) -> None:
        """`start`: the time to which ticks are relative."""
        self.first = first
        self._start, self._last = start, last
        self._left, self._width = left, width
        self._length = max(last - first, timedelta(seconds=1))

    def x(self, at: datetime) -> float:
        """The position of a time. Times beyond an end are at that end."""
        return self._left + self._width * ((min(max(at, self.first), self._last) - self.first) / self._length)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """The positions and labels of the ticks."""
        step = next((step for step in _STEPS if self._width_of(step) >= _MIN_TICK_DISTANCE), _STEPS[-1])
        while self._width_of(step) < _MIN_TICK_DISTANCE:
            step *= 2
        since = -((self._start - self.first) // step) * step
        while self._start + since <= self._last:
            yield self.x(self._start + since), format_duration(since, with_hours=True)
            since += step

    def _width_of(self, span: timedelta) -> float:
        return self._width * (span / self._length)

    def pieces(self, spans: Iterable[Interval], grain: float) -> list[Piece]:
        """Intervals in pixels, in order. Those closer than `grain` are merged, and none is narrower than 2."""
        pieces: list[Piece] = []
        for begin, end in sorted((self.x(span.start), self.x(span.end)) for span in spans):
            if pieces and begin - pieces[-1][1] < grain:
                pieces[-1] = pieces[-1][0], max(pieces[-1][1], end)
            else:
                pieces.append((begin, end))
        return [(begin, max(end, begin + 2)) for begin, end in pieces]

    def lasts(self, pixels: float) -> timedelta:
        """The duration of a number of pixels."""
        return self._length * (pixels / self._width)
