"""One conference, folded from what became known of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from .api_snapshot import ConferenceSnapshot, ListedParticipant
from .facts import CLOCK_TOLERANCE, KnownFact
from .moments import API_READ, COMMAND_ACCEPTED, SOUNDS, Moment, sound
from .participant import Participant

MAX_CONFERENCE_DURATION = timedelta(hours=4)
"""Telnyx ends every conference after that time."""
NamedFact = tuple[str, KnownFact]
"""The name of a fact, and the fact."""
_MAX_TALK_ORDER = 30
_MAX_SOUNDS = 100
_MAX_RECORDINGS = 100


@dataclass(frozen=True, slots=True)
class ActiveSound:
    """A file or a text that is being heard."""

    kind: str
    to: str | None
    media: Mapping[str, Any]
    since: datetime


@dataclass(slots=True)
class Conference:
    CHANGED_BY: ClassVar[frozenset[str]]
    """The types of what changes a conference."""

    created_at: datetime | None = None
    first_at: datetime | None = None
    """The first that is known of it from events."""
    ended_at: datetime | None = None
    ended_from_api: bool = False
    event_reason: str | None = None
    api_read_at: datetime | None = None
    api_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    """What only the API knows: name, region, end_reason."""
    participants: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Everyone who was ever in it, in the order in which they first came."""
    present: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Those who are in it, in the order in which they came."""
    hung_up: set[str] = field(default_factory=set[str])
    pending_facts: dict[str, list[NamedFact]] = field(default_factory=dict[str, list[NamedFact]])
    """Facts about legs that are not in it: about to join."""
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
        """Take in what happened next. What is not known here changes nothing."""
        if moment.type.startswith("conference."):
            self.first_at = self.first_at or moment.at
        _FOLDS.get(moment.type, _nothing)(self, moment)

    @property
    def started_at(self) -> datetime | None:
        return self.created_at or self.api_fields.get("created_at") or self.first_at

    @property
    def overdue_at(self) -> datetime | None:
        """When it has ended at the latest, whatever is known of its end."""
        return None if self.started_at is None else self.started_at + MAX_CONFERENCE_DURATION

    @property
    def end_reason(self) -> str | None:
        """The API tells an end by command from an end because all had left, the event does not."""
        return (self.api_fields.get("end_reason") or self.event_reason) if self.ended_at else None

    @property
    def is_recording_saved(self) -> bool:
        """Whether an event told that the recording ended, and nothing newer tells otherwise."""
        return self.recording is not None and (self.recording.value, self.recording.source) == ("stopped", "event")

    def enter(self, call: str, at: datetime | None, from_api: bool = False) -> None:
        """Begin a stay; nothing if the leg is in it. `at`: None if it began before anything that is known."""
        person = self.participants.setdefault(call, Participant(call))
        if person.is_in:
            if person.joined_from_api and at is not None and not from_api:
                person.joined_at, person.joined_from_api = at, False
            return
        person.enter(at, from_api)
        self.present[call] = person
        for name, known in self.pending_facts.pop(call, ()):
            person.record_fact(name, known)
        self.peak = max(self.peak, len(self.present))

    def leave(self, call: str, at: datetime, because: str, from_api: bool = False) -> None:
        """End a stay; nothing if the leg is not in it."""
        person = self.present.pop(call, None)
        if person is None:
            return
        person.leave(at, because, from_api)
        self.sounds = [one for one in self.sounds if one.to != call]
        if self.floor == call:
            self.floor = self.floor_since = None

    def end(self, at: datetime, from_api: bool = False) -> None:
        self.ended_at, self.ended_from_api = at, from_api
        for call in list(self.present):
            self.leave(call, at, "conference ended", from_api)
        self.sounds.clear()
        self.recording = None

    def find_sound(self, kind: str, to: str | None, media: Mapping[str, Any]) -> ActiveSound | None:
        """What ends of what is heard: an event names the file, but not which time it was played. The first to begin."""
        candidates = [one for one in self.sounds if (one.kind, one.to) == (kind, to)]
        exact = [one for one in candidates if one.media == media]
        return next(iter(exact or candidates), None)

    def remove_if_over(self, call: str, at: datetime) -> None:
        """Nobody is in a conference that has ended, or after having hung up."""
        if self.ended_at is not None:
            self.leave(call, at, "conference ended")
        elif call in self.hung_up:
            self.leave(call, at, "hangup")

    def record_fact(self, call: str, name: str, known: KnownFact) -> None:
        """A fact about a leg: in this stay, or in the one that is about to begin."""
        if call in self.present:
            self.present[call].record_fact(name, known)
        elif self.ended_at is None and call not in self.hung_up:
            self.pending_facts.setdefault(call, []).append((name, known))

    def find_call(self, participant: str) -> str | None:
        """The leg of somebody in it who is named by call_control_id, participant id or label."""
        if participant in self.present:
            return participant
        named = [
            one.call
            for one in self.present.values()
            if participant in [one.facts[name].value for name in ("participant_id", "label") if name in one.facts]
        ]
        return named[0] if len(named) == 1 else None


def _nothing(state: Conference, moment: Moment) -> None:
    pass


def _created(state: Conference, moment: Moment) -> None:
    state.created_at = state.created_at or moment.at


def _ended(state: Conference, moment: Moment) -> None:
    state.event_reason = state.event_reason or moment.detail.get("reason")
    if state.ended_at is None:
        state.end(moment.at)
    elif state.ended_from_api:
        state.ended_from_api = False


def _joined(state: Conference, moment: Moment) -> None:
    if moment.call is not None:
        state.enter(moment.call, moment.at)
        state.remove_if_over(moment.call, moment.at)


def _left(state: Conference, moment: Moment) -> None:
    if moment.call is None:
        return
    if moment.call not in state.participants:
        state.enter(moment.call, None)
    state.leave(moment.call, moment.at, "left")


def _hung_up(state: Conference, moment: Moment) -> None:
    if moment.call is not None:
        state.hung_up.add(moment.call)
        state.pending_facts.pop(moment.call, None)
        state.leave(moment.call, moment.at, "hangup")


def _floor(state: Conference, moment: Moment) -> None:
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


def _sound(state: Conference, moment: Moment) -> None:
    kind, what = sound(moment.type)
    to = moment.call if moment.type.startswith("conference.participant.") else None
    if what == "ended":
        ended = state.find_sound(kind, to, moment.detail)
        state.sounds = [one for one in state.sounds if one is not ended]
    elif state.ended_at is None and (to is None or to in state.present):
        state.sounds = [*state.sounds[1 - _MAX_SOUNDS :], ActiveSound(kind, to, moment.detail, moment.at)]


def _saved(state: Conference, moment: Moment) -> None:
    recording_id = moment.detail.get("recording_id")
    if recording_id is not None and recording_id not in state.recordings:
        state.recordings[recording_id] = moment.detail
        if len(state.recordings) > _MAX_RECORDINGS:
            del state.recordings[next(iter(state.recordings))]
    if state.ended_at is None:
        state.recording = KnownFact("stopped", "event", moment.at)


def _command_accepted(state: Conference, moment: Moment) -> None:
    for who, name, value in moment.detail["facts"]:
        known = KnownFact(value, "command", moment.at)
        if name == "recording":
            state.recording = known if state.ended_at is None else None
        elif moment.detail.get("participant_id") is not None:
            named = state.find_call(moment.detail["participant_id"])
            if named is not None:
                state.record_fact(named, name, known)
        else:
            for call in list(state.present) if who is None else who:
                state.record_fact(call, name, known)


def _api_read(state: Conference, moment: Moment) -> None:
    answer: ConferenceSnapshot = moment.detail["answer"]
    state.api_read_at = moment.at
    state.api_fields |= answer.fields
    if answer.participants is not None and state.ended_at is None:
        _merge_participants(state, answer.participants, moment.at)
    if answer.is_over and state.ended_at is None:
        state.end(min(answer.ended_at or moment.at, moment.at), from_api=True)


def _merge_participants(state: Conference, listed: tuple[ListedParticipant, ...], at: datetime) -> None:
    for one in listed:
        if _is_listed_again(state, one.call, at):
            state.enter(one.call, one.joined_at, from_api=True)
        if one.call in state.present:
            for name, value in one.facts:
                state.present[one.call].record_fact(name, KnownFact(value, "api", at))
    there = {one.call for one in listed}
    for call, person in list(state.present.items()):
        if call not in there and (person.joined_at is None or person.joined_at <= at - CLOCK_TOLERANCE):
            state.leave(call, at, "not listed", from_api=True)


def _is_listed_again(state: Conference, call: str, at: datetime) -> bool:
    """Whether a leg that the API lists is in it, unless the answer may be older than its having left."""
    person = state.participants.get(call)
    if call in state.hung_up or call in state.present:
        return False
    return person is None or person.left_at is None or person.left_at <= at - CLOCK_TOLERANCE


_FOLDS: Mapping[str, Callable[[Conference, Moment], None]] = {
    "conference.created": _created,
    "conference.ended": _ended,
    "conference.participant.joined": _joined,
    "conference.participant.left": _left,
    "conference.floor.changed": _floor,
    **dict.fromkeys(SOUNDS, _sound),
    "conference.recording.saved": _saved,
    "call.hangup": _hung_up,
    COMMAND_ACCEPTED: _command_accepted,
    API_READ: _api_read,
}
"""What each type changes; every other changes nothing."""
Conference.CHANGED_BY = frozenset(_FOLDS)
