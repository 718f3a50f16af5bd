"""Identifiers, enumerations and limits that several commands share.

What these arguments mean is said once, in the server's instructions, and not in each of the tools that take them: the
model reads every byte of a schema on every turn. For the same reason a limit stands in the schema only where Telnyx
documents one; that an id is not empty or a duration not negative is checked, and refused in plain words.
"""

import base64
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema

from .base import EVERYONE

_PHONE_NUMBER = re.compile(r"\+?[\d\s().-]{7,}")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?", re.IGNORECASE)
_WITHOUT_SPACE = re.compile(r"[^\s\x00-\x1f\x7f]{1,512}")


def _identifier(value: str, info: ValidationInfo) -> str:
    if info.context:
        return _not_empty(value)
    if not _WITHOUT_SPACE.fullmatch(value) or value in (".", ".."):
        raise ValueError("must be an id as Telnyx returned it: one word, not empty")
    return value


def _call_control_id(value: str, info: ValidationInfo) -> str:
    if info.context:
        return value
    if value == EVERYONE:
        raise ValueError('"everyone" stands alone, in place of the list')
    if _PHONE_NUMBER.fullmatch(value):
        raise ValueError(
            "must be a call leg's id, not a phone number: dial gives one for a number; "
            "list_participants and list_queue_calls have those of the people there"
        )
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def _positive(value: int) -> int:
    if value < 1:
        raise ValueError("must be 1 or more")
    return value


def _page_size(value: int, info: ValidationInfo) -> int:
    # Telnyx gives up to 250 at once, more than hosts show a model of one result.
    most = 250 if info.context else 100
    if value > most:
        raise ValueError(f"must be a whole number from 1 to {most}")
    return value


def _base64(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        raise ValueError("must be Base64") from None
    return value


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError("must be an http or https URL of a WAV or MP3 file")
    return value


def _name(value: str) -> str:
    if value in (".", "..") or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("must have no control characters and not be only dots")
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]
ConferenceId = Identifier
ConnectionId = Identifier
ParticipantId = Annotated[str, AfterValidator(_identifier), Field(description="Or label.")]
CallControlId = Annotated[str, AfterValidator(_identifier), AfterValidator(_call_control_id)]
CallLegs = Annotated[list[CallControlId], Field(min_length=1)]
CallLegsOrEveryone = CallLegs | Literal["everyone"]
QueueName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_name)]
NotEmpty = Annotated[str, AfterValidator(_not_empty)]
MAX_SPOKEN_LENGTH = 3000
SpokenText = Annotated[str, Field(max_length=MAX_SPOKEN_LENGTH), AfterValidator(_not_empty)]
CommandId = NotEmpty
ClientState = Annotated[str, AfterValidator(_base64), WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
Region = Literal["Australia", "Europe", "Middle East", "US"]
Beep = Literal["always", "never", "on_enter", "on_exit"]
SupervisorRole = Annotated[
    Literal["barge", "monitor", "none", "whisper"],
    Field(description="monitor: hears all, unheard; whisper: heard by whisper_call_control_ids only."),
]
AudioUrl = Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})]
EventTypes = Annotated[
    list[NotEmpty], Field(min_length=1, description="As conference.ended, or conference.participant.* for a group.")
]
Positive = Annotated[int, AfterValidator(_positive)]
PageNumber = Positive
PageSize = Annotated[
    int, AfterValidator(_positive), AfterValidator(_page_size), WithJsonSchema({"type": "integer", "maximum": 100})
]
