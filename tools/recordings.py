"""Record conferences."""

from typing import Annotated, Literal

from pydantic import Field

from .base import POST, Command, Retry, Risk, Undo
from .results import Done
from .types import ClientState, CommandId, ConferenceId, NotEmpty, Region

RecordingId = Annotated[NotEmpty, Field(description="Default: all.")]

_THIS = ("conference_id", "recording_id", "region")


class StartRecording(Command):
    """Record a conference, until stop_recording or its end; then conference.recording.saved follows."""

    route = POST("/conferences/{conference_id}/actions/record_start")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Done
    does = "record {conference_id}"
    undo = Undo(
        "stop_recording",
        carried=("conference_id", "region"),
        but="what was recorded is kept",
        leaves="recording",
    )
    whole_room = True

    conference_id: ConferenceId
    format: Literal["wav", "mp3"]
    channels: Annotated[Literal["single", "dual"], Field(description="dual: its creator apart.")] | None = None
    play_beep: bool | None = None
    trim: Literal["trim-silence"] | None = None
    custom_file_name: NotEmpty | None = None
    region: Region | None = None
    command_id: CommandId | None = None


class StopRecording(Command):
    """Stop recording a conference and save it."""

    route = POST("/conferences/{conference_id}/actions/record_stop")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Done
    does = "stop recording {conference_id}"
    whole_room = True
    announces = ("conference.recording.saved",)

    conference_id: ConferenceId
    recording_id: RecordingId | None = None
    region: Region | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class PauseRecording(Command):
    """Pause recording, as while a card number is read out."""

    route = POST("/conferences/{conference_id}/actions/record_pause")
    risk = Risk.DISRUPTIVE
    retry = Retry.DEDUPED
    result = Done
    does = "pause recording {conference_id}"
    undo = Undo("resume_recording", carried=_THIS, but="what was said meanwhile is missing", leaves="recording paused")
    whole_room = True

    conference_id: ConferenceId
    recording_id: RecordingId | None = None
    region: Region | None = None
    command_id: CommandId | None = None


class ResumeRecording(Command):
    """Go on with a paused recording."""

    route = POST("/conferences/{conference_id}/actions/record_resume")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Done
    does = "resume recording {conference_id}"
    undo = Undo("pause_recording", carried=_THIS, but="what was recorded meanwhile is kept")
    whole_room = True

    conference_id: ConferenceId
    recording_id: RecordingId | None = None
    region: Region | None = None
    command_id: CommandId | None = None
