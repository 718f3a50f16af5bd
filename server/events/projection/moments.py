"""What the picture is folded from: events, commands and answers of the API, in one order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..event import Event
from .sanitize import address, moment, text, whole

_SOUNDS = {
    f"conference.{whose}{kind}.{what}": (kind, what)
    for whose in ("", "participant.")
    for kind in ("playback", "speak")
    for what in ("started", "ended")
}

API_READ = "api"
"""The type of the moment at which the API was asked."""
COMMAND_ACCEPTED = "command"
"""The type of the moment at which a command was accepted."""

_RANKS: Mapping[str, int] = {
    "call.initiated": 0,
    "call.answered": 1,
    "conference.created": 2,
    "conference.participant.joined": 3,
    "call.enqueued": 3,
    **{type_: 4 if what == "started" else 6 for type_, (_, what) in _SOUNDS.items()},
    "conference.recording.saved": 6,
    "call.dequeued": 7,
    "call.hangup": 8,
    "conference.participant.left": 9,
    "conference.ended": 10,
    API_READ: 11,
    COMMAND_ACCEPTED: 12,
}
_ANY_OTHER = 5

Reader = Callable[[Any], Any]

_MEDIA: Mapping[str, Reader] = {"media_name": text, "media_url": address}
PAYLOAD_READERS: Mapping[str, Mapping[str, Reader]] = {
    "call.initiated": {"direction": text, "from": text, "to": text},
    "call.dequeued": {"reason": text, "wait_time_secs": whole},
    "call.hangup": {"hangup_cause": text},
    "conference.ended": {"reason": text},
    "conference.recording.saved": {
        "recording_id": text,
        "format": text,
        "channels": text,
        "recording_started_at": moment,
        "recording_ended_at": moment,
    },
    **{type_: _MEDIA for type_, (kind, _) in _SOUNDS.items() if kind == "playback"},
}
"""All that is read of each event's payload; the ids apart."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that became known, when it was so, and its place among what happened at the same time."""

    at: datetime
    rank: int
    id: str
    type: str
    call: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> tuple[datetime, int, str]:
        return self.at, self.rank, self.id


def event_moment(event: Event) -> Moment:
    """The moment of an event. A saved recording carries no time of its own but when the recording ended."""
    readers = PAYLOAD_READERS.get(event.type, {})
    read = {name: reader(event.payload.get(name)) for name, reader in readers.items()}
    detail = {name: value for name, value in read.items() if value is not None}
    at = detail.get("recording_ended_at", event.occurred_at)
    return Moment(at, _RANKS.get(event.type, _ANY_OTHER), event.id, event.type, event.call_control_id, detail)


def api_moment(at: datetime, id_: str, detail: Mapping[str, Any]) -> Moment:
    """The moment at which the API was asked."""
    return Moment(at, _RANKS[API_READ], id_, API_READ, None, detail)


def command_moment(at: datetime, id_: str, detail: Mapping[str, Any], call: str | None = None) -> Moment:
    """The moment at which Telnyx accepted a command of this server."""
    return Moment(at, _RANKS[COMMAND_ACCEPTED], id_, COMMAND_ACCEPTED, call, detail)


def sound(type_: str) -> tuple[str, str]:
    """`playback` or `speak`, and `started` or `ended`, of an event about audio."""
    return _SOUNDS[type_]


SOUNDS = tuple(_SOUNDS)
"""The types of the events about audio."""
