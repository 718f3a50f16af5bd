"""Record conferences, and find what was recorded."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .base import GET, POST, Command, Retry, Risk, Undo
from .results import Accepted, RecordingPage, RecordingResult
from .types import ClientState, CommandId, ConferenceId, Identifier, NotEmpty, PageNumber, PageSize, Region

RecordingId = Annotated[NotEmpty, Field(description="Default: all.")]

_THIS = ("conference_id", "recording_id", "region")


class StartRecording(Command):
    """Record a conference, until stop_recording or its end; then conference.recording.saved follows."""

    route = POST("/conferences/{conference_id}/actions/record_start")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
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
    result = Accepted
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
    result = Accepted
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
    result = Accepted
    does = "resume recording {conference_id}"
    undo = Undo("pause_recording", carried=_THIS, but="what was recorded meanwhile is kept")
    whole_room = True

    conference_id: ConferenceId
    recording_id: RecordingId | None = None
    region: Region | None = None
    command_id: CommandId | None = None


Between = Annotated[dict[Literal["gte", "lte"], str], Field(description="ISO 8601.")]


class RecordingFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    conference_id: str | None = None
    call_control_id: str | None = None
    connection_id: str | None = None
    from_: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None
    created_at: Between | None = None


class ListRecordings(Command):
    """Find saved recordings, of a conference or a call."""

    route = GET("/recordings")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = RecordingPage
    does = "list recordings"

    filter: RecordingFilter | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class GetRecording(Command):
    """See one saved recording: how long, of what, and where to download it if asked for."""

    route = GET("/recordings/{recording_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = RecordingResult
    does = "see {recording_id}"

    recording_id: Identifier
    include_download_urls: Annotated[bool, Field(exclude=True, description="Secrets for 10 minutes.")] = False

    def read(self, answer: Any) -> dict[str, Any]:
        fields = super().read(answer)
        return fields if self.include_download_urls else {"recording": fields["recording"].without_links()}
