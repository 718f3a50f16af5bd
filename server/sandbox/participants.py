"""Who is in a conference: joining, leaving, hold, mute, supervision."""

from collections.abc import Callable
from typing import Any

from ...tools.base import EVERYONE
from ...tools.participants import (
    GetParticipant,
    HoldParticipants,
    JoinConference,
    LeaveConference,
    ListParticipants,
    MuteParticipants,
    UnholdParticipants,
    UnmuteParticipants,
    UpdateParticipant,
    UpdateSupervisor,
)
from .conference import Conference, JoinOptions, Participant, supervision
from .conferences import Conferences
from .context import SandboxContext
from .errors import impossible, not_found
from .legs import Legs
from .responses import Answer, Json, data, done, iso, page, present


def chosen(conference: Conference, call_control_ids: list[str] | str) -> list[Participant]:
    """Those a command names, or everyone. Raises `Refused` naming those who are not in the conference."""
    if call_control_ids == EVERYONE or isinstance(call_control_ids, str):
        return list(conference.present.values())
    conference.check_present(call_control_ids, "call_control_ids")
    return [conference.present[one] for one in dict.fromkeys(call_control_ids)]


def only(conference: Conference, call_control_id: str) -> Participant:
    """The one a command names. Raises `Refused` (422)."""
    conference.check_present([call_control_id], "call_control_id")
    return conference.present[call_control_id]


class Participants:
    def __init__(self, core: SandboxContext, legs: Legs, conferences: Conferences) -> None:
        self._core = core
        self._legs = legs
        self._conferences = conferences

    def join(self, command: JoinConference) -> Answer:
        conference = self._conferences.open(command.conference_id, command.region)
        leg = self._legs.in_body(command.call_control_id)
        entry = JoinOptions.of(command)
        conference.check_can_admit(leg, entry)
        leg.remember(command.client_state)
        conference.admit(leg, entry)
        return done()

    def leave(self, command: LeaveConference) -> Answer:
        conference = self._conferences.open(command.conference_id, command.region)
        leg = self._legs.in_body(command.call_control_id)
        only(conference, leg.call_control_id)
        self._legs.put(leg, None)
        return done()

    def hold(self, command: HoldParticipants) -> Answer:
        return self._each(command, lambda who: setattr(who, "held", True))

    def unhold(self, command: UnholdParticipants) -> Answer:
        def release(who: Participant) -> None:
            who.held = who.awaits_start = False

        return self._each(command, release)

    def mute(self, command: MuteParticipants) -> Answer:
        return self._each(command, lambda who: setattr(who, "mute", True))

    def unmute(self, command: UnmuteParticipants) -> Answer:
        return self._each(command, lambda who: setattr(who, "mute", False))

    def _each(
        self,
        command: HoldParticipants | UnholdParticipants | MuteParticipants | UnmuteParticipants,
        change: Callable[[Participant], Any],
    ) -> Answer:
        conference = self._conferences.open(command.conference_id, command.region)
        for participant in chosen(conference, command.call_control_ids):
            change(participant)
            participant.updated_at = self._core.now()
        return done()

    def supervise(self, command: UpdateSupervisor) -> Answer:
        conference = self._conferences.open(command.conference_id, command.region)
        participant = only(conference, command.call_control_id)
        role, whisper_to = supervision(command.supervisor_role, command.whisper_call_control_ids)
        conference.check_present(whisper_to, "whisper_call_control_ids")
        participant.role, participant.whisper_to = role, whisper_to
        participant.updated_at = self._core.now()
        return done()

    def list(self, command: ListParticipants) -> Answer:
        conference = self._conferences.named(command.conference_id, command.region)
        wanted = command.filter
        found = [
            who
            for who in conference.present.values()
            if wanted is None
            or (
                wanted.muted in (None, who.muted)
                and wanted.on_hold in (None, who.on_hold)
                and wanted.whispering in (None, who.role == "whisper")
            )
        ]
        return page(found, _listed, command)

    def get(self, command: GetParticipant) -> Answer:
        conference = self._conferences.named(command.conference_id)
        return data(_retrieved(self._find(conference, command.participant_id)))

    def update(self, command: UpdateParticipant) -> Answer:
        conference = self._conferences.open(command.conference_id)
        participant = self._find(conference, command.participant_id)
        if participant.left:
            raise impossible("Participant has left", f"Participant {command.participant_id} has left the conference.")
        if command.end_conference_on_exit is not None:
            participant.ends_on_exit = command.end_conference_on_exit
        if command.soft_end_conference_on_exit is not None:
            participant.soft_ends_on_exit = command.soft_end_conference_on_exit
        participant.updated_at = self._core.now()
        return data(_retrieved(participant))

    def _find(self, conference: Conference, wanted: str) -> Participant:
        """By id, call_control_id or label; those who are in it before those who have left."""
        for who in (*conference.present.values(), *reversed(conference.left)):
            if wanted in (who.id, who.leg.call_control_id, who.leg.label):
                return who
        raise not_found(f"There is no participant {wanted} in conference {conference.id}.")


def _common(who: Participant) -> Json:
    return {
        "id": who.id,
        "call_control_id": who.leg.call_control_id,
        "call_leg_id": who.leg.call_leg_id,
        "created_at": iso(who.created_at),
        "updated_at": iso(who.updated_at),
        "status": "left" if who.left else "joined",
        "muted": who.muted,
        "on_hold": who.on_hold,
        "end_conference_on_exit": who.ends_on_exit,
        "soft_end_conference_on_exit": who.soft_ends_on_exit,
        "whisper_call_control_ids": list(who.whisper_to),
    }


def _listed(who: Participant) -> Json:
    conference = who.conference
    named = {"id": conference.id, "name": conference.name}
    return {**_common(who), "record_type": "participant", "conference": named}


def _retrieved(who: Participant) -> Json:
    return present({**_common(who), "conference_id": who.conference.id, "label": who.leg.label})
