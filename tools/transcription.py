"""Tools for live transcription: start, stop, and the transcript of a conference."""

from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from .base import EVERYONE, POST, Command, Request, Retry, Risk, Tool, Undo
from .results import TranscriptionResult, TranscriptResult
from .types import CallLegOrEveryone, ClientState, CommandId, ConferenceId, NotEmpty, described

Engine = Literal["Google", "Telnyx", "Deepgram", "Azure", "xAI", "AssemblyAI", "Speechmatics", "Soniox", "Parakeet"]
TRANSCRIPTION_EVENT = "call.transcription"


class TranscriptionConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    transcription_engine: Annotated[NotEmpty, described("Default: the same engine.")] | None = None
    language: Annotated[NotEmpty, described("Such as de; default en.")] | None = None


class _OfLegOrRoom(Command):
    """A command on one call leg, or on each call leg of a conference."""

    call_control_id: CallLegOrEveryone
    conference_id: Annotated[ConferenceId, described("Id or name of the conference, for everyone.")] | None = None

    @model_validator(mode="after")
    def _check_conference(self, info: ValidationInfo) -> Self:
        if not info.context and self.call_control_id == EVERYONE and self.conference_id is None:
            raise ValueError('"everyone" needs conference_id')
        return self

    def affects_whole_room(self) -> bool:
        return self.call_control_id == EVERYONE

    def request(self) -> Request:
        request = super().request()
        body = {name: value for name, value in (request.body or {}).items() if name != "conference_id"}
        return replace(request, body=body)

    def for_leg(self, call_control_id: str) -> Self:
        """The same command for one call leg."""
        return self.model_copy(update={"call_control_id": call_control_id, "command_id": None})


class StartTranscription(_OfLegOrRoom):
    """Transcribe what a call leg or a whole conference says; conference_transcript reads it."""

    route = POST("/calls/{call_control_id}/actions/transcription_start")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = TranscriptionResult
    does = "transcribe {call_control_id}[ in {conference_id}]"
    announces = (TRANSCRIPTION_EVENT,)
    undo = Undo(
        "stop_transcription",
        carried=("call_control_id", "conference_id"),
        but="what was transcribed is kept",
        leaves="transcription",
    )

    transcription_engine: Annotated[Engine, described("Default Google.")] | None = None
    transcription_engine_config: Annotated[TranscriptionConfig, described("For another language.")] | None = None
    transcription_tracks: (
        Annotated[Literal["inbound", "outbound", "both"], described("Default inbound: what they say.")] | None
    ) = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None

    def request(self) -> Request:
        """Its HTTP request. Telnyx tells the forms of the configuration apart by `engine`, which is filled in."""
        config = self.transcription_engine_config
        if config is None or config.transcription_engine is not None:
            return super().request()
        engine = self.transcription_engine or "Google"
        update = {"transcription_engine_config": config.model_copy(update={"transcription_engine": engine})}
        return self.model_copy(update=update).request()


class StopTranscription(_OfLegOrRoom):
    """Stop transcribing a call leg, or everyone in a conference."""

    route = POST("/calls/{call_control_id}/actions/transcription_stop")
    risk = Risk.DISRUPTIVE
    retry = Retry.DEDUPED
    result = TranscriptionResult
    does = "stop transcribing {call_control_id}[ in {conference_id}]"
    undo = Undo("start_transcription", carried=("call_control_id", "conference_id"), but="speech in between is missing")

    client_state: ClientState | None = None
    command_id: CommandId | None = None


class ConferenceTranscript(Tool):
    """Read the transcript of a conference that is transcribed: the last minutes, one speaker, or a phrase."""

    risk = Risk.READ
    result = TranscriptResult

    conference_id: ConferenceId
    last_minutes: Annotated[int, Field(ge=1, le=240), described("Only the last minutes.")] | None = None
    speaker: Annotated[NotEmpty, described("Call leg id, number or name.")] | None = None
    search: Annotated[NotEmpty, described("Word or phrase, in any case.")] | None = None
    limit: Annotated[int, Field(ge=1, le=200), described("Maximum number; the latest.")] = 50
