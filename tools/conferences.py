"""Open conferences, see them, end them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .base import GET, POST, Command, Retry, Risk, Undo
from .results import Accepted, ConferencePage, ConferenceResult
from .types import (
    AudioUrl,
    Beep,
    CallControlId,
    ClientState,
    CommandId,
    ConferenceId,
    NotEmpty,
    PageNumber,
    PageSize,
    Positive,
    Region,
)


class Contains(BaseModel):
    model_config = ConfigDict(extra="forbid")

    contains: Annotated[str, Field(min_length=3)] | None = None


Period = Annotated[
    dict[Literal["eq", "gt", "gte", "lt", "lte"], str],
    Field(description="ISO 8601."),
]


class ConferenceFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    status: Literal["init", "in_progress", "completed"] | None = None
    from_: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None
    connection_id: str | None = None
    application_name: Contains | None = None
    application_session_id: str | None = None
    leg_id: str | None = None
    outbound_voice_profile_id: Annotated[str | None, Field(alias="outbound.outbound_voice_profile_id")] = None
    occurred_at: Period | None = None
    failed: bool | None = None
    product: Literal["call_control", "fax", "texml"] | None = None
    type: Literal["command", "webhook"] | None = None


class ListConferences(Command):
    """Find conferences and their ids."""

    route = GET("/conferences")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ConferencePage
    does = "list conferences"

    filter: ConferenceFilter | None = None
    region: Region | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class CreateConference(Command):
    """Open a conference with one call in it. It ends when all have left, or after 4 hours."""

    route = POST("/conferences")
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = ConferenceResult
    does = "open conference {name} with {call_control_id}"
    announces = ("conference.created", "conference.participant.joined")
    undo = Undo("end_conference", from_result={"conference_id": "conference.id"}, but="everyone in it is hung up")
    exclusive = (("hold_audio_url", "hold_media_name"),)

    call_control_id: CallControlId
    name: NotEmpty
    start_conference_on_create: Annotated[bool, Field(description="false: all wait on hold.")] | None = None
    max_participants: Annotated[int, Field(ge=2, le=800, description="Default 250.")] | None = None
    duration_minutes: Positive | None = None
    beep_enabled: Beep | None = None
    comfort_noise: bool | None = None
    hold_audio_url: AudioUrl | None = None
    hold_media_name: NotEmpty | None = None
    region: Region | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class GetConference(Command):
    """See one conference: status, times, how it ended."""

    route = GET("/conferences/{conference_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ConferenceResult
    does = "see {conference_id}"

    conference_id: ConferenceId
    region: Region | None = None


class EndConference(Command):
    """End a conference. Everyone still in it is hung up."""

    route = POST("/conferences/{conference_id}/actions/end")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "end {conference_id}"
    whole_room = True
    announces = ("conference.participant.left", "conference.ended")

    conference_id: ConferenceId
    command_id: CommandId | None = None
