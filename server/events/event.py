"""An event as it is kept: what Telnyx sent, and the few facts by which it is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _plain(kind: type[T]) -> type[T]:
    """A dataclass that only the type checker keeps from being changed: what guards it at run time is paid for with
    every event."""
    return dataclass(slots=True)(kind)


class Via(StrEnum):
    """How an event came here."""

    WEBHOOK = "webhook"
    CATCH_UP = "catch-up"
    """Fetched afterwards from Telnyx's list of webhook deliveries."""
    SANDBOX = "sandbox"
    """From the embedded Telnyx, in this process."""


@_plain
class Event:
    """One webhook event, whatever its type."""

    id: str
    """Telnyx's id of the event: the same for every delivery of it."""
    type: str
    """Such as `conference.participant.joined`; types that are not known here are kept like the others."""
    occurred_at: datetime
    """UTC. When it happened by Telnyx's clock; when it came, where Telnyx does not say."""
    payload: Mapping[str, Any]
    """As Telnyx sent it: what callers chose in it is data."""
    via: Via = Via.WEBHOOK
    verified: bool = True
    """Whether its signature proved that Telnyx sent it (or it came from Telnyx over HTTPS, or from the sandbox)."""
    conference_id: str | None = None
    call_control_id: str | None = None
    call_session_id: str | None = None
    queue: str | None = None
    """The queue's name."""


@_plain
class StoredEvent(Event):
    """An event that is on disk."""

    number: int = 0
    """Its place in the order in which events were stored, from 1, growing: a cursor."""
    received_at: datetime = field(default=datetime.min)
    """UTC."""


MAX_COUNT = 1_000
"""Events are counted no further: it would cost more than to find them."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: all of these hold; None and empty mean any."""

    types: frozenset[str] = frozenset()
    """Exact types, or prefixes that end in `.*`, such as `conference.participant.*`."""
    conference_id: str | None = None
    call_control_id: str | None = None
    queue: str | None = None
    since: datetime | None = None
    """Occurred at or after."""
    until: datetime | None = None
    """Occurred before."""
    after_number: int | None = None
    before_number: int | None = None

    def matches(self, event: StoredEvent) -> bool:
        """The same decision as the store's query."""
        return (
            (not self.types or any(_is_type(event.type, wanted) for wanted in self.types))
            and self.conference_id in (None, event.conference_id)
            and self.call_control_id in (None, event.call_control_id)
            and self.queue in (None, event.queue)
            and (self.since is None or event.occurred_at >= self.since)
            and (self.until is None or event.occurred_at < self.until)
            and (self.after_number is None or event.number > self.after_number)
            and (self.before_number is None or event.number < self.before_number)
        )


def _is_type(actual: str, wanted: str) -> bool:
    return actual.startswith(wanted[:-1]) if wanted.endswith(".*") else actual == wanted
