"""What is known of something, from where and since when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .views import Fact, Source

CLOCK_TOLERANCE = timedelta(seconds=5)
"""By how much the clocks of Telnyx and of this machine may differ, and an answer of the API lag behind."""


@dataclass(frozen=True, slots=True)
class KnownFact:
    value: Any
    source: Source
    as_of: datetime

    def view(self) -> Fact[Any]:
        return Fact(value=self.value, source=self.source, as_of=self.as_of)


def fact_view(facts: Mapping[str, KnownFact], name: str) -> Fact[Any] | None:
    """One of several facts, for a view."""
    known = facts.get(name)
    return None if known is None else known.view()


@dataclass(slots=True)
class HoldTime:
    """How long somebody was on hold, as far as known."""

    is_known: bool = False
    since: datetime | None = None
    past: timedelta = field(default_factory=timedelta)

    def set(self, on_hold: bool, at: datetime) -> None:
        self.is_known = True
        if on_hold:
            self.since = self.since or at
        else:
            self.stop(at)

    def stop(self, at: datetime) -> None:
        if self.since is not None:
            self.past += max(at - self.since, timedelta())
            self.since = None

    def total(self, now: datetime) -> timedelta:
        return self.past + (max(now - self.since, timedelta()) if self.since else timedelta())
