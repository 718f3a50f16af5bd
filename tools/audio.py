"""Tools for audio and DTMF in a conference."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from .base import EVERYONE, POST, ByArgument, Command, Retry, Risk, Undo
from .results import Accepted
from .types import (
    AudioUrl,
    CallControlId,
    CallLegsOrEveryone,
    ClientState,
    CommandId,
    ConferenceId,
    MediaName,
    NotEmpty,
    Positive,
    Region,
    SpokenText,
    described,
)
from .voices import Language, VoiceSettings, require_voice

_ROOM = ByArgument("call_control_ids", {EVERYONE: Risk.DISRUPTIVE}, Risk.ROUTINE)


def _stops(leaves: str | ByArgument[str] = "") -> Undo:
    carried = ("conference_id", "call_control_ids", "region")
    return Undo("stop_audio", carried, but="other audio that they hear stops too", leaves=leaves)


def _announces(*events: str) -> ByArgument[tuple[str, ...]]:
    everyone = tuple(f"conference.{event}" for event in events)
    participant_events = tuple(f"conference.participant.{event}" for event in events)
    return ByArgument("call_control_ids", {EVERYONE: everyone}, participant_events)


def _count(value: Any) -> Any:
    text = str(value).removesuffix(".0") if isinstance(value, str | float) else ""
    return int(text) if text.isdecimal() else value


Voice = Annotated[NotEmpty, described("Provider.Model.Voice such as AWS.Polly.Joanna, or male, female.")]
Loop = Annotated[
    Annotated[int, Field(ge=1, le=100)] | Literal["infinity"],
    BeforeValidator(_count),
    WithJsonSchema({"type": "string", "description": "How often: 1 (default) to 100, or infinity."}),
]
Digits = Annotated[str, Field(pattern=r"^[0-9A-D*#wW]+$"), described("Keys; w waits 0.5 s, W 1 s.")]
DigitsDuration = Annotated[int, Field(ge=100, le=500), described("Length of a tone; default 250.")]
MaxTries = Annotated[Positive, described("Default 3.")]
ValidDigits = Annotated[str, Field(pattern=r"^[0-9A-D*#]+$"), described("Keys to accept; default: all.")]
TerminatingDigit = Annotated[str, Field(pattern=r"^[0-9A-D*#]?$"), described("Ends input; default #; empty: none.")]
Sensitive = Annotated[bool, Field(exclude=True), described("Never show the digits, only their count.")]


class PlayAudio(Command):
    """Play a WAV or MP3 file in a conference, by audio_url or media_name."""

    route = POST("/conferences/{conference_id}/actions/play")
    risk = _ROOM
    retry = Retry.ONCE
    result = Accepted
    does = "play [{audio_url}][{media_name}] to {call_control_ids} in {conference_id}"
    announces = _announces("playback.started", "playback.ended")
    undo = _stops(leaves=ByArgument("loop", {"infinity": "playing without end"}, ""))
    exclusive = (("audio_url", "media_name"),)
    one_of = ("audio_url", "media_name")

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    audio_url: AudioUrl | None = None
    media_name: MediaName | None = None
    loop: Loop | None = None
    region: Region | None = None


class StopAudio(Command):
    """Stop playback and speech in a conference."""

    route = POST("/conferences/{conference_id}/actions/stop")
    risk = _ROOM
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "stop audio for {call_control_ids} in {conference_id}"
    announces = _announces("playback.ended", "speak.ended")

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    region: Region | None = None


class SpeakText(Command):
    """Say a text in a conference with a synthetic voice."""

    search_hint = "announce in the room that we start in five minutes, say to or tell everyone"
    route = POST("/conferences/{conference_id}/actions/speak")
    risk = _ROOM
    retry = Retry.DEDUPED
    result = Accepted
    does = "say {payload} to {call_control_ids} in {conference_id}"
    speaks = "payload"
    announces = _announces("speak.started", "speak.ended")
    undo = _stops()

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    payload: SpokenText
    voice: Voice
    payload_type: Annotated[Literal["text", "ssml"], described("Default text.")] | None = None
    language: Annotated[Language, described("Of the text; needed for voice male or female.")] | None = None
    voice_settings: VoiceSettings | None = None
    region: Region | None = None
    command_id: CommandId | None = None


class SendDtmf(Command):
    """Send keypad tones to participants of a conference."""

    search_hint = "press 1 in a phone menu, enter an extension"
    route = POST("/conferences/{conference_id}/actions/send_dtmf")
    risk = Risk.DISRUPTIVE
    retry = Retry.ONCE
    result = Accepted
    does = "send {digits} to {call_control_ids} in {conference_id}"

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    digits: Digits
    duration_millis: DigitsDuration | None = None
    client_state: ClientState | None = None


class GatherDtmf(Command):
    """Ask one participant for keypad digits, after a spoken prompt or a file. They come in event call.gather.ended."""

    search_hint = "ask the caller for a PIN, code or account number"
    route = POST("/conferences/{conference_id}/actions/gather_using_audio")
    risk = Risk.ROUTINE
    retry = Retry.ONCE
    result = Accepted
    does = "gather digits from {call_control_id} in {conference_id}[ after saying {payload}]"
    speaks = "payload"
    announces = ("call.gather.ended",)
    exclusive = (
        ("audio_url", "media_name"),
        ("invalid_audio_url", "invalid_media_name"),
        ("payload", "audio_url"),
        ("payload", "media_name"),
    )

    conference_id: ConferenceId
    call_control_id: CallControlId
    # Telnyx's endpoint takes only files: the server says the text first.
    payload: Annotated[SpokenText | None, Field(exclude=True), described("Text to say.")] = None
    voice: Annotated[NotEmpty | None, Field(exclude=True), described("With payload, such as AWS.Polly.Joanna.")] = None
    audio_url: AudioUrl | None = None
    media_name: MediaName | None = None
    invalid_audio_url: Annotated[AudioUrl, described("Played after wrong digits.")] | None = None
    invalid_media_name: Annotated[NotEmpty, described("The same, uploaded.")] | None = None
    minimum_digits: Annotated[Positive, described("Minimum; default 1.")] | None = None
    maximum_digits: Annotated[Positive, described("Maximum; default 128.")] | None = None
    maximum_tries: MaxTries | None = None
    valid_digits: ValidDigits | None = None
    terminating_digit: TerminatingDigit | None = None
    timeout_millis: Annotated[Positive, described("For all input; default 60000.")] | None = None
    initial_timeout_millis: Annotated[Positive, described("For the first key.")] | None = None
    inter_digit_timeout_millis: Annotated[Positive, described("Between keys; default 5000.")] | None = None
    stop_playback_on_dtmf: Annotated[bool, described("A key stops the prompt; default true.")] | None = None
    gather_id: Annotated[str, Field(max_length=100), described("Id of your own.")] | None = None
    sensitive: Sensitive = False
    client_state: ClientState | None = None

    @model_validator(mode="after")
    def _check_voice(self, info: ValidationInfo) -> Self:
        if not info.context:
            require_voice(self.payload, self.voice)
        return self

    def prompt(self) -> SpeakText | None:
        """The command that says the prompt; None without a spoken one."""
        if self.payload is None or self.voice is None:
            return None
        legs = [self.call_control_id]
        return SpeakText(
            conference_id=self.conference_id, call_control_ids=legs, payload=self.payload, voice=self.voice
        )
