"""Tools for recording one call, and for deleting recordings."""

from typing import Annotated, Literal

from pydantic import Field

from .base import DELETE, POST, Command, Retry, Risk, Undo
from .recordings import FileFormat, PlayBeep, Trim
from .results import Accepted, DeletedRecordingResult
from .types import CallControlId, ClientState, CommandId, Identifier, NotEmpty, described

MAX_RECORDING_S = 14_400
RecordingId = Annotated[NotEmpty, described("Default: all of this call.")]

_THIS = ("call_control_id", "recording_id")


class StartCallRecording(Command):
    """Record one call until stop_call_recording, max_length or its end; then event call.recording.saved."""

    route = POST("/calls/{call_control_id}/actions/record_start")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "record {call_control_id}"
    announces = ("call.recording.saved",)
    undo = Undo(
        "stop_call_recording", carried=("call_control_id",), but="what was recorded is kept", leaves="recording"
    )

    call_control_id: CallControlId
    format: FileFormat
    channels: Annotated[Literal["single", "dual"], described("dual: each side apart.")]
    play_beep: PlayBeep | None = None
    max_length: Annotated[int, Field(ge=0, le=MAX_RECORDING_S), described("Seconds; default 0: no limit.")] | None = (
        None
    )
    trim: Trim | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class StopCallRecording(Command):
    """Stop recording a call and save it."""

    route = POST("/calls/{call_control_id}/actions/record_stop")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "stop recording {call_control_id}"
    announces = ("call.recording.saved",)

    call_control_id: CallControlId
    recording_id: RecordingId | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class PauseCallRecording(Command):
    """Pause recording a call, for example while a card number is read out."""

    route = POST("/calls/{call_control_id}/actions/record_pause")
    risk = Risk.DISRUPTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "pause recording {call_control_id}"
    undo = Undo(
        "resume_call_recording", carried=_THIS, but="what was said meanwhile is missing", leaves="recording paused"
    )

    call_control_id: CallControlId
    recording_id: RecordingId | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class ResumeCallRecording(Command):
    """Continue a paused recording of a call."""

    route = POST("/calls/{call_control_id}/actions/record_resume")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "resume recording {call_control_id}"
    undo = Undo("pause_call_recording", carried=_THIS, but="what was recorded meanwhile is kept")

    call_control_id: CallControlId
    recording_id: RecordingId | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class DeleteRecording(Command):
    """Delete a saved recording for good."""

    route = DELETE("/recordings/{recording_id}")
    risk = Risk.DESTRUCTIVE
    retry = Retry.IDEMPOTENT
    result = DeletedRecordingResult
    does = "delete {recording_id}"

    recording_id: Annotated[Identifier, described("Id from list_recordings.")]
