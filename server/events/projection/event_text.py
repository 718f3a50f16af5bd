"""One event in one line of plain words, and what kind of event it is."""

from collections.abc import Callable, Mapping
from typing import Any

from ....tools.text import count, describe
from ..event import Event, StoredEvent
from .sanitize import address, data, identifier, reason

_KINDS: Mapping[str, str] = {
    "conference.participant.joined": "participant",
    "conference.participant.left": "participant",
    "conference.floor.changed": "participant",
    "conference.participant.playback": "audio",
    "conference.participant.speak": "audio",
    "conference.participant": "participant",
    "conference.playback": "audio",
    "conference.speak": "audio",
    "conference.recording": "recording",
    "conference": "conference",
    "call.enqueued": "queue",
    "call.dequeued": "queue",
    "call.recording": "recording",
    "call": "call",
    "recording": "recording",
}
"""By the type, or as much of its beginning, in whole words, as is known."""


def event_kind(event_type: str) -> str:
    """What an event is about: conference, participant, audio, recording, queue, call or other."""
    words = event_type.split(".")
    beginnings = (".".join(words[:length]) for length in range(len(words), 0, -1))
    return next((_KINDS[one] for one in beginnings if one in _KINDS), "other")


_LINES: Mapping[str, str] = {
    "call.initiated": "{call_control_id} began[, {direction}][, from {from}][, to {to}]",
    "call.answered": "{call_control_id} was answered[, from {from}][, to {to}]",
    "call.hangup": "{call_control_id} hung up[: {hangup_cause}][, by the {hangup_source}]",
    "call.bridged": "{call_control_id} was bridged[, from {from}][, to {to}]",
    "call.enqueued": "{call_control_id} waits in queue {queue}[, at place {current_position}]",
    "call.dequeued": "{call_control_id} left queue {queue}[ after {wait_time_secs} s][: {reason}]",
    "call.gather.ended": "{call_control_id} was asked for digits[ and keyed {digits}][, {status}]",
    "call.dtmf.received": "{call_control_id} pressed a key",
    "conference.created": "{conference_id} was opened by {call_control_id}",
    "conference.ended": "{conference_id} ended[: {reason}]",
    "conference.participant.joined": "{call_control_id} joined {conference_id}",
    "conference.participant.left": "{call_control_id} left {conference_id}",
    "conference.floor.changed": "{call_control_id} has the floor in {conference_id}",
    "conference.playback.started": "A file began to play to everyone in {conference_id}[: {media}]",
    "conference.playback.ended": "A file ended for everyone in {conference_id}[: {media}]",
    "conference.participant.playback.started": "A file began to play to {call_control_id}"
    " in {conference_id}[: {media}]",
    "conference.participant.playback.ended": "A file ended for {call_control_id} in {conference_id}[: {media}]",
    "conference.speak.started": "A text is being said to everyone in {conference_id}",
    "conference.speak.ended": "A text ended for everyone in {conference_id}",
    "conference.participant.speak.started": "A text is being said to {call_control_id} in {conference_id}",
    "conference.participant.speak.ended": "A text ended for {call_control_id} in {conference_id}",
    "conference.recording.saved": "A recording of {conference_id} was saved[, {format}][, {channels}]"
    "[, id {recording_id}]",
}
_OTHER = "Event {type}[ of {known_conference_id}][ of {known_call_control_id}][ in queue {queue}]"
"""A part in brackets is left out when a field in it is not there."""

_KNOWN = frozenset(
    {"incoming", "outgoing", "caller", "callee", "unknown", "valid", "invalid", "timeout", "cancelled"}
    | {"cancelled_amd", "call_hangup", "call_rejected", "normal_clearing", "originator_cancel", "time_limit"}
    | {"user_busy", "not_found", "no_answer", "unspecified", "wav", "mp3", "single", "dual"}
)


def _word(value: Any) -> str:
    """A value of one of Telnyx's enumerations; one that is not known here is quoted."""
    return value.replace("_", " ") if isinstance(value, str) and value in _KNOWN else data(value)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) and abs(value) < 10**12 else data(value)


def _digits(value: Any) -> str:
    """Keyed digits may be a card number or a PIN: how many is all that is ever said."""
    return count(len(value), "digit") if isinstance(value, str) else "digits"


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "call_control_id": lambda value: f"call {'unknown' if value is None else identifier(value)}",
    "conference_id": lambda value: f"conference {'unknown' if value is None else identifier(value)}",
    "known_call_control_id": lambda value: f"call {identifier(value)}",
    "known_conference_id": lambda value: f"conference {identifier(value)}",
    "recording_id": identifier,
    "digits": _digits,
    "reason": reason,
    "wait_time_secs": _number,
    "current_position": _number,
    **dict.fromkeys(("queue", "media", "from", "to"), data),
    **dict.fromkeys(("direction", "hangup_cause", "hangup_source", "status", "format", "channels"), _word),
    "type": data,
}


def describe_event(event: StoredEvent | Event) -> str:
    """An event in one line, without its time: plain words, what others chose quoted, nothing that is secret."""
    template = _LINES.get(event.type, _OTHER)
    given = {
        **event.payload,
        "type": event.type,
        "queue": event.queue,
        "call_control_id": event.call_control_id,
        "conference_id": event.conference_id,
        "known_call_control_id": event.call_control_id,
        "known_conference_id": event.conference_id,
        "media": event.payload.get("media_name") or address(event.payload.get("media_url")),
    }
    said = describe(template, given, _WORDS)
    return f"{said[0].upper()}{said[1:]}."
