"""Tools for recording conferences and finding recordings."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .base import EVERYONE, GET, POST, Command, Retry, Risk, Tool, Undo
from .results import Accepted, AnnouncementResult, RecordingPage, RecordingResult
from .types import (
    CallLegs,
    ClientState,
    CommandId,
    ConferenceId,
    Identifier,
    NotEmpty,
    PageNumber,
    PageSize,
    Region,
    described,
)

RecordingId = Annotated[NotEmpty, described("Recording id; default: all of this conference.")]
FileFormat = Annotated[Literal["wav", "mp3"], described("File format.")]
PlayBeep = Annotated[bool, described("Beep at the start.")]
Trim = Annotated[Literal["trim-silence"], described("Cut silence at both ends.")]
FileName = Annotated[NotEmpty, Field(max_length=40), described("Name of the file.")]

_THIS = ("conference_id", "recording_id", "region")


class StartRecording(Command):
    """Record a conference until stop_recording or its end; then event conference.recording.saved follows."""

    search_hint = "record the call, tape"
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
    format: FileFormat
    channels: Annotated[Literal["single", "dual"], described("dual: the creator on a channel of their own.")] | None = (
        None
    )
    play_beep: PlayBeep | None = None
    trim: Trim | None = None
    custom_file_name: FileName | None = None
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
    """Pause recording, for example while a card number is read out."""

    search_hint = "stop the recording while a caller reads a card number"
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
    """Continue a paused recording."""

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


class Between(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    gte: Annotated[str, described("From this ISO 8601 time.")] | None = None
    lte: Annotated[str, described("Up to this ISO 8601 time.")] | None = None


class RecordingFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    conference_id: Annotated[str, described("Of this conference.")] | None = None
    call_control_id: Annotated[str, described("Of this call leg.")] | None = None
    call_leg_id: Annotated[str, described("Of this leg of a call.")] | None = None
    call_session_id: Annotated[str, described("Of this session.")] | None = None
    connection_id: Annotated[str, described("Of this connection.")] | None = None
    from_: Annotated[str | None, Field(alias="from"), described("Caller's number.")] = None
    to: Annotated[str, described("Called number.")] | None = None
    created_at: Annotated[Between, described("When it was made.")] | None = None


class ListRecordings(Command):
    """List saved recordings of conferences and calls."""

    route = GET("/recordings")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = RecordingPage
    does = "list recordings"

    filter: Annotated[RecordingFilter, described("Only matching ones.")] | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class GetRecording(Command):
    """See one saved recording: length, conference, and download links on request."""

    search_hint = "send me the recording, download it"
    route = GET("/recordings/{recording_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = RecordingResult
    does = "see {recording_id}"

    recording_id: Annotated[Identifier, described("Id from list_recordings.")]
    include_download_urls: Annotated[
        bool, Field(exclude=True), described("Also links: secret, valid for 10 minutes.")
    ] = False

    def exposes(self) -> bool:
        return self.include_download_urls

    def read(self, answer: Any) -> dict[str, Any]:
        fields = super().read(answer)
        return fields if self.include_download_urls else {"recording": fields["recording"].without_links()}


def _call_legs(value: Any) -> Any:
    if value in (EVERYONE, [EVERYONE]):
        raise ValueError("must be call legs; to announce to everyone in a conference, give conference_id instead")
    return value


class AnnounceRecording(Tool):
    """Play the operator's recording announcement to a conference, or to calls before they join; recording needs it."""

    risk = Risk.ROUTINE
    result = AnnouncementResult
    exclusive = (("conference_id", "call_control_ids"),)
    one_of = ("conference_id", "call_control_ids")

    conference_id: Annotated[ConferenceId, described("To everyone in it who has not heard it.")] | None = None
    call_control_ids: (
        Annotated[CallLegs, BeforeValidator(_call_legs), described("To these call legs, in a conference or not.")]
        | None
    ) = None
