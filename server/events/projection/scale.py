"""Time laid out along a line: where a moment stands, which moments are named, what is too short to be seen."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from .intervals import Interval
from .sanitize import seconds

_STEPS = tuple(
    timedelta(seconds=step) for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
)
_APART = 88
"""Pixels between two ticks, at least."""

Piece = tuple[float, float]
"""From where to where, in pixels."""


class Scale:
    """Moments from `first` to `last`, as pixels from the left edge."""

    def __init__(self, start: datetime, first: datetime, last: datetime, left: float, width: float) -> None:
        """`start`: what times are counted from."""
        self.first = first
        self._start, self._last = start, last
        self._left, self._width = left, width
        self._length = max(last - first, timedelta(seconds=1))

    def x(self, at: datetime) -> float:
        """Where a moment stands; what is beyond an end stands there."""
        return self._left + self._width * ((min(max(at, self.first), self._last) - self.first) / self._length)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """The moments that are named, and how: a sensible step apart, counted from the start."""
        step = next((one for one in _STEPS if self._wide(one) >= _APART), _STEPS[-1])
        while self._wide(step) < _APART:
            step *= 2
        since = -((self._start - self.first) // step) * step
        while self._start + since <= self._last:
            yield self.x(self._start + since), clock(since)
            since += step

    def _wide(self, span: timedelta) -> float:
        return self._width * (span / self._length)

    def pieces(self, spans: Iterable[Interval], grain: float) -> list[Piece]:
        """The spans in pixels, in order; those less than `grain` apart are one, and none is narrower than 2."""
        pieces: list[Piece] = []
        for begin, end in sorted((self.x(span.start), self.x(span.end)) for span in spans):
            if pieces and begin - pieces[-1][1] < grain:
                pieces[-1] = pieces[-1][0], max(pieces[-1][1], end)
            else:
                pieces.append((begin, end))
        return [(begin, max(end, begin + 2)) for begin, end in pieces]

    def lasts(self, pixels: float) -> timedelta:
        """How long a stretch of the line is."""
        return self._length * (pixels / self._width)


def clock(since: timedelta) -> str:
    """A time from the start as h:mm:ss, such as `0:02:13`."""
    minutes, rest = divmod(seconds(abs(since)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if since < timedelta() else ''}{hours}:{minutes:02}:{rest:02}"
