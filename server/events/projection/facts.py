"""What is known of something, from where and since when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .views import Fact, Source

GRACE = timedelta(seconds=5)
"""By how much the clocks of Telnyx and of this machine may differ, and an answer of the API lag behind."""


@dataclass(frozen=True, slots=True)
class Known:
    value: Any
    source: Source
    as_of: datetime

    def fact(self) -> Fact[Any]:
        return Fact(value=self.value, source=self.source, as_of=self.as_of)


def shown(facts: Mapping[str, Known], name: str) -> Fact[Any] | None:
    """One of several facts, for a view."""
    known = facts.get(name)
    return None if known is None else known.fact()


@dataclass(slots=True)
class Held:
    """How long somebody was on hold, as far as known."""

    is_known: bool = False
    since: datetime | None = None
    before: timedelta = field(default_factory=timedelta)

    def learn(self, on_hold: bool, at: datetime) -> None:
        self.is_known = True
        if on_hold:
            self.since = self.since or at
        else:
            self.stop(at)

    def stop(self, at: datetime) -> None:
        if self.since is not None:
            self.before += max(at - self.since, timedelta())
            self.since = None

    def so_far(self, now: datetime) -> timedelta:
        return self.before + (max(now - self.since, timedelta()) if self.since else timedelta())
