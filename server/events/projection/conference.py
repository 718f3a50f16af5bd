"""One conference, folded from what became known of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from .api_snapshot import ConferenceSnapshot, Listed
from .facts import GRACE, Known
from .moments import ASKED, COMMANDED, SOUNDS, Moment, sound
from .participant import Participant

LONGEST = timedelta(hours=4)
"""Telnyx ends every conference after that time."""
_TURNS = 30
_SOUNDS = 100
_RECORDINGS = 100


@dataclass(frozen=True, slots=True)
class Heard:
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
    asked_at: datetime | None = None
    told: dict[str, Any] = field(default_factory=dict[str, Any])
    """What only the API knows: name, region, end_reason."""
    people: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Everyone who was ever in it, in the order in which they first came."""
    inside: dict[str, Participant] = field(default_factory=dict[str, Participant])
    """Those who are in it, in the order in which they came."""
    hung_up: set[str] = field(default_factory=set[str])
    expected: dict[str, list[tuple[str, Known]]] = field(default_factory=dict[str, list[tuple[str, Known]]])
    """Facts about legs that are not in it: about to join."""
    floor: str | None = None
    floor_since: datetime | None = None
    last_turn: str | None = None
    turns: list[str] = field(default_factory=list[str])
    turn_count: int = 0
    heard: list[Heard] = field(default_factory=list[Heard])
    recording: Known | None = None
    recordings: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    peak: int = 0

    def apply(self, moment: Moment) -> None:
        """Take in what happened next. What is not known here changes nothing."""
        if moment.type.startswith("conference."):
            self.first_at = self.first_at or moment.at
        _FOLDS.get(moment.type, _nothing)(self, moment)

    @property
    def started_at(self) -> datetime | None:
        return self.created_at or self.told.get("created_at") or self.first_at

    @property
    def overdue_at(self) -> datetime | None:
        """When it has ended at the latest, whatever is known of its end."""
        return None if self.started_at is None else self.started_at + LONGEST

    @property
    def end_reason(self) -> str | None:
        """The API tells an end by command from an end because all had left, the event does not."""
        return (self.told.get("end_reason") or self.event_reason) if self.ended_at else None

    @property
    def is_saved(self) -> bool:
        """Whether an event told that the recording ended, and nothing newer tells otherwise."""
        return self.recording is not None and (self.recording.value, self.recording.source) == ("stopped", "event")

    def enter(self, call: str, at: datetime | None, from_api: bool = False) -> None:
        """Begin a stay; nothing if the leg is in it. `at`: None if it began before anything that is known."""
        person = self.people.setdefault(call, Participant(call))
        if person.is_in:
            if person.joined_from_api and at is not None and not from_api:
                person.joined_at, person.joined_from_api = at, False
            return
        person.enter(at, from_api)
        self.inside[call] = person
        for name, known in self.expected.pop(call, ()):
            person.learn(name, known)
        self.peak = max(self.peak, len(self.inside))

    def leave(self, call: str, at: datetime, because: str, from_api: bool = False) -> None:
        """End a stay; nothing if the leg is not in it."""
        person = self.inside.pop(call, None)
        if person is None:
            return
        person.leave(at, because, from_api)
        self.heard = [one for one in self.heard if one.to != call]
        if self.floor == call:
            self.floor = self.floor_since = None

    def end(self, at: datetime, from_api: bool = False) -> None:
        self.ended_at, self.ended_from_api = at, from_api
        for call in list(self.inside):
            self.leave(call, at, "conference ended", from_api)
        self.heard.clear()
        self.recording = None

    def ends(self, kind: str, to: str | None, media: Mapping[str, Any]) -> Heard | None:
        """What ends of what is heard: an event names the file, but not which time it was played. The first to begin."""
        candidates = [one for one in self.heard if (one.kind, one.to) == (kind, to)]
        exact = [one for one in candidates if one.media == media]
        return next(iter(exact or candidates), None)

    def turn_away(self, call: str, at: datetime) -> None:
        """Nobody is in a conference that has ended, or after having hung up."""
        if self.ended_at is not None:
            self.leave(call, at, "conference ended")
        elif call in self.hung_up:
            self.leave(call, at, "hangup")

    def learn(self, call: str, name: str, known: Known) -> None:
        """A fact about a leg: in this stay, or in the one that is about to begin."""
        if call in self.inside:
            self.inside[call].learn(name, known)
        elif self.ended_at is None and call not in self.hung_up:
            self.expected.setdefault(call, []).append((name, known))

    def who(self, participant: str) -> str | None:
        """The leg of somebody in it who is named by call_control_id, participant id or label."""
        if participant in self.inside:
            return participant
        named = [
            one.call
            for one in self.inside.values()
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
        state.turn_away(moment.call, moment.at)


def _left(state: Conference, moment: Moment) -> None:
    if moment.call is None:
        return
    if moment.call not in state.people:
        state.enter(moment.call, None)
    state.leave(moment.call, moment.at, "left")


def _hung_up(state: Conference, moment: Moment) -> None:
    if moment.call is not None:
        state.hung_up.add(moment.call)
        state.expected.pop(moment.call, None)
        state.leave(moment.call, moment.at, "hangup")


def _floor(state: Conference, moment: Moment) -> None:
    call = moment.call
    if call is None:
        return
    if call not in state.people:
        state.enter(call, None)
        state.turn_away(call, moment.at)
    if call not in state.inside or state.floor == call:
        return
    state.floor, state.floor_since = call, moment.at
    if state.last_turn != call:
        state.last_turn = call
        state.turn_count += 1
        state.turns = [*state.turns[1 - _TURNS :], call]
        state.inside[call].talk_turns += 1


def _sound(state: Conference, moment: Moment) -> None:
    kind, what = sound(moment.type)
    to = moment.call if moment.type.startswith("conference.participant.") else None
    if what == "ended":
        ended = state.ends(kind, to, moment.detail)
        state.heard = [one for one in state.heard if one is not ended]
    elif state.ended_at is None and (to is None or to in state.inside):
        state.heard = [*state.heard[1 - _SOUNDS :], Heard(kind, to, moment.detail, moment.at)]


def _saved(state: Conference, moment: Moment) -> None:
    recording_id = moment.detail.get("recording_id")
    if recording_id is not None and recording_id not in state.recordings:
        state.recordings[recording_id] = moment.detail
        if len(state.recordings) > _RECORDINGS:
            del state.recordings[next(iter(state.recordings))]
    if state.ended_at is None:
        state.recording = Known("stopped", "event", moment.at)


def _commanded(state: Conference, moment: Moment) -> None:
    for who, name, value in moment.detail["facts"]:
        known = Known(value, "command", moment.at)
        if name == "recording":
            state.recording = known if state.ended_at is None else None
        elif moment.detail.get("participant_id") is not None:
            named = state.who(moment.detail["participant_id"])
            if named is not None:
                state.learn(named, name, known)
        else:
            for call in list(state.inside) if who is None else who:
                state.learn(call, name, known)


def _asked(state: Conference, moment: Moment) -> None:
    answer: ConferenceSnapshot = moment.detail["answer"]
    state.asked_at = moment.at
    state.told |= answer.told
    if answer.participants is not None and state.ended_at is None:
        _are_listed(state, answer.participants, moment.at)
    if answer.is_over and state.ended_at is None:
        state.end(min(answer.ended_at or moment.at, moment.at), from_api=True)


def _are_listed(state: Conference, listed: tuple[Listed, ...], at: datetime) -> None:
    for one in listed:
        if _is_back(state, one.call, at):
            state.enter(one.call, one.joined_at, from_api=True)
        if one.call in state.inside:
            for name, value in one.facts:
                state.inside[one.call].learn(name, Known(value, "api", at))
    there = {one.call for one in listed}
    for call, person in list(state.inside.items()):
        if call not in there and (person.joined_at is None or person.joined_at <= at - GRACE):
            state.leave(call, at, "not listed", from_api=True)


def _is_back(state: Conference, call: str, at: datetime) -> bool:
    """Whether a leg that the API lists is in it, unless the answer may be older than its having left."""
    person = state.people.get(call)
    if call in state.hung_up or call in state.inside:
        return False
    return person is None or person.left_at is None or person.left_at <= at - GRACE


_FOLDS: Mapping[str, Callable[[Conference, Moment], None]] = {
    "conference.created": _created,
    "conference.ended": _ended,
    "conference.participant.joined": _joined,
    "conference.participant.left": _left,
    "conference.floor.changed": _floor,
    **dict.fromkeys(SOUNDS, _sound),
    "conference.recording.saved": _saved,
    "call.hangup": _hung_up,
    COMMANDED: _commanded,
    ASKED: _asked,
}
"""What each type changes; every other changes nothing."""
Conference.CHANGED_BY = frozenset(_FOLDS)
