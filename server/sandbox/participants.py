"""Who is in a conference: joining, leaving, hold, mute, supervision."""

from collections.abc import Callable
from typing import Any

from ...tools.base import EVERYONE
from ...tools.participants import (
    GetParticipant,
    HoldParticipants,
    JoinConference,
    LeaveConference,
    MuteParticipants,
    UnholdParticipants,
    UnmuteParticipants,
    UpdateParticipant,
    UpdateSupervisor,
)
from .commands import ListParticipants
from .conference import Conference, JoinOptions, Participant, supervision
from .conferences import Conferences
from .context import SandboxContext
from .errors import impossible, not_found
from .legs import Legs
from .responses import Answer, Json, data, iso, ok, page, without_none


def select_participants(conference: Conference, call_control_ids: list[str] | str) -> list[Participant]:
    """The participants a command names, or everyone. Raises `ApiError` for call legs not in it."""
    if call_control_ids == EVERYONE or isinstance(call_control_ids, str):
        return list(conference.present.values())
    conference.check_present(call_control_ids, "call_control_ids")
    return [conference.present[call_control_id] for call_control_id in dict.fromkeys(call_control_ids)]


def require_participant(conference: Conference, call_control_id: str) -> Participant:
    """The participant a command names. Raises `ApiError` (422)."""
    conference.check_present([call_control_id], "call_control_id")
    return conference.present[call_control_id]


class Participants:
    def __init__(self, context: SandboxContext, legs: Legs, conferences: Conferences) -> None:
        self._context = context
        self._legs = legs
        self._conferences = conferences

    def join(self, command: JoinConference) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        leg = self._legs.live(command.call_control_id)
        options = JoinOptions.of(command)
        conference.check_can_admit(leg, options)
        leg.remember(command.client_state)
        conference.admit(leg, options)
        return ok()

    def leave(self, command: LeaveConference) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        leg = self._legs.live(command.call_control_id)
        participant = require_participant(conference, leg.call_control_id)
        participant.beep = command.beep_enabled or participant.beep
        self._legs.move(leg, None)
        return ok()

    def hold(self, command: HoldParticipants) -> Answer:
        return self._change_each(command, lambda participant: setattr(participant, "held", True))

    def unhold(self, command: UnholdParticipants) -> Answer:
        def release(participant: Participant) -> None:
            participant.held = participant.awaits_start = False

        return self._change_each(command, release)

    def mute(self, command: MuteParticipants) -> Answer:
        return self._change_each(command, lambda participant: setattr(participant, "mute", True))

    def unmute(self, command: UnmuteParticipants) -> Answer:
        return self._change_each(command, lambda participant: setattr(participant, "mute", False))

    def _change_each(
        self,
        command: HoldParticipants | UnholdParticipants | MuteParticipants | UnmuteParticipants,
        change: Callable[[Participant], Any],
    ) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        for participant in select_participants(conference, command.call_control_ids):
            change(participant)
            participant.updated_at = self._context.now()
        return ok()

    def supervise(self, command: UpdateSupervisor) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        participant = require_participant(conference, command.call_control_id)
        role, whisper_to = supervision(command.supervisor_role, command.whisper_call_control_ids)
        conference.check_present(whisper_to, "whisper_call_control_ids")
        participant.role, participant.whisper_to = role, whisper_to
        participant.updated_at = self._context.now()
        return ok()

    def list(self, command: ListParticipants) -> Answer:
        conference = self._conferences.get_conference(command.conference_id, command.region)
        criteria = command.filter
        participants = [
            participant
            for participant in conference.present.values()
            if criteria is None
            or (
                criteria.muted in (None, participant.muted)
                and criteria.on_hold in (None, participant.on_hold)
                and criteria.whispering in (None, participant.role == "whisper")
            )
        ]
        return page(participants, _list_view, command)

    def get(self, command: GetParticipant) -> Answer:
        conference = self._conferences.get_conference(command.conference_id)
        return data(_retrieve_view(self._find(conference, command.participant_id)))

    def update(self, command: UpdateParticipant) -> Answer:
        conference = self._conferences.active_by_id(command.conference_id)
        participant = self._find(conference, command.participant_id)
        if participant.left:
            raise impossible("Participant has left", f"Participant {command.participant_id} has left the conference.")
        if command.beep_enabled is not None:
            participant.beep = command.beep_enabled
        if command.end_conference_on_exit is not None:
            participant.ends_on_exit = command.end_conference_on_exit
        if command.soft_end_conference_on_exit is not None:
            participant.soft_ends_on_exit = command.soft_end_conference_on_exit
        participant.updated_at = self._context.now()
        return data(_retrieve_view(participant))

    def _find(self, conference: Conference, key: str) -> Participant:
        """By id, call_control_id or label; those present come before those who have left."""
        for participant in (*conference.present.values(), *reversed(conference.left)):
            if key in (participant.id, participant.leg.call_control_id, participant.leg.label):
                return participant
        raise not_found(f"There is no participant {key} in conference {conference.id}.")


def _common(participant: Participant) -> Json:
    return {
        "id": participant.id,
        "call_control_id": participant.leg.call_control_id,
        "call_leg_id": participant.leg.call_leg_id,
        "created_at": iso(participant.created_at),
        "updated_at": iso(participant.updated_at),
        "status": "left" if participant.left else "joined",
        "muted": participant.muted,
        "on_hold": participant.on_hold,
        "end_conference_on_exit": participant.ends_on_exit,
        "soft_end_conference_on_exit": participant.soft_ends_on_exit,
        "whisper_call_control_ids": list(participant.whisper_to),
    }


def _list_view(participant: Participant) -> Json:
    conference = participant.conference
    named = {"id": conference.id, "name": conference.name}
    return {**_common(participant), "record_type": "participant", "conference": named}


def _retrieve_view(participant: Participant) -> Json:
    return without_none(
        {**_common(participant), "conference_id": participant.conference.id, "label": participant.leg.label}
    )
