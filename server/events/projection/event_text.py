"""Describes one event in a line of plain English, and names the kind of the event."""

from collections.abc import Callable, Mapping
from typing import Any

from ....tools.text import clean, count, describe
from ..event import Event, StoredEvent
from .sanitize import TAGS, describe_reason, quote_data, short_identifier, strip_url

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
    "call.left.queue": "queue",
    "call.recording": "recording",
    "call.playback": "audio",
    "call.speak": "audio",
    "call": "call",
    "recording": "recording",
    "alert": "alert",
}
"""By event type, or by its first words."""


def event_kind(event_type: str) -> str:
    """The kind of an event: conference, participant, audio, recording, queue, call, alert or other."""
    words = event_type.split(".")
    prefixes = (".".join(words[:length]) for length in range(len(words), 0, -1))
    return next((_KINDS[prefix] for prefix in prefixes if prefix in _KINDS), "other")


_LEFT_QUEUE = "{call_control_id} left queue {queue}[ after {wait_time_secs} s][: {reason}]"
_TEMPLATES: Mapping[str, str] = {
    "alert.raised": "Alert {alert}[: {message}]",
    "alert.cleared": "Alert {alert} is over[. It was: {message}]",
    "recording.consent.announced": "The recording announcement is played to {call_control_id}",
    "recording.consent.failed": "The recording announcement could not be played to {call_control_id}",
    "recording.consent.heard": "{call_control_id} heard the recording announcement",
    "recording.consent.keyed": "{call_control_id} agreed to the recording with key {digit}",
    "recording.consent.paused": "The recording paused: {people} of the conference had not heard the announcement",
    "recording.consent.resumed": "The recording resumed after a gap of {gap_seconds} s",
    "call.initiated": "{call_control_id} started[, {direction}][, from {from}][, to {to}]",
    "call.answered": "{call_control_id} was answered[, from {from}][, to {to}]",
    "call.hangup": "{call_control_id} hung up[: {hangup_cause}][, by the {hangup_source}]",
    "call.bridged": "{call_control_id} was bridged[, from {from}][, to {to}]",
    "call.hold": "{call_control_id} was put on hold",
    "call.unhold": "{call_control_id} was taken off hold",
    "call.enqueued": "{call_control_id} waits in queue {queue}[, position {current_position}]",
    "call.dequeued": _LEFT_QUEUE,
    "call.left.queue": _LEFT_QUEUE,
    "call.gather.ended": "Digits of {call_control_id} were gathered[: {digits}][, {status}]",
    "call.dtmf.received": "{call_control_id} pressed a key",
    "call.cost": "The cost of {call_control_id} is known",
    "call.machine.detection.ended": "Machine detection on {call_control_id} ended[: {result}]",
    "call.machine.greeting.ended": "The machine's greeting on {call_control_id} ended[: {result}]",
    "call.machine.premium.detection.ended": "Machine detection on {call_control_id} ended[: {result}]",
    "call.machine.premium.greeting.ended": "The machine's greeting on {call_control_id} ended[: {result}]",
    "call.playback.started": "A file started playing to {call_control_id}[: {media}]",
    "call.playback.ended": "A file stopped playing to {call_control_id}[: {media}][, {status}]",
    "call.recording.error": "A recording of {call_control_id} failed[: {reason}]",
    "call.recording.saved": "A recording of a call was saved[, {channels}]",
    "call.recording.transcription.saved": "A transcription of a recording of {call_control_id} was saved",
    "call.speak.started": "Text is being spoken to {call_control_id}",
    "call.speak.ended": "Text was spoken to {call_control_id}[, {status}]",
    "call.transcription": "Speech on {call_control_id} was transcribed",
    "conference.created": "{conference_id} was created by {call_control_id}",
    "conference.ended": "{conference_id} ended[: {reason}]",
    "conference.participant.joined": "{call_control_id} joined {conference_id}",
    "conference.participant.left": "{call_control_id} left {conference_id}",
    "conference.floor.changed": "{call_control_id} has the floor in {conference_id}",
    "conference.playback.started": "A file started playing to everyone in {conference_id}[: {media}]",
    "conference.playback.ended": "A file stopped playing to everyone in {conference_id}[: {media}]",
    "conference.participant.playback.started": "A file started playing to {call_control_id}"
    " in {conference_id}[: {media}]",
    "conference.participant.playback.ended": "A file stopped playing to {call_control_id}"
    " in {conference_id}[: {media}]",
    "conference.speak.started": "Text is being spoken to everyone in {conference_id}",
    "conference.speak.ended": "Text was spoken to everyone in {conference_id}",
    "conference.participant.speak.started": "Text is being spoken to {call_control_id} in {conference_id}",
    "conference.participant.speak.ended": "Text was spoken to {call_control_id} in {conference_id}",
    "conference.recording.saved": "A recording of {conference_id} was saved[, {format}][, {channels}]"
    "[, id {recording_id}]",
}
"""By event type. A part in brackets is left out when a field in it is missing."""
_OTHER = "Event {type}[ of {known_conference_id}][ of {known_call_control_id}][ in queue {queue}]"

_MAX_MESSAGE_LENGTH = 400

_ENUM_VALUES = frozenset(
    {"incoming", "outgoing", "caller", "callee", "unknown", "valid", "invalid", "timeout", "cancelled"}
    | {"cancelled_amd", "call_hangup", "call_rejected", "normal_clearing", "originator_cancel", "time_limit"}
    | {"user_busy", "not_found", "no_answer", "unspecified", "wav", "mp3", "single", "dual"}
    | {"human", "human_residence", "human_business", "machine", "not_sure", "silence", "fax_detected"}
    | {"beep_detected", "no_beep_detected", "ended", "completed", "failed", "file_not_found"}
)


def _enum_value(value: Any) -> str:
    """A value of one of Telnyx's enumerations. An unknown one is quoted."""
    return value.replace("_", " ") if isinstance(value, str) and value in _ENUM_VALUES else quote_data(value)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) and abs(value) < 10**12 else quote_data(value)


def _digits(value: Any) -> str:
    """Only how many: the digits may be a card number or a PIN."""
    return count(len(value), "digit") if isinstance(value, str) else "digits"


def _message(value: Any) -> str:
    """The message of an alert, which quotes what callers chose."""
    return clean(str(value).translate(TAGS), _MAX_MESSAGE_LENGTH).removesuffix(".")


_FORMATS: Mapping[str, Callable[[Any], str]] = {
    "alert": quote_data,
    "message": _message,
    "call_control_id": lambda value: f"call {'unknown' if value is None else short_identifier(value)}",
    "conference_id": lambda value: f"conference {'unknown' if value is None else short_identifier(value)}",
    "known_call_control_id": lambda value: f"call {short_identifier(value)}",
    "known_conference_id": lambda value: f"conference {short_identifier(value)}",
    "recording_id": short_identifier,
    "digits": _digits,
    "reason": describe_reason,
    "wait_time_secs": _number,
    "current_position": _number,
    **dict.fromkeys(("queue", "media", "from", "to"), quote_data),
    **dict.fromkeys(
        ("direction", "hangup_cause", "hangup_source", "status", "result", "format", "channels"), _enum_value
    ),
    "type": quote_data,
}


def describe_event(event: StoredEvent | Event) -> str:
    """An event in one line, without its time. Text that callers chose is quoted, and secrets are left out."""
    fields = {
        **event.payload,
        "type": event.type,
        "queue": event.queue,
        "call_control_id": event.call_control_id,
        "conference_id": event.conference_id,
        "known_call_control_id": event.call_control_id,
        "known_conference_id": event.conference_id,
        "media": event.payload.get("media_name") or strip_url(event.payload.get("media_url")),
    }
    sentence = describe(_TEMPLATES.get(event.type, _OTHER), fields, _FORMATS)
    return f"{sentence[0].upper()}{sentence[1:]}."
