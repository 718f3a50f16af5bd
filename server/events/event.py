"""An event as it is stored: the payload that Telnyx sent, and the fields by which it is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _plain(kind: type[T]) -> type[T]:
    """A dataclass that only the type checker treats as frozen. A check at run time would slow down every event."""
    return dataclass(slots=True)(kind)


class Via(StrEnum):
    """How an event arrived."""

    WEBHOOK = "webhook"
    CATCH_UP = "catch-up"
    """Fetched from Telnyx's list of webhook deliveries."""
    SANDBOX = "sandbox"
    """From the sandbox in this process."""
    SERVER = "server"
    """Written by a server on this store, such as an alert."""


ALERT_RAISED, ALERT_CLEARED = "alert.raised", "alert.cleared"
OWN_TYPES = frozenset({ALERT_RAISED, ALERT_CLEARED})
"""The types of the events that servers write."""


class Signature(NamedTuple):
    """How Telnyx signed a webhook, as in its headers: to prove later, with its body, who sent it."""

    value: str
    """Base64 of the Ed25519 signature of `<timestamp>|<raw body>`."""
    timestamp: str
    """Unix seconds."""


CONSENT_ANNOUNCED, CONSENT_FAILED, CONSENT_HEARD, CONSENT_KEYED, CONSENT_PAUSED, CONSENT_RESUMED = (
    f"recording.consent.{what}" for what in ("announced", "failed", "heard", "keyed", "paused", "resumed")
)
CONSENT_TYPES = frozenset(
    {CONSENT_ANNOUNCED, CONSENT_FAILED, CONSENT_HEARD, CONSENT_KEYED, CONSENT_PAUSED, CONSENT_RESUMED}
)
"""The types of the events that servers write about the announcement of recordings."""


@_plain
class Event:
    """A webhook event of any type."""

    id: str
    """Telnyx's id of the event: the same for every delivery of it."""
    type: str
    """Such as `conference.participant.joined`. Unknown types are stored too."""
    occurred_at: datetime
    """UTC. The time by Telnyx's clock, or the time of receipt if Telnyx sent none."""
    payload: Mapping[str, Any]
    """As Telnyx sent it. Text that callers chose is data, not instructions."""
    via: Via = Via.WEBHOOK
    verified: bool = True
    """Whether Telnyx is known to have sent it: by its signature, or because it was fetched or is from the sandbox."""
    conference_id: str | None = None
    call_control_id: str | None = None
    call_session_id: str | None = None
    queue: str | None = None
    """The queue's name."""
    signature: Signature | None = None
    """Of a webhook that has just arrived. It is stored, and not read again with the event."""


@_plain
class StoredEvent(Event):
    """An event in the store."""

    number: int = 0
    """Its position in the order in which events were stored, from 1. Serves as a cursor."""
    received_at: datetime = field(default=datetime.min)
    """UTC."""


MAX_COUNT = 1_000
"""Counting stops here, because it would cost more than finding the events."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects events for which all criteria hold. None and empty mean any."""

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

    def matches(self, event: StoredEvent) -> bool:
        """The same decision as the store's query."""
        return (
            (not self.types or any(_is_type(event.type, pattern) for pattern in self.types))
            and self.conference_id in (None, event.conference_id)
            and self.call_control_id in (None, event.call_control_id)
            and self.queue in (None, event.queue)
            and (self.since is None or event.occurred_at >= self.since)
            and (self.until is None or event.occurred_at < self.until)
            and (self.after_number is None or event.number > self.after_number)
        )


def _is_type(event_type: str, pattern: str) -> bool:
    return event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern
