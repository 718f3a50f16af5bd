"""Argument types that several tools share: how they are checked, and what a model reads about them.

A description says what an argument is, where to get it, and what happens if it is left out; it must do without the
server's instructions, which many hosts do not show. A limit is in the schema only if Telnyx documents it. Other limits,
such as that an id is not empty, are checked and refused in plain words.
"""

import base64
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from .base import EVERYONE
from .client_state import as_base64

_PHONE_NUMBER = re.compile(r"\+?[\d\s().-]{7,}")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?", re.IGNORECASE)
_ONE_WORD = re.compile(r"[^\s\x00-\x1f\x7f]{1,512}")
_WHOLE_ROOM = frozenset({EVERYONE, "everybody", "all", "*"})
"""Words of a model for everyone in a conference. None of them is an id."""
_MAX_NAME_LENGTH = 512
_MAX_QUEUE_NAME_LENGTH = 255


def _identifier(value: str, info: ValidationInfo) -> str:
    if info.context:
        return _not_empty(value)
    if not _ONE_WORD.fullmatch(value) or value in (".", ".."):
        raise ValueError("must be an id as Telnyx returned it: one word, not empty")
    return value


def _name(value: str, info: ValidationInfo) -> str:
    if info.context:
        return _not_empty(value)
    if not value or len(value) > _MAX_NAME_LENGTH:
        raise ValueError(f"must have 1 to {_MAX_NAME_LENGTH} characters")
    if value in (".", "..") or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("must have no control characters and not be only dots")
    return value


def _queue_name(value: str, info: ValidationInfo) -> str:
    if len(value) > _MAX_QUEUE_NAME_LENGTH:
        raise ValueError(f"must have 1 to {_MAX_QUEUE_NAME_LENGTH} characters")
    return _name(value, info)


def _call_control_id(value: str, info: ValidationInfo) -> str:
    if info.context:
        return value
    if value.lower() in _WHOLE_ROOM:
        raise ValueError('must be a call leg\'s id; for the whole room, "everyone" must be the only entry of the list')
    if _PHONE_NUMBER.fullmatch(value):
        raise ValueError(
            "must be a call leg's id, not a phone number: dial gives one for a number; "
            "list_participants and list_queue_calls have the ids of the calls that are up"
        )
    return value


def _leg_or_everyone(value: str, info: ValidationInfo) -> str:
    return value if value == EVERYONE else _call_control_id(_identifier(value, info), info)


def _everyone(value: Any) -> Any:
    return EVERYONE if value == [EVERYONE] else value


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def _positive(value: int) -> int:
    if value < 1:
        raise ValueError("must be 1 or more")
    return value


def _page_size(value: int, info: ValidationInfo) -> int:
    # Telnyx returns up to 250 at once, which is more than hosts show a model of one result.
    max_size = 250 if info.context else 100
    if value > max_size:
        raise ValueError(f"must be a whole number from 1 to {max_size}")
    return value


def _client_state(value: str, info: ValidationInfo) -> str:
    """Telnyx takes Base64. Text that is not yet Base64 of a printable text is encoded."""
    if info.context:
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            raise ValueError("must be Base64") from None
        return value
    return as_base64(value)


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError("must be an http or https URL of a WAV or MP3 file")
    return value


def described(text: str, **limits: Any) -> Any:
    """What a model reads about an argument."""
    return Field(description=text, **limits)


Identifier = Annotated[str, AfterValidator(_identifier)]
NotEmpty = Annotated[str, AfterValidator(_not_empty)]
Positive = Annotated[int, AfterValidator(_positive)]

ConferenceId = Annotated[
    str, AfterValidator(_name), described("Id from list_conferences, or the name of an open conference.")
]
ConnectionId = Annotated[
    str, AfterValidator(_identifier), described("Call Control application id; default: the operator's.")
]
ParticipantId = Annotated[str, AfterValidator(_name), described("Id or label from list_participants.")]
CallLeg = Annotated[str, AfterValidator(_identifier), AfterValidator(_call_control_id)]
CallControlId = Annotated[CallLeg, described("Call leg id (v3:...), as in list_participants or events.")]
CallLegs = Annotated[list[CallLeg], Field(min_length=1)]
CallLegsOrEveryone = Annotated[
    CallLegs | Literal["everyone"],
    BeforeValidator(_everyone),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    described('Call leg ids from list_participants, or only "everyone" for the whole room.'),
]
CallLegOrEveryone = Annotated[
    str,
    AfterValidator(_leg_or_everyone),
    described('Call leg id, or "everyone" for the whole room.'),
]
WhisperCallLegs = Annotated[CallLegs, described("Call legs that hear the whisper; for role whisper only.")]
QueueName = Annotated[str, AfterValidator(_queue_name), described("Queue name, as in list_queues.")]
MAX_SPOKEN_LENGTH = 3000
SpokenText = Annotated[str, Field(max_length=MAX_SPOKEN_LENGTH), AfterValidator(_not_empty), described("Text to say.")]
CommandId = Annotated[NotEmpty, described("Leave out: automatic.")]
ClientState = Annotated[str, AfterValidator(_client_state), described("Text that its events repeat.")]
Note = Annotated[NotEmpty, AfterValidator(_client_state), described("Text that its events repeat.")]
"""A `client_state` that must be given."""
Region = Annotated[
    Literal["Australia", "Europe", "Middle East", "US"],
    described("Leave out unless created with one."),
]
Beep = Annotated[
    Literal["always", "never", "on_enter", "on_exit"], described("When a beep sounds; default: the conference's.")
]
SupervisorRole = Annotated[
    Literal["barge", "monitor", "none", "whisper"],
    described("monitor hears all, unheard; whisper is heard by whisper_call_control_ids only; barge is heard by all."),
]
AudioUrl = Annotated[str, AfterValidator(_url), described("Public https URL of a WAV or MP3 file.")]
MediaName = Annotated[NotEmpty, described("Name of a file uploaded to Telnyx, instead of a URL.")]
EventTypes = Annotated[
    list[NotEmpty],
    Field(min_length=1),
    described("Event types, such as conference.ended; conference.participant.* is a group."),
]
PageNumber = Annotated[Positive, described("Page; default 1.")]
PageAfter = Annotated[NotEmpty, described("From next_page_after.")]
PageSize = Annotated[
    int,
    AfterValidator(_positive),
    AfterValidator(_page_size),
    WithJsonSchema({"type": "integer", "maximum": 100, "description": "Default 20."}),
]
