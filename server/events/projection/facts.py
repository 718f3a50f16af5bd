"""Facts about participants and queues, each with its source and its times."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from .views import Fact, Source

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How much the clocks of Telnyx and of this machine may differ, and how old an answer of the API may be."""


@dataclass(frozen=True, slots=True)
class KnownFact:
    value: Any
    source: Source
    as_of: datetime
    """When it was last confirmed."""
    began: datetime | None = None
    """Since when it has had this value, if that is earlier."""

    @property
    def since(self) -> datetime:
        return self.began or self.as_of

    def after(self, earlier: "KnownFact | None") -> "KnownFact":
        """The same fact with the time at which it began, given the fact known before."""
        if earlier is None or earlier.value != self.value:
            return self
        return replace(self, began=earlier.since)

    def view(self) -> Fact[Any]:
        return Fact(value=self.value, source=self.source, as_of=self.as_of, since=self.since)


def fact_view(facts: Mapping[str, KnownFact], name: str) -> Fact[Any] | None:
    """The view of one of several facts. None if it is not known."""
    fact = facts.get(name)
    return None if fact is None else fact.view()


@dataclass(slots=True)
class HoldTime:
    """How long a participant was on hold, as far as known."""

    is_known: bool = False
    since: datetime | None = None
    past: timedelta = field(default_factory=timedelta)
    """In holds that have ended."""

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
