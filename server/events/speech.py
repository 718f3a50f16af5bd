"""The speech of people who are transcribed: kept in memory, so that it need not be stored."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from .event import Event

EventT = TypeVar("EventT", bound=Event)

_MAX_CHARACTERS = 5_000_000
"""The oldest texts beyond this are forgotten. It is more than a day of speech."""
NOT_STORED = "(not stored)"
"""In the place of a text that is not stored."""
_TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "call.transcription": ("transcription_data", "transcript"),
    "call.recording.transcription.saved": ("transcription_text",),
}
"""Where the text is in the payload, by event type."""
_STORED_FIELDS = frozenset(
    {
        "call_control_id",
        "call_leg_id",
        "call_session_id",
        "calling_party_type",
        "client_state",
        "conference_id",
        "connection_id",
        "occurred_at",
        "recording_id",
        "recording_transcription_id",
        "status",
    }
)
"""Fields of these events that are stored. Telnyx may add others, which may contain speech."""
_STORED_DATA = frozenset({"confidence", "is_final", "transcription_track"})
"""The same within `transcription_data`."""
_MARK = b"transcript"
"""A body without this word contains no transcript."""


class SpeechMemory:
    """The texts of transcription events, by event id."""

    def __init__(self, *, is_withholding: bool, max_characters: int = _MAX_CHARACTERS) -> None:
        """`is_withholding`: texts are not stored, but remembered here."""
        self._is_withholding = is_withholding
        self._max_characters = max_characters
        self._texts: dict[str, str] = {}
        self._characters = 0

    def withhold(self, event: Event) -> Event | None:
        """The event as it may be stored: without speech. None: it may be stored as it is."""
        if not self._is_withholding or event.type not in _TEXT_FIELDS:
            return None
        text = self.text(event)
        if text is not None:
            self._remember(event.id, text)
        # The signature is that of the whole body, which is not stored.
        return replace(event, payload=_stored_payload(event), signature=None)

    def restored(self, event: EventT) -> EventT:
        """The event with its text, as far as it is remembered."""
        text = self._texts.get(event.id)
        return event if text is None else replace(event, payload=_with_text(event, event.payload, text))

    def text(self, event: Event) -> str | None:
        """The text of an event. None: it is not kept."""
        text: Any = self._texts.get(event.id) or event.payload
        for name in _TEXT_FIELDS.get(event.type, ()) if text is event.payload else ():
            text = cast("Mapping[str, Any]", text).get(name) if isinstance(text, Mapping) else None
        return text if isinstance(text, str) and text != NOT_STORED else None

    def without_speech(self, body: bytes) -> bytes:
        """A body that is not an event, as it may be stored."""
        return b"(not stored: it may contain a transcript)" if self._is_withholding and _MARK in body.lower() else body

    def _remember(self, event_id: str, text: str) -> None:
        self._characters += len(text) - len(self._texts.pop(event_id, ""))
        self._texts[event_id] = text
        while self._characters > self._max_characters and len(self._texts) > 1:
            self._characters -= len(self._texts.pop(next(iter(self._texts))))


def _stored_payload(event: Event) -> dict[str, Any]:
    payload = {name: value for name, value in event.payload.items() if name in _STORED_FIELDS}
    data = event.payload.get("transcription_data")
    if isinstance(data, Mapping):
        fields = cast("Mapping[str, Any]", data).items()
        payload["transcription_data"] = {name: value for name, value in fields if name in _STORED_DATA}
    return _with_text(event, payload, NOT_STORED)


def _with_text(event: Event, payload: Mapping[str, Any], text: str) -> dict[str, Any]:
    first, *other_names = _TEXT_FIELDS[event.type]
    inner = payload.get(first)
    data: dict[str, Any] = dict(cast("Mapping[str, Any]", inner)) if isinstance(inner, Mapping) else {}
    return {**payload, first: {**data, other_names[0]: text} if other_names else text}
