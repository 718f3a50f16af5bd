"""One queue, folded from what became known of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from .api_snapshot import QueueSnapshot, Waiting
from .command_effects import OPENS_QUEUE
from .facts import GRACE, Known
from .moments import ASKED, COMMANDED, Moment
from .sanitize import seconds

_REMEMBERED = 1_000
"""Calls of which something is remembered after they have left."""


@dataclass(slots=True)
class Place:
    """A call that waits."""

    call: str
    since: datetime
    is_alive: bool = True
    from_api: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """A call that must have left because it hung up; no event said so yet."""

    place: Place
    waited: int


@dataclass(slots=True)
class Queue:
    CHANGED_BY: ClassVar[frozenset[str]]
    """The types of what changes a queue."""
    PLACED_BY: ClassVar[frozenset[str]] = frozenset({"call.enqueued", "call.dequeued"})
    """The types that tell that a call is or was in it."""
    BEGUN_BY: ClassVar[frozenset[str]] = PLACED_BY | {ASKED, COMMANDED}
    """The types of what decides whether there is such a queue."""

    waiting: dict[str, Place] = field(default_factory=dict[str, Place])
    """In order."""
    gone: dict[str, Gone] = field(default_factory=dict[str, Gone])
    kept: set[str] = field(default_factory=set[str])
    """Calls that stay when they hang up."""
    left_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When the last of those who have left did."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    waited: int = 0
    """Seconds, by all who have left and of whom it is known."""
    timed: int = 0
    """How many those are."""
    facts: dict[str, Known] = field(default_factory=dict[str, Known])
    asked_at: datetime | None = None
    is_known: bool = False
    """Whether it is or was there: more is known of it than that it was to be changed."""
    is_deleted: bool = False

    def apply(self, moment: Moment) -> None:
        """Take in what happened next. What is not known here changes nothing."""
        _FOLDS.get(moment.type, _nothing)(self, moment)

    @property
    def exists(self) -> bool:
        return self.is_known and not self.is_deleted

    def begin(self) -> None:
        self.is_known, self.is_deleted = True, False

    def count(self, reason: str, waited: int | None) -> None:
        """Count a call that has left."""
        self.reasons[reason] += 1
        if waited is not None:
            self.waited += waited
            self.timed += 1

    def take_back(self, call: str) -> Place | None:
        """Undo that a call left because it hung up, if that is all that is known of its leaving."""
        gone = self.gone.pop(call, None)
        if gone is None:
            return None
        self.left_at.pop(call, None)
        self.reasons["hangup"] -= 1
        self.waited -= gone.waited
        self.timed -= 1
        return gone.place

    def has_left(self, call: str, at: datetime) -> None:
        self.left_at[call] = at
        if len(self.left_at) > _REMEMBERED:
            del self.left_at[next(iter(self.left_at))]


def _nothing(state: Queue, moment: Moment) -> None:
    pass


def _enqueued(state: Queue, moment: Moment) -> None:
    if moment.call is None:
        return
    state.begin()
    state.gone.pop(moment.call, None)
    place = state.waiting.get(moment.call)
    if place is not None and place.from_api:
        place.since, place.from_api = moment.at, False
        return
    state.waiting.pop(moment.call, None)  # its having left was not told
    state.waiting[moment.call] = Place(moment.call, moment.at)


def _dequeued(state: Queue, moment: Moment) -> None:
    if moment.call is None:
        return
    state.is_known = True
    place = state.waiting.pop(moment.call, None) or state.take_back(moment.call)
    state.kept.discard(moment.call)
    waited = moment.detail.get("wait_time_secs")
    if waited is None and place is not None:
        waited = seconds(moment.at - place.since)
    state.count(moment.detail.get("reason", "unknown"), waited)
    state.has_left(moment.call, moment.at)


def _hung_up(state: Queue, moment: Moment) -> None:
    place = state.waiting.get(moment.call or "")
    if place is None:
        return
    if place.call in state.kept:
        place.is_alive = False
        return
    _is_gone(state, place, moment.at)


def _is_gone(state: Queue, place: Place, at: datetime) -> None:
    del state.waiting[place.call]
    waited = seconds(at - place.since)
    state.count("hangup", waited)
    state.has_left(place.call, at)
    state.gone[place.call] = Gone(place, waited)
    if len(state.gone) > _REMEMBERED:
        del state.gone[next(iter(state.gone))]


def _commanded(state: Queue, moment: Moment) -> None:
    if moment.detail["tool"] in OPENS_QUEUE:
        state.begin()
    for name, value in moment.detail["facts"]:
        _TOLD[name](state, moment, value)


def _keep(state: Queue, moment: Moment, value: bool) -> None:
    if moment.call is None:
        return
    if not value:
        state.kept.discard(moment.call)
        return
    if len(state.kept) >= _REMEMBERED:
        state.kept &= state.waiting.keys()
    state.kept.add(moment.call)
    place = state.take_back(moment.call)
    if place is not None:  # it hung up and still has its place: Telnyx accepted the command
        place.is_alive = False
        state.waiting[place.call] = place


def _resize(state: Queue, moment: Moment, value: int) -> None:
    state.facts["max_size"] = Known(value, "command", moment.at)


def _delete(state: Queue, moment: Moment, value: bool) -> None:
    """Its calls are no longer in it. Events of their own tell why; those that do not come are not counted."""
    state.is_deleted = True
    state.waiting.clear()
    state.gone.clear()
    state.kept.clear()


def _asked(state: Queue, moment: Moment) -> None:
    answer: QueueSnapshot = moment.detail["answer"]
    state.asked_at = moment.at
    state.begin()
    if answer.max_size is not None:
        state.facts["max_size"] = Known(answer.max_size, "api", moment.at)
    if answer.calls is not None:
        _are_listed(state, answer.calls, moment.at)


def _are_listed(state: Queue, listed: tuple[Waiting, ...], at: datetime) -> None:
    ordered = {one.call: place for one in listed if (place := _place(state, one, at)) is not None}
    for call, place in state.waiting.items():
        if call in ordered:
            continue
        if place.since <= at - GRACE:
            state.count("not listed", None)
            state.has_left(call, at)
        else:
            ordered[call] = place
    state.waiting = ordered


def _place(state: Queue, one: Waiting, at: datetime) -> Place | None:
    """The place of a call that the API lists; None: the answer may be older than the call's having left."""
    place = state.waiting.get(one.call)
    if place is None and one.call in state.gone:
        if one.is_alive:
            return None
        place = state.take_back(one.call)
    if place is None and at - state.left_at.get(one.call, datetime.min.replace(tzinfo=UTC)) < GRACE:
        return None
    if place is None:
        place = Place(one.call, one.since or at, from_api=True)
    place.is_alive = one.is_alive
    if not one.is_alive:
        state.kept.add(one.call)
    return place


_TOLD: Mapping[str, Callable[[Queue, Moment, Any], None]] = {
    "keep_after_hangup": _keep,
    "max_size": _resize,
    "deleted": _delete,
}

_FOLDS: Mapping[str, Callable[[Queue, Moment], None]] = {
    "call.enqueued": _enqueued,
    "call.dequeued": _dequeued,
    "call.hangup": _hung_up,
    COMMANDED: _commanded,
    ASKED: _asked,
}
"""What each type changes; every other changes nothing."""
Queue.CHANGED_BY = frozenset(_FOLDS)
