"""Where a call leg is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ...tools.text import quoted


class PlaceKind(StrEnum):
    """Where a call leg can be."""

    NOWHERE = "nowhere"
    """Parked or ringing: in no conference, queue or bridge."""
    CONFERENCE = "conference"
    QUEUE = "queue"
    BRIDGE = "bridge"
    UNKNOWN = "unknown"
    """No event of the leg is known, and it is in no conference: it may be in a queue or a bridge."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call leg is now."""

    kind: PlaceKind
    conference_id: str | None = None
    conference_name: str | None = None
    queue: str | None = None
    """The queue's name."""
    other: str | None = None
    """The call leg at the other end of a bridge, if it is known."""
    since: datetime | None = None
    """When the call was connected, if the other end is not known: with another one, it was connected later."""

    @property
    def text(self) -> str:
        """`in queue 'support'`, `in conference 'Standup'`, `in no conference or queue`."""
        match self.kind:
            case PlaceKind.CONFERENCE:
                return f"in conference {quoted(self.conference_name or self.conference_id)}"
            case PlaceKind.QUEUE:
                return f"in queue {quoted(self.queue)}"
            case PlaceKind.BRIDGE:
                return "connected to another call"
            case PlaceKind.NOWHERE:
                return "in no conference or queue"
            case PlaceKind.UNKNOWN:
                return "in an unknown place"
