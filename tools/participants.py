"""Who is in a conference: join, leave, hold, mute, supervise."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from .base import EVERYONE, GET, PATCH, POST, ByArgument, Command, Retry, Risk, Undo
from .results import Accepted, ParticipantPage, ParticipantResult
from .types import (
    AudioUrl,
    Beep,
    CallControlId,
    CallLegsOrEveryone,
    ClientState,
    CommandId,
    ConferenceId,
    MediaName,
    PageAfter,
    PageNumber,
    PageSize,
    ParticipantId,
    Region,
    SupervisorRole,
    WhisperCallLegs,
    described,
)
from .whisper_rule import WhisperRule

_ROOM = ByArgument("call_control_ids", {EVERYONE: Risk.DISRUPTIVE}, Risk.ROUTINE)
_OVERHEARD = {"monitor": Risk.DESTRUCTIVE, "whisper": Risk.DESTRUCTIVE}
_ONE = ("conference_id", "call_control_id", "region")
_SOME = ("conference_id", "call_control_ids", "region")


def _also(who: str, otherwise: str = "") -> ByArgument[str]:
    """What undoing a command for everyone changes in addition."""
    return ByArgument("call_control_ids", {EVERYONE: f"also those who were {who} before"}, otherwise)


_EndOnExit = Annotated[bool, described("Ends it and hangs up everyone when they leave.")]
_SoftEndOnExit = Annotated[bool, described("Ends when they leave; nobody is hung up.")]


class ParticipantFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    muted: Annotated[bool, described("Whether muted.")] | None = None
    on_hold: Annotated[bool, described("Whether on hold.")] | None = None
    whispering: Annotated[bool, described("Whether a whisperer.")] | None = None


class ListParticipants(Command):
    """List who is in a conference: call_control_id, label, muted, on hold."""

    search_hint = "who is on the call or in the room, attendees"
    route = GET("/conferences/{conference_id}/participants")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ParticipantPage
    does = "list participants of {conference_id}"

    conference_id: ConferenceId
    filter: Annotated[ParticipantFilter, described("Only matching ones.")] | None = None
    region: Region | None = None
    page_number: PageNumber | None = None
    page_after: PageAfter | None = None
    page_size: PageSize | None = None


class GetParticipant(Command):
    """See one participant: status, muted, on hold."""

    route = GET("/conferences/{conference_id}/participants/{participant_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ParticipantResult
    does = "see {participant_id} of {conference_id}"

    conference_id: ConferenceId
    participant_id: ParticipantId


class UpdateParticipant(Command):
    """Change what happens when a participant leaves, and their beep."""

    route = PATCH("/conferences/{conference_id}/participants/{participant_id}")
    risk = Risk.ROUTINE
    worst_effect = Risk.DESTRUCTIVE
    retry = Retry.IDEMPOTENT
    result = ParticipantResult
    does = "update {participant_id} of {conference_id}"

    conference_id: ConferenceId
    participant_id: ParticipantId
    beep_enabled: Beep | None = None
    end_conference_on_exit: _EndOnExit | None = None
    soft_end_conference_on_exit: _SoftEndOnExit | None = None


class JoinConference(WhisperRule, Command):
    """Bring a call into a conference, also as a supervisor who listens or whispers. dial calls someone new."""

    search_hint = "add a caller to the room or meeting"
    route = POST("/conferences/{conference_id}/actions/join")
    risk = ByArgument("supervisor_role", _OVERHEARD, Risk.ROUTINE)
    worst_effect = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = (
        "bring {call_control_id} into {conference_id}[ as supervisor ({supervisor_role})]"
        "[, heard by {whisper_call_control_ids}]"
    )
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
    whisper_call_control_ids: WhisperCallLegs | None = None
    mute: Annotated[bool, described("Join muted.")] | None = None
    hold: Annotated[bool, described("Join on hold.")] | None = None
    hold_audio_url: Annotated[AudioUrl, described("Hold audio: public https URL.")] | None = None
    hold_media_name: MediaName | None = None
    start_conference_on_enter: Annotated[bool, described("Starts a conference that waits on hold.")] | None = None
    end_conference_on_exit: _EndOnExit | None = None
    soft_end_conference_on_exit: _SoftEndOnExit | None = None
    beep_enabled: Beep | None = None
    region: Region | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class LeaveConference(Command):
    """Take a call out of a conference; it stays up, parked. hangup_call ends it instead."""

    search_hint = "kick, remove or throw somebody out of the room"
    route = POST("/conferences/{conference_id}/actions/leave")
    risk = Risk.DISRUPTIVE
    worst_effect = Risk.DESTRUCTIVE
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

    search_hint = "let people wait with music"
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
    media_name: MediaName | None = None
    region: Region | None = None


class UnholdParticipants(Command):
    """Take participants off hold, back into the room."""

    search_hint = "bring somebody back from hold"
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

    search_hint = "silence somebody or everybody, stop the noise"
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
    """Unmute participants: the room hears them again."""

    search_hint = "let somebody speak or talk again"
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
    """Change the role of a supervisor who is in the conference: listen, whisper, barge in, or none."""

    search_hint = "let a supervisor listen in, whisper to the agent, coach, barge into the call"
    route = POST("/conferences/{conference_id}/actions/update")
    risk = ByArgument("supervisor_role", _OVERHEARD, Risk.DISRUPTIVE)
    retry = Retry.DEDUPED
    result = Accepted
    does = (
        "change the supervisor role of {call_control_id} in {conference_id} to {supervisor_role}"
        "[, heard by {whisper_call_control_ids}]"
    )

    conference_id: ConferenceId
    call_control_id: CallControlId
    supervisor_role: SupervisorRole
    whisper_call_control_ids: WhisperCallLegs | None = None
    region: Region | None = None
    command_id: CommandId | None = None
