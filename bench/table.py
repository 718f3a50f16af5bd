"""The table that the bench prints: ours, the floor of the same run, how they compare, and whether that is enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

_HEADINGS = ("", "ours", "floor", "ratio", "target", "")
_UNITS = {"ms": 1e-3, "MB": 1e6, "bytes": 1.0, "/s": 1.0, "of them": 1.0, "%": 0.01}


class Limit(Enum):
    """What a target limits."""

    RATIO = auto()
    """The ratio is at most the target; where there is no floor, `ours` is."""
    LEAST = auto()
    """The ratio is at least the target."""
    MORE = auto()
    """`ours` is more than the floor by at most the target."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    what: str
    ours: float
    """In seconds, in bytes, how many a second, or a share of 1."""
    target: float | None
    """None: the figure has no target."""
    unit: str = "ms"
    floor: float | None = None
    limit: Limit = Limit.RATIO

    def cells(self) -> tuple[str, ...]:
        floor, compared = ("", "") if self.floor is None else (self._amount(self.floor), self._written(self._measure()))
        target, verdict = ("", "") if self.target is None else (self._written(self.target), self._verdict(self.target))
        return self.what, self._amount(self.ours), floor, compared, target, verdict

    def _measure(self) -> float:
        """What the target is about."""
        if self.floor is None:
            return self.ours
        return self.ours - self.floor if self.limit is Limit.MORE else self.ours / self.floor

    def _written(self, measure: float) -> str:
        if self.floor is None:
            return self._amount(measure)
        return self._amount(measure, "+") if self.limit is Limit.MORE else f"{measure:.2f}"

    def _verdict(self, target: float) -> str:
        measure = self._measure()
        met = measure >= target if self.limit is Limit.LEAST else measure <= target
        return "met" if met else "MISSED"

    def _amount(self, value: float, sign: str = "") -> str:
        scaled = value / _UNITS[self.unit]
        return f"{scaled:{sign}.{2 if abs(scaled) < 10 else 0}f} {self.unit}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A line of the table that could not be measured."""

    what: str
    why: str

    def cells(self) -> tuple[str, ...]:
        return self.what, "-", "-", "-", "-", f"not measured: {self.why}"


def table(rows: Sequence[Row | Gap]) -> Iterator[str]:
    """The lines of the table, headings first."""
    cells = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for what, *numbers, verdict in cells:
        aligned = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=False))
        yield "  ".join((what.ljust(widths[0]), *aligned, verdict)).rstrip()
