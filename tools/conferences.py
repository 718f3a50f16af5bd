"""Tools for conferences: list, create, see, end."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from .base import GET, POST, Command, Retry, Risk, Undo
from .results import Accepted, ConferencePage, ConferenceResult, NewConferenceResult
from .types import (
    AudioUrl,
    Beep,
    CallControlId,
    ClientState,
    CommandId,
    ConferenceId,
    MediaName,
    NotEmpty,
    PageAfter,
    PageNumber,
    PageSize,
    Positive,
    Region,
    described,
)


class Contains(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    contains: Annotated[str, Field(min_length=3), described("Part of the name.")] | None = None


class Period(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    eq: Annotated[str, described("ISO 8601 time.")] | None = None
    gt: Annotated[str, described("Later than.")] | None = None
    gte: Annotated[str, described("From then on.")] | None = None
    lt: Annotated[str, described("Earlier than.")] | None = None
    lte: Annotated[str, described("Up to then.")] | None = None


_PROFILE_ID = "outbound.outbound_voice_profile_id"
"""Telnyx's name has a dot, which several hosts do not allow in an argument."""


class ConferenceFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    name: Annotated[str, described("Exact name.")] | None = None
    status: (
        Annotated[Literal["init", "in_progress", "completed"], described("in_progress: open with people.")] | None
    ) = None
    from_: Annotated[str | None, Field(alias="from"), described("Caller's number, E.164.")] = None
    to: Annotated[str, described("Called number, E.164.")] | None = None
    connection_id: Annotated[str, described("Call Control application id.")] | None = None
    application_name: Annotated[Contains, described("Application's name.")] | None = None
    application_session_id: Annotated[str, described("Its call_session_id.")] | None = None
    leg_id: Annotated[str, described("A call_leg_id in it.")] | None = None
    outbound_voice_profile_id: Annotated[
        str | None,
        Field(validation_alias=AliasChoices("outbound_voice_profile_id", _PROFILE_ID), serialization_alias=_PROFILE_ID),
        described("Outbound voice profile id."),
    ] = None
    occurred_at: Annotated[Period, described("When it happened.")] | None = None
    failed: Annotated[bool, described("Whether it failed.")] | None = None
    product: Annotated[Literal["call_control", "fax", "texml"], described("Telnyx product.")] | None = None
    type: Annotated[Literal["command", "webhook"], described("Kind of record.")] | None = None


class ListConferences(Command):
    """List conferences with their ids, names and status."""

    starts_jobs = True
    route = GET("/conferences")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ConferencePage
    does = "list conferences"

    filter: Annotated[ConferenceFilter, described("Only matching ones.")] | None = None
    region: Region | None = None
    page_number: PageNumber | None = None
    page_after: PageAfter | None = None
    page_size: PageSize | None = None


class CreateConference(Command):
    """Open a conference with one call in it. join_conference or dial adds others. It ends when all have left."""

    route = POST("/conferences")
    risk = Risk.ROUTINE
    worst_effect = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = NewConferenceResult
    does = "open conference {name} with {call_control_id}"
    announces = ("conference.created", "conference.participant.joined")
    undo = Undo("end_conference", from_result={"conference_id": "conference.id"}, but="everyone in it is hung up")
    exclusive = (("hold_audio_url", "hold_media_name"),)

    call_control_id: CallControlId
    name: Annotated[NotEmpty, described("Name for the conference.")]
    start_conference_on_create: Annotated[bool, described("false: everyone waits on hold.")] | None = None
    max_participants: Annotated[int, Field(ge=2, le=800), described("Default 250.")] | None = None
    duration_minutes: Annotated[Positive, described("Ends after this time; default 4 hours.")] | None = None
    beep_enabled: Annotated[Beep, described("When a beep sounds; default never.")] | None = None
    comfort_noise: Annotated[bool, described("Background noise; default true.")] | None = None
    hold_audio_url: Annotated[AudioUrl, described("https URL of a WAV or MP3 for those on hold.")] | None = None
    hold_media_name: MediaName | None = None
    region: Annotated[Region, described("Where its data is hosted; default: the account's.")] | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class GetConference(Command):
    """See one conference: status, times, how it ended. list_participants shows who is in it."""

    route = GET("/conferences/{conference_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ConferenceResult
    does = "see {conference_id}"

    conference_id: ConferenceId
    region: Region | None = None


class EndConference(Command):
    """End a conference. Everyone still in it is hung up."""

    search_hint = "close or finish the meeting for everyone"
    route = POST("/conferences/{conference_id}/actions/end")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "end {conference_id}"
    whole_room = True
    announces = ("conference.participant.left", "conference.ended")

    conference_id: ConferenceId
    command_id: CommandId | None = None
