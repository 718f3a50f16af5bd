"""One queue, folded from what became known of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from .api_snapshot import ListedCall, QueueSnapshot
from .command_effects import OPENS_QUEUE
from .facts import CLOCK_TOLERANCE, KnownFact
from .moments import API_READ, COMMAND_ACCEPTED, Moment
from .sanitize import seconds

_MAX_REMEMBERED_CALLS = 1_000
"""Calls of which something is remembered after they have left."""


@dataclass(slots=True)
class QueuedCall:
    """A call that waits."""

    call: str
    since: datetime
    is_alive: bool = True
    from_api: bool = False


@dataclass(frozen=True, slots=True)
class HungUpCall:
    """A call that must have left because it hung up; no event said so yet."""

    call: QueuedCall
    waited: int


@dataclass(slots=True)
class Queue:
    CHANGED_BY: ClassVar[frozenset[str]]
    """The types of what changes a queue."""
    PLACED_BY: ClassVar[frozenset[str]] = frozenset({"call.enqueued", "call.dequeued"})
    """The types that tell that a call is or was in it."""
    BEGUN_BY: ClassVar[frozenset[str]] = PLACED_BY | {API_READ, COMMAND_ACCEPTED}
    """The types of what decides whether there is such a queue."""

    waiting: dict[str, QueuedCall] = field(default_factory=dict[str, QueuedCall])
    """In order."""
    hung_up: dict[str, HungUpCall] = field(default_factory=dict[str, HungUpCall])
    kept: set[str] = field(default_factory=set[str])
    """Calls that stay when they hang up."""
    left_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When the last of those who have left did."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    total_wait: int = 0
    """Seconds, by all who have left and of whom it is known."""
    timed_calls: int = 0
    """How many those are."""
    facts: dict[str, KnownFact] = field(default_factory=dict[str, KnownFact])
    api_read_at: datetime | None = None
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
            self.total_wait += waited
            self.timed_calls += 1

    def restore(self, call: str) -> QueuedCall | None:
        """Undo that a call left because it hung up, if that is all that is known of its leaving."""
        gone = self.hung_up.pop(call, None)
        if gone is None:
            return None
        self.left_at.pop(call, None)
        self.reasons["hangup"] -= 1
        self.total_wait -= gone.waited
        self.timed_calls -= 1
        return gone.call

    def record_leaving(self, call: str, at: datetime) -> None:
        self.left_at[call] = at
        if len(self.left_at) > _MAX_REMEMBERED_CALLS:
            del self.left_at[next(iter(self.left_at))]


def _nothing(state: Queue, moment: Moment) -> None:
    pass


def _enqueued(state: Queue, moment: Moment) -> None:
    if moment.call is None:
        return
    state.begin()
    state.hung_up.pop(moment.call, None)
    place = state.waiting.get(moment.call)
    if place is not None and place.from_api:
        place.since, place.from_api = moment.at, False
        return
    state.waiting.pop(moment.call, None)  # its having left was not told
    state.waiting[moment.call] = QueuedCall(moment.call, moment.at)


def _dequeued(state: Queue, moment: Moment) -> None:
    if moment.call is None:
        return
    state.is_known = True
    place = state.waiting.pop(moment.call, None) or state.restore(moment.call)
    state.kept.discard(moment.call)
    waited = moment.detail.get("wait_time_secs")
    if waited is None and place is not None:
        waited = seconds(moment.at - place.since)
    state.count(moment.detail.get("reason", "unknown"), waited)
    state.record_leaving(moment.call, moment.at)


def _hung_up(state: Queue, moment: Moment) -> None:
    place = state.waiting.get(moment.call or "")
    if place is None:
        return
    if place.call in state.kept:
        place.is_alive = False
        return
    _remove_hung_up(state, place, moment.at)


def _remove_hung_up(state: Queue, place: QueuedCall, at: datetime) -> None:
    del state.waiting[place.call]
    waited = seconds(at - place.since)
    state.count("hangup", waited)
    state.record_leaving(place.call, at)
    state.hung_up[place.call] = HungUpCall(place, waited)
    if len(state.hung_up) > _MAX_REMEMBERED_CALLS:
        del state.hung_up[next(iter(state.hung_up))]


def _command_accepted(state: Queue, moment: Moment) -> None:
    if moment.detail["tool"] in OPENS_QUEUE:
        state.begin()
    for name, value in moment.detail["facts"]:
        _COMMAND_FOLDS[name](state, moment, value)


def _keep(state: Queue, moment: Moment, value: bool) -> None:
    if moment.call is None:
        return
    if not value:
        state.kept.discard(moment.call)
        return
    if len(state.kept) >= _MAX_REMEMBERED_CALLS:
        state.kept &= state.waiting.keys()
    state.kept.add(moment.call)
    place = state.restore(moment.call)
    if place is not None:  # it hung up and still has its place: Telnyx accepted the command
        place.is_alive = False
        state.waiting[place.call] = place


def _resize(state: Queue, moment: Moment, value: int) -> None:
    state.facts["max_size"] = KnownFact(value, "command", moment.at)


def _delete(state: Queue, moment: Moment, value: bool) -> None:
    """Its calls are no longer in it. Events of their own tell why; those that do not come are not counted."""
    state.is_deleted = True
    state.waiting.clear()
    state.hung_up.clear()
    state.kept.clear()


def _api_read(state: Queue, moment: Moment) -> None:
    answer: QueueSnapshot = moment.detail["answer"]
    state.api_read_at = moment.at
    state.begin()
    if answer.max_size is not None:
        state.facts["max_size"] = KnownFact(answer.max_size, "api", moment.at)
    if answer.calls is not None:
        _merge_calls(state, answer.calls, moment.at)


def _merge_calls(state: Queue, listed: tuple[ListedCall, ...], at: datetime) -> None:
    ordered = {one.call: place for one in listed if (place := _listed_call(state, one, at)) is not None}
    for call, place in state.waiting.items():
        if call in ordered:
            continue
        if place.since <= at - CLOCK_TOLERANCE:
            state.count("not listed", None)
            state.record_leaving(call, at)
        else:
            ordered[call] = place
    state.waiting = ordered


def _listed_call(state: Queue, one: ListedCall, at: datetime) -> QueuedCall | None:
    """The place of a call that the API lists; None: the answer may be older than the call's having left."""
    place = state.waiting.get(one.call)
    if place is None and one.call in state.hung_up:
        if one.is_alive:
            return None
        place = state.restore(one.call)
    if place is None and at - state.left_at.get(one.call, datetime.min.replace(tzinfo=UTC)) < CLOCK_TOLERANCE:
        return None
    if place is None:
        place = QueuedCall(one.call, one.since or at, from_api=True)
    place.is_alive = one.is_alive
    if not one.is_alive:
        state.kept.add(one.call)
    return place


_COMMAND_FOLDS: Mapping[str, Callable[[Queue, Moment, Any], None]] = {
    "keep_after_hangup": _keep,
    "max_size": _resize,
    "deleted": _delete,
}

_FOLDS: Mapping[str, Callable[[Queue, Moment], None]] = {
    "call.enqueued": _enqueued,
    "call.dequeued": _dequeued,
    "call.hangup": _hung_up,
    COMMAND_ACCEPTED: _command_accepted,
    API_READ: _api_read,
}
"""What each type changes; every other changes nothing."""
Queue.CHANGED_BY = frozenset(_FOLDS)
