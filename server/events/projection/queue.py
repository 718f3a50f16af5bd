"""The state of one queue, folded from events, commands and the API's answers."""

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
"""Calls that are remembered after they have left."""


@dataclass(slots=True)
class QueuedCall:
    """A waiting call."""

    call: str
    since: datetime
    is_alive: bool = True
    from_api: bool = False


@dataclass(frozen=True, slots=True)
class HungUpCall:
    """A call that left because it hung up. The event that reports this has not arrived yet."""

    call: QueuedCall
    waited: int


@dataclass(slots=True)
class Queue:
    CHANGED_BY: ClassVar[frozenset[str]]
    """The types of moments that change a queue."""
    PLACED_BY: ClassVar[frozenset[str]] = frozenset({"call.enqueued", "call.dequeued"})
    """The types that prove that a call is or was in the queue."""
    BEGUN_BY: ClassVar[frozenset[str]] = PLACED_BY | {API_READ, COMMAND_ACCEPTED}
    """The types that decide whether the queue exists."""

    waiting: dict[str, QueuedCall] = field(default_factory=dict[str, QueuedCall])
    """In order."""
    hung_up: dict[str, HungUpCall] = field(default_factory=dict[str, HungUpCall])
    kept: set[str] = field(default_factory=set[str])
    """Calls that stay in the queue when they hang up."""
    left_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When calls left, for the last ones that did."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    total_wait: int = 0
    """Seconds, of all calls that have left and whose time is known."""
    timed_calls: int = 0
    """How many calls `total_wait` counts."""
    facts: dict[str, KnownFact] = field(default_factory=dict[str, KnownFact])
    api_read_at: datetime | None = None
    is_known: bool = False
    """Whether the queue exists or existed. A command to change it does not prove that."""
    is_deleted: bool = False

    def apply(self, moment: Moment) -> None:
        """Apply the next moment. Types that are not known here change nothing."""
        _APPLY_BY_TYPE.get(moment.type, _ignore)(self, moment)

    @property
    def exists(self) -> bool:
        return self.is_known and not self.is_deleted

    def begin(self) -> None:
        self.is_known, self.is_deleted = True, False

    def record_max_size(self, fact: KnownFact) -> None:
        self.facts["max_size"] = fact.after(self.facts.get("max_size"))

    def count(self, reason: str, waited: int | None) -> None:
        """Count a call that has left."""
        self.reasons[reason] += 1
        if waited is not None:
            self.total_wait += waited
            self.timed_calls += 1

    def restore(self, call: str) -> QueuedCall | None:
        """Put a call back that was removed because it hung up, unless an event has reported that it left."""
        hung_up = self.hung_up.pop(call, None)
        if hung_up is None:
            return None
        self.left_at.pop(call, None)
        self.reasons["hangup"] -= 1
        self.total_wait -= hung_up.waited
        self.timed_calls -= 1
        return hung_up.call

    def record_leaving(self, call: str, at: datetime) -> None:
        self.left_at[call] = at
        if len(self.left_at) > _MAX_REMEMBERED_CALLS:
            del self.left_at[next(iter(self.left_at))]


def _ignore(state: Queue, moment: Moment) -> None:
    pass


def _apply_enqueue(state: Queue, moment: Moment) -> None:
    if moment.call is None:
        return
    state.begin()
    state.hung_up.pop(moment.call, None)
    queued = state.waiting.get(moment.call)
    if queued is not None and queued.from_api:
        queued.since, queued.from_api = moment.at, False
        return
    state.waiting.pop(moment.call, None)  # the event that it left was missed
    state.waiting[moment.call] = QueuedCall(moment.call, moment.at)


def _apply_dequeue(state: Queue, moment: Moment) -> None:
    if moment.call is None:
        return
    state.is_known = True
    queued = state.waiting.pop(moment.call, None) or state.restore(moment.call)
    state.kept.discard(moment.call)
    waited = moment.detail.get("wait_time_secs")
    if waited is None and queued is not None:
        waited = seconds(moment.at - queued.since)
    state.count(moment.detail.get("reason", "unknown"), waited)
    state.record_leaving(moment.call, moment.at)


def _apply_hangup(state: Queue, moment: Moment) -> None:
    queued = state.waiting.get(moment.call or "")
    if queued is None:
        return
    if queued.call in state.kept:
        queued.is_alive = False
        return
    _remove_hung_up(state, queued, moment.at)


def _remove_hung_up(state: Queue, queued: QueuedCall, at: datetime) -> None:
    del state.waiting[queued.call]
    waited = seconds(at - queued.since)
    state.count("hangup", waited)
    state.record_leaving(queued.call, at)
    state.hung_up[queued.call] = HungUpCall(queued, waited)
    if len(state.hung_up) > _MAX_REMEMBERED_CALLS:
        del state.hung_up[next(iter(state.hung_up))]


def _apply_command(state: Queue, moment: Moment) -> None:
    if moment.detail["tool"] in OPENS_QUEUE:
        state.begin()
    for name, value in moment.detail["facts"]:
        _APPLY_BY_FACT[name](state, moment, value)


def _apply_keep(state: Queue, moment: Moment, value: bool) -> None:
    if moment.call is None:
        return
    if not value:
        state.kept.discard(moment.call)
        return
    if len(state.kept) >= _MAX_REMEMBERED_CALLS:
        state.kept &= state.waiting.keys()
    state.kept.add(moment.call)
    queued = state.restore(moment.call)
    if queued is not None:  # it hung up and is still in the queue: Telnyx accepted the command
        queued.is_alive = False
        state.waiting[queued.call] = queued


def _apply_max_size(state: Queue, moment: Moment, value: int) -> None:
    state.record_max_size(KnownFact(value, "command", moment.at))


def _apply_deletion(state: Queue, moment: Moment, value: bool) -> None:
    """Its calls are no longer in it. Their own events report why, and are counted when they arrive."""
    state.is_deleted = True
    state.waiting.clear()
    state.hung_up.clear()
    state.kept.clear()


def _apply_answer(state: Queue, moment: Moment) -> None:
    answer: QueueSnapshot = moment.detail["answer"]
    state.api_read_at = moment.at
    state.begin()
    if answer.max_size is not None:
        state.record_max_size(KnownFact(answer.max_size, "api", moment.at))
    if answer.calls is not None:
        _merge_calls(state, answer.calls, moment.at)


def _merge_calls(state: Queue, calls: tuple[ListedCall, ...], at: datetime) -> None:
    ordered = {listed.call: queued for listed in calls if (queued := _listed_call(state, listed, at)) is not None}
    for call, queued in state.waiting.items():
        if call in ordered:
            continue
        if queued.since <= at - CLOCK_TOLERANCE:
            state.count("not listed", None)
            state.record_leaving(call, at)
        else:
            ordered[call] = queued
    state.waiting = ordered


def _listed_call(state: Queue, listed: ListedCall, at: datetime) -> QueuedCall | None:
    """The queued call for a call that the API lists. None: the answer may be older than the event that it left."""
    queued = state.waiting.get(listed.call)
    if queued is None and listed.call in state.hung_up:
        if listed.is_alive:
            return None
        queued = state.restore(listed.call)
    if queued is None and at - state.left_at.get(listed.call, datetime.min.replace(tzinfo=UTC)) < CLOCK_TOLERANCE:
        return None
    if queued is None:
        queued = QueuedCall(listed.call, listed.since or at, from_api=True)
    queued.is_alive = listed.is_alive
    if not listed.is_alive:
        state.kept.add(listed.call)
    return queued


_APPLY_BY_FACT: Mapping[str, Callable[[Queue, Moment, Any], None]] = {
    "keep_after_hangup": _apply_keep,
    "max_size": _apply_max_size,
    "deleted": _apply_deletion,
}

_APPLY_BY_TYPE: Mapping[str, Callable[[Queue, Moment], None]] = {
    "call.enqueued": _apply_enqueue,
    "call.dequeued": _apply_dequeue,
    "call.hangup": _apply_hangup,
    COMMAND_ACCEPTED: _apply_command,
    API_READ: _apply_answer,
}
"""What each type of moment changes."""
Queue.CHANGED_BY = frozenset(_APPLY_BY_TYPE)
