"""One conference: who is in it, when it starts, how it ends."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, Self

from .clock import Timer
from .context import SandboxContext
from .errors import ApiError, conference_full, impossible
from .legs import Leg, Legs
from .responses import Json, iso, without_none

_WEBHOOK_REASON = {"ended_via_api": "all_left"}
"""The documented webhook has fewer reasons than the API."""


class JoinArguments(Protocol):
    """What the join command and a dial's conference_config both say."""

    @property
    def supervisor_role(self) -> str | None: ...
    @property
    def whisper_call_control_ids(self) -> list[str] | None: ...
    @property
    def mute(self) -> bool | None: ...
    @property
    def hold(self) -> bool | None: ...
    @property
    def start_conference_on_enter(self) -> bool | None: ...
    @property
    def end_conference_on_exit(self) -> bool | None: ...
    @property
    def soft_end_conference_on_exit(self) -> bool | None: ...
    @property
    def beep_enabled(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """How a call leg joins."""

    role: str = "none"
    whisper_to: tuple[str, ...] = ()
    mute: bool = False
    hold: bool = False
    starts: bool = False
    ends_on_exit: bool = False
    soft_ends_on_exit: bool = False
    beep: str | None = None

    @classmethod
    def of(cls, joining: JoinArguments) -> Self:
        role, whisper_to = supervision(joining.supervisor_role, joining.whisper_call_control_ids)
        return cls(
            role=role,
            whisper_to=whisper_to,
            mute=bool(joining.mute),
            hold=bool(joining.hold),
            starts=bool(joining.start_conference_on_enter),
            ends_on_exit=bool(joining.end_conference_on_exit),
            soft_ends_on_exit=bool(joining.soft_end_conference_on_exit),
            beep=joining.beep_enabled,
        )

    def alone(self) -> Self:
        """How the first participant joins: nobody is there yet to hear a whisper."""
        return replace(self, role="monitor" if self.role == "whisper" else self.role, whisper_to=())


def supervision(role: str | None, whisper_to: list[str] | None) -> tuple[str, tuple[str, ...]]:
    """The role that takes effect and who hears it: a whisper to nobody is a monitor, barge is none."""
    if role == "whisper":
        return ("whisper", tuple(dict.fromkeys(whisper_to))) if whisper_to else ("monitor", ())
    return ("monitor", ()) if role == "monitor" else ("none", ())


class Activity(Protocol):
    """Something in a conference that lasts until it is stopped: a playback, a recording."""

    leg: Leg | None
    """The participant it concerns; None: everyone."""

    def stop(self) -> None: ...


@dataclass(eq=False, slots=True)
class Participant:
    id: str
    conference: "Conference"
    leg: Leg
    role: str
    whisper_to: tuple[str, ...]
    mute: bool
    held: bool
    awaits_start: bool
    ends_on_exit: bool
    soft_ends_on_exit: bool
    created_at: datetime
    updated_at: datetime
    beep: str
    """When a beep announces it: always, never, on_enter or on_exit."""
    left: bool = False

    @property
    def muted(self) -> bool:
        return self.mute or self.role == "monitor"

    @property
    def on_hold(self) -> bool:
        return self.held or self.awaits_start

    def on_leave(self) -> None:
        self.conference.remove(self)

    def on_hangup(self) -> None:
        self.conference.remove(self)


@dataclass(eq=False, slots=True)
class Conference:
    context: SandboxContext
    legs: Legs
    id: str
    name: str
    region: str
    max_participants: int
    creator: Leg
    created_at: datetime
    expires_at: datetime
    updated_at: datetime
    status: str
    end_reason: str | None = None
    ended_by: Leg | None = None
    beep: str = "never"
    """The default of its participants."""
    present: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Who is in it now, by call_control_id."""
    left: list[Participant] = field(default_factory=list[Participant])
    activities: list[Activity] = field(default_factory=list[Activity])
    expiry: Timer | None = None

    @property
    def connection_id(self) -> str:
        return self.creator.connection_id

    def check_can_admit(self, leg: Leg, options: JoinOptions) -> None:
        """Raises `ApiError` when that leg cannot join like that."""
        self.legs.check_can_talk(leg)
        if leg.call_control_id in self.present:
            raise impossible("Already in conference", f"Call {leg.call_control_id} is in conference {self.id} already.")
        if len(self.present) >= self.max_participants:
            raise conference_full(self.max_participants)
        self.check_present(options.whisper_to, "whisper_call_control_ids")

    def can_admit(self, leg: Leg, options: JoinOptions) -> bool:
        """Whether that leg can join like that."""
        try:
            self.check_can_admit(leg, options)
        except ApiError:
            return False
        return True

    def check_present(self, call_control_ids: tuple[str, ...] | list[str], field_name: str) -> None:
        """Raises `ApiError` naming the call legs that are not in it."""
        absent = [call_control_id for call_control_id in call_control_ids if call_control_id not in self.present]
        if absent:
            detail = f"Not in conference {self.id}: {', '.join(absent)}."
            raise impossible("Call not in conference", detail, field_name)

    def admit(self, leg: Leg, options: JoinOptions) -> Participant:
        """Put a leg in; it leaves where it was."""
        now = self.context.now()
        self.legs.answer(leg)
        if options.starts and self.status == "init":
            self._start()
        participant = Participant(
            id=self.context.ids.uuid(),
            conference=self,
            leg=leg,
            role=options.role,
            whisper_to=options.whisper_to,
            mute=options.mute,
            held=options.hold,
            awaits_start=self.status == "init",
            ends_on_exit=options.ends_on_exit,
            soft_ends_on_exit=options.soft_ends_on_exit,
            created_at=now,
            updated_at=now,
            beep=options.beep or self.beep,
        )
        self.present[leg.call_control_id] = participant
        self.legs.move(leg, participant)
        self.context.emit("conference.participant.joined", {**leg.ids(), "conference_id": self.id})
        return participant

    def _start(self) -> None:
        self.status = "in_progress"
        self.updated_at = self.context.now()
        for participant in self.present.values():
            participant.awaits_start = False

    def remove(self, participant: Participant) -> None:
        """Note that a participant has left, and end the conference if that ends it."""
        leg = participant.leg
        if self.present.pop(leg.call_control_id, None) is None:
            return
        participant.left = True
        participant.updated_at = self.context.now()
        self.left.append(participant)
        self._tidy_after(leg)
        self.context.emit("conference.participant.left", {**leg.ids(), "conference_id": self.id})
        if self.status == "completed":
            return
        if participant.ends_on_exit or participant.soft_ends_on_exit:
            self.end("host_left", by=leg, hang_up=participant.ends_on_exit)
        elif not self.present:
            self.end("all_left")

    def give_floor(self, leg: Leg) -> None:
        """A participant begins to speak."""
        self.context.emit("conference.floor.changed", {**leg.ids(), "conference_id": self.id})

    def _tidy_after(self, leg: Leg) -> None:
        if leg.gathering is not None:
            leg.gathering.end("cancelled")
        for activity in [activity for activity in self.activities if activity.leg is leg]:
            activity.stop()
        for other in self.present.values():
            if leg.call_control_id in other.whisper_to:
                rest = [listener for listener in other.whisper_to if listener != leg.call_control_id]
                other.role, other.whisper_to = supervision("whisper", rest)

    def end(self, reason: str, by: Leg | None = None, hang_up: bool = True) -> None:
        """End it. Everyone in it is hung up, or parked."""
        self.status = "completed"
        self.end_reason = reason
        self.ended_by = by
        self.updated_at = self.context.now()
        if self.expiry is not None:
            self.expiry.cancel()
        for activity in list(self.activities):
            activity.stop()
        for participant in list(self.present.values()):
            if hang_up:
                self.legs.hang_up(participant.leg)
            else:
                self.legs.move(participant.leg, None)
        payload = {**(by or self.creator).ids(), "conference_id": self.id}
        self.context.emit("conference.ended", {**payload, "reason": _WEBHOOK_REASON.get(reason, reason)})

    def view(self) -> Json:
        ended_by = self.ended_by and {
            "call_control_id": self.ended_by.call_control_id,
            "call_session_id": self.ended_by.call_session_id,
        }
        return without_none(
            {
                "record_type": "conference",
                "id": self.id,
                "name": self.name,
                "status": self.status,
                "region": self.region,
                "connection_id": self.connection_id,
                "created_at": iso(self.created_at),
                "expires_at": iso(self.expires_at),
                "updated_at": iso(self.updated_at),
                "end_reason": self.end_reason,
                "ended_by": ended_by,
            }
        )
