"""The figures of a report, and its rows."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..events.times import iso


class RowKind(StrEnum):
    """What a row of a report is about."""

    CONFERENCE = "conference"
    QUEUE = "queue"
    AGENT = "agent"
    """A number that this account called."""
    DAY = "day"
    """A day in UTC."""


@dataclass(slots=True)
class Figures:
    """Counts, and durations in seconds."""

    calls: int = 0
    """Call legs: in a conference, in a queue, to an agent, or of a day."""
    waits: int = 0
    """Stays in a queue that have ended."""
    wait_s: float = 0
    longest_wait_s: float = 0
    abandoned: int = 0
    """Waits that ended because the caller hung up."""
    talk_s: float = 0
    """Time that people spent in conferences and bridges, without holds."""
    hold_s: float = 0
    """Time on hold in conferences."""
    muted_s: float = 0
    """Time muted in conferences, by a command or as a monitor."""
    recordings: int = 0
    recorded_s: float = 0
    approvals: int = 0
    approved_by: Counter[str] = field(default_factory=Counter[str])
    """Approvals, by who or what gave them."""

    def add(self, other: "Figures") -> None:
        """Add the figures of another row."""
        self.calls += other.calls
        self.waits += other.waits
        self.wait_s += other.wait_s
        self.longest_wait_s = max(self.longest_wait_s, other.longest_wait_s)
        self.abandoned += other.abandoned
        self.add_time(other.talk_s, other.hold_s, other.muted_s)
        self.recordings += other.recordings
        self.recorded_s += other.recorded_s
        self.approvals += other.approvals
        self.approved_by += other.approved_by

    def add_wait(self, seconds: float, *, is_abandoned: bool) -> None:
        self.waits += 1
        self.wait_s += seconds
        self.longest_wait_s = max(self.longest_wait_s, seconds)
        self.abandoned += is_abandoned

    def add_time(self, talk_s: float, hold_s: float = 0, muted_s: float = 0) -> None:
        self.talk_s += talk_s
        self.hold_s += hold_s
        self.muted_s += muted_s

    def add_recording(self, seconds: float) -> None:
        self.recordings += 1
        self.recorded_s += seconds

    def add_approval(self, by: str) -> None:
        self.approvals += 1
        self.approved_by[by] += 1


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of a report."""

    kind: RowKind
    name: str
    """The conference's name if this server created it, the queue's name, the agent's number, or the day."""
    figures: Figures
    id: str = ""
    """Of a conference."""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON. Durations are whole seconds; empty texts and times are left out."""
        times = {"started_at": self.started_at, "ended_at": self.ended_at}
        fields = self.figures
        return {
            "kind": str(self.kind),
            **({"name": self.name} if self.name else {}),
            **({"id": self.id} if self.id else {}),
            **{name: iso(at) for name, at in times.items() if at is not None},
            "calls": fields.calls,
            "waits": fields.waits,
            "wait_s": round(fields.wait_s),
            "longest_wait_s": round(fields.longest_wait_s),
            "abandoned": fields.abandoned,
            "talk_s": round(fields.talk_s),
            "hold_s": round(fields.hold_s),
            "muted_s": round(fields.muted_s),
            "recordings": fields.recordings,
            "recorded_s": round(fields.recorded_s),
            "approvals": fields.approvals,
            **({"approved_by": dict(fields.approved_by.most_common())} if fields.approved_by else {}),
        }
