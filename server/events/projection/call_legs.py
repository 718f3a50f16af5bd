"""The call legs: who is at the far end of each, and where it is and was, folded from events in any order."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from ..event import CONSENT_TYPES
from .moments import CALL_SOUNDS, SPEECH, Moment, announcement
from .participant import Participant
from .presenter import CallerId

_MAX_SOUNDS = 50
"""Different sounds that are kept for each call leg."""
_MAX_HOLDS = 100
"""Holds and unholds that are kept for each call leg, and as many notes of consent."""
_MOVES = frozenset({"call.bridged", "call.enqueued", "conference.participant.joined"})
_HOLDS = frozenset({"call.hold", "call.unhold"})


@dataclass(slots=True)
class CallLeg:
    """A call leg: who is at the far end, and where the leg has been."""

    EVENTS = frozenset({"call.initiated", "call.hangup"}) | _MOVES | _HOLDS | CONSENT_TYPES | CALL_SOUNDS
    """The types of the events that `add` takes."""

    started: Moment | None = None
    caller: CallerId = field(default_factory=CallerId)
    hangups: list[Moment] = field(default_factory=list[Moment])
    holds: list[Moment] = field(default_factory=list[Moment])
    """Holds and unholds."""
    consents: list[Moment] = field(default_factory=list[Moment])
    """What the leg heard and keyed about recordings while it was in no conference."""
    last_move: Moment | None = None
    """The newest event that says where the leg is: in a conference, a queue or a bridge."""
    conferences: set[str] = field(default_factory=set[str])
    """The ids of the conferences that the leg is or was in."""
    queues: set[str] = field(default_factory=set[str])
    """The names of the queues that the leg is or was in."""
    heard: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """What was played to this leg to its end, and when it last ended."""

    def add(self, moment: Moment) -> bool:
        """Add an event of this leg. Returns whether its conferences or queues must show it."""
        if moment.type == "call.initiated":
            return self._start(moment)
        if moment.type == "call.hangup":
            return _append_new(self.hangups, moment)
        if moment.type in _HOLDS:
            return _append_new(self.holds, moment)
        if moment.type in CONSENT_TYPES:
            return _append_new(self.consents, moment)
        if moment.type in _MOVES:
            self._move(moment)
        elif moment.type in CALL_SOUNDS:
            self._hear(moment)
        return False

    @property
    def conference_moments(self) -> tuple[Moment, ...]:
        """The moments that take effect in each conference that the leg is or was in."""
        return (*self.hangups, *self.holds, *self.consents)

    @property
    def moved_on_at(self) -> datetime | None:
        """When it was put in a queue or a bridge, if it joined no conference since then."""
        is_elsewhere = self.last_move is not None and self.last_move.type != "conference.participant.joined"
        return self.last_move.at if self.last_move is not None and is_elsewhere else None

    @property
    def on_hold_since(self) -> datetime | None:
        since: datetime | None = None
        for moment in sorted(self.holds, key=lambda hold: hold.key):
            since = (since or moment.at) if moment.type == "call.hold" else None
        return since

    def _start(self, moment: Moment) -> bool:
        """Record the start of the call; the earliest of several events applies. Returns whether the caller changes."""
        if self.started is not None and self.started.key <= moment.key:
            return False
        before, self.started = self.caller, moment
        number = moment.detail.get("to" if moment.detail.get("direction") == "outgoing" else "from")
        is_incoming = moment.detail.get("direction") == "incoming"
        self.caller = CallerId(number, moment.detail.get("caller_id_name") if is_incoming else None)
        return self.caller != before

    def _move(self, moment: Moment) -> None:
        """Record where the leg went, unless a newer event says otherwise."""
        if self.last_move is None or self.last_move.key <= moment.key:
            self.last_move = moment

    def _hear(self, moment: Moment) -> None:
        """Record the end of a sound to this leg. A sound that was broken off does not count."""
        if moment.detail.get("status") not in (None, "completed"):
            return
        sound = announcement(moment)
        if sound in self.heard or len(self.heard) < _MAX_SOUNDS:
            self.heard[sound] = max(moment.at, self.heard.get(sound, moment.at))


class CallLegs:
    """The call legs, by call_control_id. At most `kept` are kept: the oldest that have hung up go first."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._legs: dict[str, CallLeg] = {}

    def find(self, call_control_id: str) -> CallLeg | None:
        """A call leg. None if it is not known."""
        return self._legs.get(call_control_id)

    def find_or_add(self, call_control_id: str) -> CallLeg:
        """A call leg. It is known from now on."""
        leg = self._legs.get(call_control_id)
        if leg is None:
            self._make_room()
            leg = self._legs[call_control_id] = CallLeg()
        return leg

    def caller(self, call_control_id: str) -> CallerId:
        """The far end of a call leg."""
        leg = self._legs.get(call_control_id)
        return CallerId() if leg is None else leg.caller

    def number(self, call_control_id: str) -> str | None:
        """The phone number or SIP address at the far end of a call leg."""
        return self.caller(call_control_id).number

    def numbers(self) -> list[str]:
        """The numbers at the far ends of all known call legs, the last started first."""
        numbers = (leg.caller.number for leg in reversed(self._legs.values()))
        return list(dict.fromkeys(number for number in numbers if number is not None))

    def is_bridged(self, call_control_id: str) -> bool:
        """Whether the newest event about a leg's place says that it was bridged."""
        leg = self._legs.get(call_control_id)
        return leg is not None and leg.last_move is not None and leg.last_move.type == "call.bridged"

    def moved_at(self, call_control_id: str) -> datetime | None:
        """When a leg last joined a conference or queue or was bridged, according to events."""
        leg = self._legs.get(call_control_id)
        return leg.last_move.at if leg is not None and leg.last_move is not None else None

    def knows_from_start(self, call_control_id: str) -> bool:
        """Whether the event of the call's start is known, so that all its moves are known too."""
        leg = self._legs.get(call_control_id)
        return leg is not None and leg.started is not None

    def has_heard(self, person: Participant, announcements: Collection[str]) -> bool:
        """Whether a participant has heard a spoken text or one of these files, in this stay or before on this leg."""
        leg = self._legs.get(person.call)
        sounds = {**(leg.heard if leg else {}), **person.heard}
        return any(sound == SPEECH or sound in announcements for sound in sounds)

    def forget_conference(self, conference_id: str, participants: Collection[str]) -> None:
        """Forget that these legs were in a conference, and those of them that have hung up and were nowhere else."""
        for call_control_id in participants:
            leg = self._legs.get(call_control_id)
            if leg is None:
                continue
            leg.conferences.discard(conference_id)
            if leg.hangups and not leg.conferences and not leg.queues:
                del self._legs[call_control_id]

    def _make_room(self) -> None:
        if len(self._legs) >= self._kept:
            oldest = sorted(self._legs, key=lambda id_: not self._legs[id_].hangups)
            for id_ in oldest[: max(self._kept // 4, 1)]:
                del self._legs[id_]


def _append_new(moments: list[Moment], moment: Moment) -> bool:
    """Append a moment unless it is there already, and drop the oldest of too many. Returns whether it is new."""
    if any(earlier.id == moment.id for earlier in moments):
        return False
    moments.append(moment)
    del moments[:-_MAX_HOLDS]
    return True
