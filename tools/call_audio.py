"""Tools for audio and DTMF on one call, in a conference or not."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ValidationInfo, model_validator

from .audio import Digits, Loop, MaxTries, Sensitive, TerminatingDigit, ValidDigits, Voice
from .base import POST, ByArgument, Command, Retry, Risk, Undo
from .results import Accepted
from .types import (
    AudioUrl,
    CallControlId,
    ClientState,
    CommandId,
    MediaName,
    NotEmpty,
    Positive,
    SpokenText,
    described,
)
from .voices import Language, VoiceSettings, require_voice

StopFirst = Annotated[Literal["current", "all"], described("Stop what plays, or all, first.")]
TargetLegs = Annotated[Literal["self", "opposite", "both"], described("If bridged: who hears it; default self.")]
_STOPS = Undo("stop_call_audio", carried=("call_control_id",), but="other audio that it hears stops too")


class SpeakToCall(Command):
    """Say a text on one call, also outside a conference, after what plays there."""

    route = POST("/calls/{call_control_id}/actions/speak")
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = "say {payload} to {call_control_id}"
    speaks = "payload"
    announces = ("call.speak.started", "call.speak.ended")
    undo = _STOPS

    call_control_id: CallControlId
    payload: SpokenText
    voice: Voice
    payload_type: Annotated[Literal["text", "ssml"], described("Default text.")] | None = None
    language: Annotated[Language, described("Of the text; needed for voice male or female.")] | None = None
    voice_settings: VoiceSettings | None = None
    stop: StopFirst | None = None
    target_legs: TargetLegs | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class PlayToCall(Command):
    """Play a WAV or MP3 file on one call, by audio_url or media_name, after what plays there."""

    route = POST("/calls/{call_control_id}/actions/playback_start")
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = "play [{audio_url}][{media_name}] to {call_control_id}"
    announces = ("call.playback.started", "call.playback.ended")
    undo = Undo(
        "stop_call_audio",
        carried=("call_control_id",),
        but="other audio that it hears stops too",
        leaves=ByArgument("loop", {"infinity": "playing without end"}, ""),
    )
    exclusive = (("audio_url", "media_name"),)
    one_of = ("audio_url", "media_name")

    call_control_id: CallControlId
    audio_url: AudioUrl | None = None
    media_name: MediaName | None = None
    loop: Loop | None = None
    stop: StopFirst | None = None
    target_legs: TargetLegs | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class StopCallAudio(Command):
    """Stop playback and speech on one call."""

    route = POST("/calls/{call_control_id}/actions/playback_stop")
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = "stop audio for {call_control_id}"
    announces = ("call.playback.ended", "call.speak.ended")

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


_SPOKEN = ("invalid_payload",)
_PLAYED = ("invalid_audio_url", "invalid_media_name")
_NOT_TAKEN: Mapping[str, tuple[str, ...]] = {
    "payload": ("initial_timeout_millis", *_PLAYED),
    "audio_url": ("initial_timeout_millis", *_SPOKEN),
    "media_name": ("initial_timeout_millis", *_SPOKEN),
}
"""By the argument with the prompt: the arguments that Telnyx's endpoint for such prompts does not take."""
_NEEDS_PROMPT = ("maximum_tries", *_PLAYED, *_SPOKEN)


class GatherFromCall(Command):
    """Ask one call for keypad digits, after a spoken prompt, a file or none. They come in event call.gather.ended."""

    route = POST("/calls/{call_control_id}/actions/gather")
    _SPEAK = POST("/calls/{call_control_id}/actions/gather_using_speak")
    _AUDIO = POST("/calls/{call_control_id}/actions/gather_using_audio")
    other_routes = {"payload": _SPEAK, "audio_url": _AUDIO, "media_name": _AUDIO}
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = "gather digits from {call_control_id}[ after saying {payload}]"
    speaks = "payload"
    announces = ("call.gather.ended",)
    exclusive = (
        ("audio_url", "media_name"),
        ("invalid_audio_url", "invalid_media_name"),
        ("payload", "audio_url"),
        ("payload", "media_name"),
    )

    call_control_id: CallControlId
    payload: SpokenText | None = None
    voice: Annotated[NotEmpty, described("With payload, such as AWS.Polly.Joanna.")] | None = None
    audio_url: AudioUrl | None = None
    media_name: MediaName | None = None
    invalid_payload: Annotated[SpokenText, described("Said after wrong digits.")] | None = None
    invalid_audio_url: Annotated[AudioUrl, described("Played after wrong digits.")] | None = None
    invalid_media_name: Annotated[NotEmpty, described("The same, uploaded.")] | None = None
    minimum_digits: Annotated[Positive, described("Minimum; default 1.")] | None = None
    maximum_digits: Annotated[Positive, described("Maximum; default 128.")] | None = None
    maximum_tries: MaxTries | None = None
    valid_digits: ValidDigits | None = None
    terminating_digit: TerminatingDigit | None = None
    timeout_millis: Annotated[Positive, described("For all input; default 60000.")] | None = None
    initial_timeout_millis: Annotated[Positive, described("For the first key; no prompt.")] | None = None
    inter_digit_timeout_millis: Annotated[Positive, described("Between keys; default 5000.")] | None = None
    sensitive: Sensitive = False
    client_state: ClientState | None = None
    command_id: CommandId | None = None

    @model_validator(mode="after")
    def _check_prompt(self, info: ValidationInfo) -> Self:
        if info.context:
            return self
        require_voice(self.payload, self.voice)
        prompt = next((name for name in self.other_routes if getattr(self, name) is not None), None)
        for name in _NOT_TAKEN[prompt] if prompt else _NEEDS_PROMPT:
            if getattr(self, name) is not None:
                raise ValueError(f"{name} does not go with {prompt or 'no prompt'}")
        return self


class StopGather(Command):
    """Stop asking a call for digits; event call.gather.ended has those so far."""

    route = POST("/calls/{call_control_id}/actions/gather_stop")
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = "stop gathering digits from {call_control_id}"
    announces = ("call.gather.ended",)

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class SendCallDtmf(Command):
    """Send keypad tones on one call, for example to a telephone menu at its far end."""

    route = POST("/calls/{call_control_id}/actions/send_dtmf")
    risk = Risk.DISRUPTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "send {digits} to {call_control_id}"

    call_control_id: CallControlId
    digits: Digits
    client_state: ClientState | None = None
    command_id: CommandId | None = None
