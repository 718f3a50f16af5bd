"""The state of one conference, folded from events, commands and the API's answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from .api_snapshot import ConferenceSnapshot, ListedParticipant
from .facts import CLOCK_TOLERANCE, KnownFact
from .moments import API_READ, COMMAND_ACCEPTED, SOUNDS, Moment, announcement, sound
from .participant import Participant

MAX_CONFERENCE_DURATION = timedelta(hours=4)
"""Telnyx ends every conference after this time."""
NamedFact = tuple[str, KnownFact]
"""The name of a fact, and the fact."""
_MAX_TALK_ORDER = 30
_MAX_SOUNDS = 100
_MAX_RECORDINGS = 100


@dataclass(frozen=True, slots=True)
class ActiveSound:
    """A file that is playing or a text that is being spoken."""

    kind: str
    """playback or speak."""
    to: str | None
    """The call_control_id of the only one who hears it. None: everyone."""
    media: Mapping[str, Any]
    since: datetime


@dataclass(slots=True)
class Conference:
    CHANGED_BY: ClassVar[frozenset[str]]
    """The types of moments that change a conference."""

    created_at: datetime | None = None
    first_at: datetime | None = None
    """The time of its first event."""
    ended_at: datetime | None = None
    ended_from_api: bool = False
    event_reason: str | None = None
    command_reason: str | None = None
    """Set by a command of this server that ends the conference. The event of its end says that all had left."""
    api_read_at: datetime | None = None
    api_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields that only the API knows: name, region, end_reason."""
    participants: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Everyone who was ever in it, by call_control_id, in the order in which they first joined."""
    present: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Those who are in it now, in the order in which they joined."""
    hung_up: set[str] = field(default_factory=set[str])
    pending_facts: dict[str, list[NamedFact]] = field(default_factory=dict[str, list[NamedFact]])
    """Facts about legs that have not joined yet."""
    floor: str | None = None
    floor_since: datetime | None = None
    last_speaker: str | None = None
    talk_order: list[str] = field(default_factory=list[str])
    talk_turns: int = 0
    sounds: list[ActiveSound] = field(default_factory=list[ActiveSound])
    recording: KnownFact | None = None
    recordings: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    peak: int = 0

    def apply(self, moment: Moment) -> None:
        """Apply the next moment. Types that are not known here change nothing."""
        if moment.type.startswith("conference."):
            self.first_at = self.first_at or moment.at
        _APPLY_BY_TYPE.get(moment.type, _ignore)(self, moment)

    @property
    def started_at(self) -> datetime | None:
        return self.created_at or self.api_fields.get("created_at") or self.first_at

    @property
    def overdue_at(self) -> datetime | None:
        """When the conference must have ended, even if nothing reports its end."""
        return None if self.started_at is None else self.started_at + MAX_CONFERENCE_DURATION

    def ended_by(self, now: datetime) -> datetime | None:
        """When the conference ended, as reported, or because no conference lasts longer. None: it is open at `now`."""
        if self.ended_at is not None:
            return self.ended_at
        overdue_at = self.overdue_at
        return overdue_at if overdue_at is not None and overdue_at < now else None

    @property
    def end_reason(self) -> str | None:
        """Events do not distinguish an end by command from an end because everyone had left."""
        reasons = (self.api_fields.get("end_reason"), self.command_reason, self.event_reason)
        return next(filter(None, reasons), None) if self.ended_at else None

    @property
    def is_recording_saved(self) -> bool:
        """Whether an event reported the end of the recording, and nothing newer contradicts it."""
        return self.recording is not None and (self.recording.value, self.recording.source) == ("stopped", "event")

    def enter(self, call: str, at: datetime | None, from_api: bool = False) -> None:
        """Begin a stay, or date the current one. `at`: None if it is not known when it began."""
        participant = self.participants.setdefault(call, Participant(call))
        if participant.is_in:
            if at is not None:
                participant.date_stay(at, from_api)
            return
        participant.enter(at, from_api)
        self.present[call] = participant
        for name, fact in self.pending_facts.pop(call, ()):
            participant.record_fact(name, fact)
        self.peak = max(self.peak, len(self.present))

    def leave(self, call: str, at: datetime, because: str, from_api: bool = False) -> None:
        """End a stay, if the leg is in the conference."""
        participant = self.present.pop(call, None)
        if participant is None:
            return
        participant.leave(at, because, from_api)
        self.sounds = [active for active in self.sounds if active.to != call]
        if self.floor == call:
            self.floor = self.floor_since = None

    def end(self, at: datetime, from_api: bool = False) -> None:
        self.ended_at, self.ended_from_api = at, from_api
        for call in list(self.present):
            self.leave(call, at, "conference ended", from_api)
        self.sounds.clear()
        self.recording = None

    def find_sound(self, kind: str, to: str | None, media: Mapping[str, Any]) -> ActiveSound | None:
        """The sound that an event ends: the first one with this file, or else the first one for these listeners.

        The event names the file, but not which of several playbacks of it.
        """
        candidates = [active for active in self.sounds if (active.kind, active.to) == (kind, to)]
        exact = [active for active in candidates if active.media == media]
        return next(iter(exact or candidates), None)

    def remove_if_over(self, call: str, at: datetime) -> None:
        """Remove a leg again if the conference has ended or the leg has hung up."""
        if self.ended_at is not None:
            self.leave(call, at, "conference ended")
        elif call in self.hung_up:
            self.leave(call, at, "hangup")

    def record_fact(self, call: str, name: str, fact: KnownFact) -> None:
        """Record a fact about a leg: for this stay, or for the stay that is about to begin."""
        if call in self.present:
            self.present[call].record_fact(name, fact)
        elif self.ended_at is None and call not in self.hung_up:
            self.pending_facts.setdefault(call, []).append((name, fact))

    def find_call(self, participant: str) -> str | None:
        """The leg of a participant who is present, by call_control_id, participant id or label."""
        if participant in self.present:
            return participant
        calls = [
            candidate.call
            for candidate in self.present.values()
            if participant in [candidate.facts[name].value for name in _NAMES if name in candidate.facts]
        ]
        return calls[0] if len(calls) == 1 else None


_NAMES = ("participant_id", "label")


def _ignore(state: Conference, moment: Moment) -> None:
    pass


def _apply_creation(state: Conference, moment: Moment) -> None:
    state.created_at = state.created_at or moment.at


def _apply_end(state: Conference, moment: Moment) -> None:
    state.event_reason = state.event_reason or moment.detail.get("reason")
    if state.ended_at is None:
        state.end(moment.at)
    elif state.ended_from_api:
        state.ended_from_api = False


def _apply_join(state: Conference, moment: Moment) -> None:
    if moment.call is not None:
        state.enter(moment.call, moment.at)
        state.remove_if_over(moment.call, moment.at)


def _apply_leave(state: Conference, moment: Moment) -> None:
    if moment.call is None:
        return
    if moment.call not in state.participants:
        state.enter(moment.call, None)
    state.leave(moment.call, moment.at, "left")


def _apply_hangup(state: Conference, moment: Moment) -> None:
    if moment.call is not None:
        state.hung_up.add(moment.call)
        state.pending_facts.pop(moment.call, None)
        state.leave(moment.call, moment.at, "hangup")


def _apply_hold(state: Conference, moment: Moment) -> None:
    if moment.call is not None:
        state.record_fact(moment.call, "on_hold", KnownFact(moment.type == "call.hold", "event", moment.at))


def _apply_floor(state: Conference, moment: Moment) -> None:
    """The floor proves that the leg is in the conference: Telnyx may send this event before `participant.joined`."""
    call = moment.call
    if call is None:
        return
    if call not in state.participants:
        state.enter(call, None)
        state.remove_if_over(call, moment.at)
    if call not in state.present or state.floor == call:
        return
    state.floor, state.floor_since = call, moment.at
    if state.last_speaker != call:
        state.last_speaker = call
        state.talk_turns += 1
        state.talk_order = [*state.talk_order[1 - _MAX_TALK_ORDER :], call]
        state.present[call].talk_turns += 1


def _apply_sound(state: Conference, moment: Moment) -> None:
    kind, phase = sound(moment.type)
    to = moment.call if moment.type.startswith("conference.participant.") else None
    if phase == "ended":
        ended = state.find_sound(kind, to, moment.detail)
        _note_listeners(state, moment, to, ended.since if ended else moment.at)
        state.sounds = [active for active in state.sounds if active is not ended]
    elif state.ended_at is None and (to is None or to in state.present):
        state.sounds = [*state.sounds[1 - _MAX_SOUNDS :], ActiveSound(kind, to, moment.detail, moment.at)]


def _note_listeners(state: Conference, moment: Moment, to: str | None, since: datetime) -> None:
    """Who was there from the beginning of a sound to its end has heard it."""
    for person in state.present.values() if to is None else filter(None, [state.present.get(to)]):
        if person.joined_at is None or person.joined_at <= since:
            person.heard[announcement(moment)] = moment.at


def _apply_saved_recording(state: Conference, moment: Moment) -> None:
    recording_id = moment.detail.get("recording_id")
    if recording_id is not None and recording_id not in state.recordings:
        state.recordings[recording_id] = moment.detail
        if len(state.recordings) > _MAX_RECORDINGS:
            del state.recordings[next(iter(state.recordings))]
    if state.ended_at is None:
        state.recording = KnownFact("stopped", "event", moment.at)


def _apply_command(state: Conference, moment: Moment) -> None:
    for calls, name, value in moment.detail["facts"]:
        fact = KnownFact(value, "command", moment.at)
        if name == "ended":
            state.command_reason = value
        elif name == "recording":
            state.recording = fact if state.ended_at is None else None
        elif moment.detail.get("participant_id") is not None:
            call = state.find_call(moment.detail["participant_id"])
            if call is not None:
                state.record_fact(call, name, fact)
        else:
            for call in list(state.present) if calls is None else calls:
                state.record_fact(call, name, fact)


def _apply_answer(state: Conference, moment: Moment) -> None:
    answer: ConferenceSnapshot = moment.detail["answer"]
    state.api_read_at = moment.at
    state.api_fields |= answer.fields
    if answer.participants is not None and state.ended_at is None:
        _merge_participants(state, answer.participants, moment.at)
    if answer.is_over and state.ended_at is None:
        state.end(min(answer.ended_at or moment.at, moment.at), from_api=True)


def _merge_participants(state: Conference, participants: tuple[ListedParticipant, ...], at: datetime) -> None:
    for listed in participants:
        if listed.call in state.present or _is_new(state, listed.call, at):
            state.enter(listed.call, listed.joined_at, from_api=True)
        if listed.call in state.present:
            for name, value in listed.facts:
                state.present[listed.call].record_fact(name, KnownFact(value, "api", at))
    calls = {listed.call for listed in participants}
    for call, participant in list(state.present.items()):
        if call not in calls and (participant.joined_at is None or participant.joined_at <= at - CLOCK_TOLERANCE):
            state.leave(call, at, "not listed", from_api=True)


def _is_new(state: Conference, call: str, at: datetime) -> bool:
    """Whether a listed leg enters the conference. The answer may be older than an event that says that it left."""
    participant = state.participants.get(call)
    if call in state.hung_up:
        return False
    return participant is None or participant.left_at is None or participant.left_at <= at - CLOCK_TOLERANCE


_APPLY_BY_TYPE: Mapping[str, Callable[[Conference, Moment], None]] = {
    "conference.created": _apply_creation,
    "conference.ended": _apply_end,
    "conference.participant.joined": _apply_join,
    "conference.participant.left": _apply_leave,
    "conference.floor.changed": _apply_floor,
    **dict.fromkeys(SOUNDS, _apply_sound),
    "conference.recording.saved": _apply_saved_recording,
    "call.hold": _apply_hold,
    "call.unhold": _apply_hold,
    "call.hangup": _apply_hangup,
    COMMAND_ACCEPTED: _apply_command,
    API_READ: _apply_answer,
}
"""What each type of moment changes."""
Conference.CHANGED_BY = frozenset(_APPLY_BY_TYPE)
