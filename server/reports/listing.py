"""The rows of a report as bounded lists by kind, and a sentence about them."""

from collections import defaultdict
from collections.abc import Callable
from heapq import heappush, heappushpop
from itertools import count
from typing import Any

from ...tools.text import count as count_of
from ..events.projection.sanitize import format_seconds
from .figures import Figures, ReportRow, RowKind

_PLURALS = {RowKind.CONFERENCE: "conferences", RowKind.QUEUE: "queues", RowKind.AGENT: "agents", RowKind.DAY: "days"}


class ReportListing:
    """Keeps a limited number of rows of each kind: the newest conferences and days, the busiest queues and agents."""

    def __init__(self, limit: int) -> None:
        self._rank: dict[RowKind, Callable[[ReportRow], Any]] = {
            RowKind.CONFERENCE: lambda row: row.started_at,
            RowKind.QUEUE: lambda row: row.figures.calls,
            RowKind.AGENT: lambda row: row.figures.calls,
            RowKind.DAY: lambda row: row.name,
        }
        self._limit = limit
        self._kept: dict[RowKind, list[tuple[Any, int, ReportRow]]] = {kind: [] for kind in RowKind}
        self._counts: defaultdict[RowKind, int] = defaultdict(int)
        self._sequence = count()
        self._totals = Figures()

    def add(self, row: ReportRow) -> None:
        self._counts[row.kind] += 1
        if row.kind is RowKind.DAY:
            self._totals.add(row.figures)
        heap, entry = self._kept[row.kind], (self._rank[row.kind](row), next(self._sequence), row)
        if len(heap) < self._limit:
            heappush(heap, entry)
        else:
            heappushpop(heap, entry)

    def content(self) -> dict[str, Any]:
        """The fields of the tool's result, without its summary."""
        rows = {
            _PLURALS[kind]: [_without_kind(row) for _, _, row in sorted(heap, reverse=True)]
            for kind, heap in self._kept.items()
        }
        hidden = {_PLURALS[kind]: self._counts[kind] - len(self._kept[kind]) for kind in RowKind}
        more = {plural: number for plural, number in hidden.items() if number}
        return rows | ({"not_shown": more} if more else {})

    def summary(self) -> str:
        """The totals in a sentence."""
        total = self._totals
        waits = f"{count_of(total.waits, 'wait')} in queues"
        if total.waits:
            average = format_seconds(total.wait_s / total.waits)
            longest = format_seconds(total.longest_wait_s)
            waits += f" (average {average}, longest {longest}, {total.abandoned} abandoned)"
        parts = (
            count_of(self._counts[RowKind.CONFERENCE], "conference"),
            count_of(total.calls, "call"),
            waits,
            f"talk {format_seconds(total.talk_s)}",
            f"hold {format_seconds(total.hold_s)}",
            f"muted {format_seconds(total.muted_s)}",
            count_of(total.recordings, "recording"),
            count_of(total.approvals, "approval"),
        )
        return f"{', '.join(parts)}."


def _without_kind(row: ReportRow) -> dict[str, Any]:
    return {name: value for name, value in row.to_json().items() if name != "kind"}
