"""Who is in a conference: join, leave, hold, mute, supervise."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .base import EVERYONE, GET, PATCH, POST, ByArgument, Command, Retry, Risk, Undo
from .results import Accepted, ParticipantPage, ParticipantResult
from .types import (
    AudioUrl,
    Beep,
    CallControlId,
    CallLegs,
    CallLegsOrEveryone,
    ClientState,
    CommandId,
    ConferenceId,
    NotEmpty,
    PageNumber,
    PageSize,
    ParticipantId,
    Region,
    SupervisorRole,
)
from .whisper_rule import WhisperRule

_ROOM = ByArgument("call_control_ids", {EVERYONE: Risk.DISRUPTIVE}, Risk.ROUTINE)
_OVERHEARD = {"monitor": Risk.DESTRUCTIVE, "whisper": Risk.DESTRUCTIVE}
_ONE = ("conference_id", "call_control_id", "region")
_SOME = ("conference_id", "call_control_ids", "region")


def _also(who: str, otherwise: str = "") -> ByArgument[str]:
    """What everyone's undo does more than it should."""
    return ByArgument("call_control_ids", {EVERYONE: f"also those who were {who} before"}, otherwise)


class ParticipantFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    muted: bool | None = None
    on_hold: bool | None = None
    whispering: bool | None = None


class ListParticipants(Command):
    """See who is in a conference: call legs, muted, on hold."""

    route = GET("/conferences/{conference_id}/participants")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ParticipantPage
    does = "list participants of {conference_id}"

    conference_id: ConferenceId
    filter: ParticipantFilter | None = None
    region: Region | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class GetParticipant(Command):
    """See one participant."""

    route = GET("/conferences/{conference_id}/participants/{participant_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ParticipantResult
    does = "see {participant_id} of {conference_id}"

    conference_id: ConferenceId
    participant_id: ParticipantId


class UpdateParticipant(Command):
    """Change what happens when a participant leaves."""

    route = PATCH("/conferences/{conference_id}/participants/{participant_id}")
    risk = Risk.ROUTINE
    retry = Retry.IDEMPOTENT
    result = ParticipantResult
    does = "update {participant_id} of {conference_id}"

    conference_id: ConferenceId
    participant_id: ParticipantId
    beep_enabled: Beep | None = None
    end_conference_on_exit: Annotated[bool, Field(description="The rest are hung up.")] | None = None
    soft_end_conference_on_exit: Annotated[bool, Field(description="It ends, nobody is hung up.")] | None = None


class JoinConference(WhisperRule, Command):
    """Bring a call into a conference, also as a supervisor who listens or whispers."""

    route = POST("/conferences/{conference_id}/actions/join")
    risk = ByArgument("supervisor_role", _OVERHEARD, Risk.ROUTINE)
    retry = Retry.DEDUPED
    result = Accepted
    does = "join {call_control_id} to {conference_id}[ as {supervisor_role}][, heard by {whisper_call_control_ids}]"
    announces = ("conference.participant.joined",)
    undo = Undo(
        "leave_conference",
        carried=_ONE,
        but=ByArgument(
            "end_conference_on_exit",
            {True: "the conference ends and the rest are hung up"},
            "it is parked: a place in a queue is not given back",
        ),
    )
    exclusive = (("hold_audio_url", "hold_media_name"),)

    conference_id: ConferenceId
    call_control_id: CallControlId
    supervisor_role: SupervisorRole | None = None
    whisper_call_control_ids: CallLegs | None = None
    mute: bool | None = None
    hold: bool | None = None
    hold_audio_url: AudioUrl | None = None
    hold_media_name: NotEmpty | None = None
    start_conference_on_enter: bool | None = None
    end_conference_on_exit: Annotated[bool, Field(description="The rest are hung up.")] | None = None
    soft_end_conference_on_exit: Annotated[bool, Field(description="It ends, nobody is hung up.")] | None = None
    beep_enabled: Beep | None = None
    region: Region | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class LeaveConference(Command):
    """Take a call out of a conference; it stays up, parked."""

    route = POST("/conferences/{conference_id}/actions/leave")
    risk = Risk.DISRUPTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "take {call_control_id} out of {conference_id}"
    announces = ("conference.participant.left",)
    undo = Undo(
        "join_conference",
        carried=_ONE,
        but="not if it was the last one in it; role, mute, hold and what happens on exit are lost",
    )

    conference_id: ConferenceId
    call_control_id: CallControlId
    beep_enabled: Beep | None = None
    region: Region | None = None
    command_id: CommandId | None = None


class HoldParticipants(Command):
    """Put participants on hold: they hear hold audio, not the room."""

    route = POST("/conferences/{conference_id}/actions/hold")
    risk = _ROOM
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "put {call_control_ids} in {conference_id} on hold"
    undo = Undo("unhold_participants", carried=_SOME, but=_also("on hold"), leaves="on hold")
    exclusive = (("audio_url", "media_name"),)

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    audio_url: AudioUrl | None = None
    media_name: NotEmpty | None = None
    region: Region | None = None


class UnholdParticipants(Command):
    """Bring participants back from hold."""

    route = POST("/conferences/{conference_id}/actions/unhold")
    risk = _ROOM
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "bring {call_control_ids} in {conference_id} back from hold"
    everyone_filter = {"on_hold": True}
    undo = Undo("hold_participants", carried=_SOME, but=_also("not on hold", "other hold audio is not restored"))

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    region: Region | None = None


class MuteParticipants(Command):
    """Mute participants: the room no longer hears them."""

    route = POST("/conferences/{conference_id}/actions/mute")
    risk = _ROOM
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "mute {call_control_ids} in {conference_id}"
    undo = Undo("unmute_participants", carried=_SOME, but=_also("muted"), leaves="muted")

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    region: Region | None = None


class UnmuteParticipants(Command):
    """Unmute participants."""

    route = POST("/conferences/{conference_id}/actions/unmute")
    risk = _ROOM
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "unmute {call_control_ids} in {conference_id}"
    undo = Undo("mute_participants", carried=_SOME, but=_also("not muted"))

    conference_id: ConferenceId
    call_control_ids: CallLegsOrEveryone
    region: Region | None = None


class UpdateSupervisor(WhisperRule, Command):
    """Change a supervisor's role: listen, whisper, barge in."""

    route = POST("/conferences/{conference_id}/actions/update")
    risk = ByArgument("supervisor_role", _OVERHEARD, Risk.DISRUPTIVE)
    retry = Retry.DEDUPED
    result = Accepted
    does = (
        "make {call_control_id} {supervisor_role} as supervisor of {conference_id}"
        "[, heard by {whisper_call_control_ids}]"
    )

    conference_id: ConferenceId
    call_control_id: CallControlId
    supervisor_role: SupervisorRole
    whisper_call_control_ids: CallLegs | None = None
    region: Region | None = None
    command_id: CommandId | None = None
