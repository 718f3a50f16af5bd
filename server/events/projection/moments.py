"""The moments that the projection is folded from: events, commands and answers of the API, in one order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..event import CONSENT_KEYED, CONSENT_PAUSED, CONSENT_RESUMED, Event
from .sanitize import clean_text, count_or_none, strip_url, time_or_none

_SOUNDS = {
    f"conference.{scope}{kind}.{phase}": (kind, phase)
    for scope in ("", "participant.")
    for kind in ("playback", "speak")
    for phase in ("started", "ended")
}
SOUNDS = tuple(_SOUNDS)
"""The types of the events about audio in a conference."""

CALL_SOUNDS = frozenset({"call.speak.ended", "call.playback.ended"})
"""The types of the events about the end of audio to one call leg, wherever it is."""
SPEECH = "speech"
"""What `announcement` calls a spoken text: events do not contain the text."""

API_READ = "api"
"""The type of the moment at which the API was read."""
COMMAND_ACCEPTED = "command"
"""The type of the moment at which Telnyx accepted a command."""

_ALIASES: Mapping[str, str] = {"call.left.queue": "call.dequeued"}
"""Another name under which Telnyx documents an event."""

_RANKS: Mapping[str, int] = {
    "call.initiated": 0,
    "call.answered": 1,
    "conference.created": 2,
    "conference.participant.joined": 3,
    "call.enqueued": 3,
    **{event_type: 4 if phase == "started" else 6 for event_type, (_, phase) in _SOUNDS.items()},
    "conference.recording.saved": 6,
    "call.dequeued": 7,
    "call.hangup": 8,
    "conference.participant.left": 9,
    "conference.ended": 10,
    API_READ: 11,
    COMMAND_ACCEPTED: 12,
}
"""The order of moments with the same time."""
_DEFAULT_RANK = 5

Reader = Callable[[Any], Any]

_MEDIA: Mapping[str, Reader] = {"media_name": clean_text, "media_url": strip_url}
PAYLOAD_READERS: Mapping[str, Mapping[str, Reader]] = {
    "call.initiated": {
        "direction": clean_text,
        "from": clean_text,
        "to": clean_text,
        "caller_id_name": clean_text,
    },
    "call.dequeued": {"reason": clean_text, "wait_time_secs": count_or_none},
    "call.hangup": {"hangup_cause": clean_text},
    "conference.ended": {"reason": clean_text},
    CONSENT_KEYED: {"digit": clean_text},
    CONSENT_PAUSED: {"recorded_ms": count_or_none},
    CONSENT_RESUMED: {"gap_seconds": count_or_none},
    "conference.recording.saved": {
        "recording_id": clean_text,
        "format": clean_text,
        "channels": clean_text,
        "recording_started_at": time_or_none,
        "recording_ended_at": time_or_none,
    },
    "call.speak.ended": {"status": clean_text},
    "call.playback.ended": {"status": clean_text, **_MEDIA},
    **{event_type: _MEDIA for event_type, (kind, _) in _SOUNDS.items() if kind == "playback"},
}
"""The fields that the projection reads from each payload, apart from the ids."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, its time, and its rank among moments with the same time."""

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
    """The moment of an event. The time of a saved recording is the end of the recording."""
    event_type = _ALIASES.get(event.type, event.type)
    readers = PAYLOAD_READERS.get(event_type, {})
    fields = {name: read(event.payload.get(name)) for name, read in readers.items()}
    detail = {name: value for name, value in fields.items() if value is not None}
    at = detail.get("recording_ended_at", event.occurred_at)
    return Moment(at, _RANKS.get(event_type, _DEFAULT_RANK), event.id, event_type, event.call_control_id, detail)


def api_moment(at: datetime, id_: str, detail: Mapping[str, Any]) -> Moment:
    """The moment at which the API was read."""
    return Moment(at, _RANKS[API_READ], id_, API_READ, None, detail)


def command_moment(at: datetime, id_: str, detail: Mapping[str, Any], call: str | None = None) -> Moment:
    """The moment at which Telnyx accepted a command of this server."""
    return Moment(at, _RANKS[COMMAND_ACCEPTED], id_, COMMAND_ACCEPTED, call, detail)


def sound(event_type: str) -> tuple[str, str]:
    """`playback` or `speak`, and `started` or `ended`, of an event about audio."""
    return _SOUNDS[event_type]


def announcement(moment: Moment) -> str:
    """What was played until this moment: a file by its name or URL, or `SPEECH`."""
    return moment.detail.get("media_name") or moment.detail.get("media_url") or SPEECH
