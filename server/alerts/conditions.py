"""The conditions of alerts that hold in a conference or a queue, read from the state of the projection."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...tools.text import count, duration_text, quoted, quoted_unless_number, short_id
from ..events.projection.conference import Conference
from ..events.projection.participant import Participant
from ..events.projection.projection import Projection
from ..events.projection.queue import Queue
from ..events.projection.sanitize import short_identifier
from ..guard.policy import AlertCondition, AlertRule
from .book import Alert, Key

_EXITS = ("end_conference_on_exit", "soft_end_conference_on_exit")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds. When it has held long enough, its alert is raised."""

    rule: AlertRule
    subject: str
    since: datetime
    """By Telnyx's clock."""
    say: Callable[[], str]
    """Returns the message."""
    due: datetime
    """When the alert is raised."""
    until: datetime | None = None
    """When the condition is over even if nothing happens: no conference lasts longer than four hours."""
    conference_id: str | None = None
    call_control_id: str | None = None
    queue: str | None = None

    @property
    def key(self) -> Key:
        return self.rule.name, self.subject

    def holds_at(self, now: datetime) -> bool:
        return self.until is None or now <= self.until


@dataclass(frozen=True, slots=True)
class Room:
    """An open conference, as conditions see it."""

    id: str
    state: Conference
    projection: Projection

    @property
    def name(self) -> str | None:
        return self.state.api_fields.get("name")

    @property
    def title(self) -> str:
        return f"conference {quoted(self.name) if self.name else short_identifier(self.id)}"

    def joined(self, person: Participant) -> datetime:
        """When a participant joined, or else the beginning of the conference."""
        times = (person.joined_at, self.state.started_at, self.state.api_read_at)
        return next(time for time in times if time is not None)

    def who(self, call: str) -> str:
        return name_call(self.projection, call)


def name_call(projection: Projection, call: str) -> str:
    """The number at the far end of a call leg, or else its short id."""
    number = projection.legs.number(call)
    if number is None:
        return f"call {short_id(short_identifier(call))}"
    return quoted_unless_number(number)


def is_host(person: Participant) -> bool:
    """Whether the conference ends when this participant leaves, as far as known."""
    return any(name in person.facts and person.facts[name].value for name in _EXITS)


def room_conditions(rules: Sequence[AlertRule], room: Room) -> Iterator[Condition]:
    """The conditions that hold in an open conference."""
    for rule in rules:
        if rule.is_about_conferences and rule.covers(room.name):
            yield from _IN_ROOM[rule.when](rule, room)


def queue_conditions(
    rules: Sequence[AlertRule], name: str, state: Queue, projection: Projection
) -> Iterator[Condition]:
    """The conditions that hold in a queue."""
    for rule in rules:
        if rule.is_about_queues and rule.covers(name):
            yield from _IN_QUEUE[rule.when](rule, name, state, projection)


def is_unknown(alert: Alert, projection: Projection) -> bool:
    """Whether this process cannot tell that the condition of a raised alert is over.

    No event reports these conditions: another process on the store may have sent the command that began them.
    """
    state = projection.conference_state(alert.conference_id or "")
    if state is None or state.ended_at is not None:
        return False
    match alert.when:
        case AlertCondition.ON_HOLD:
            person = state.present.get(alert.call_control_id or "")
            return person is not None and "on_hold" not in person.facts
        case AlertCondition.RECORDING_WITHOUT_CONSENT:
            return state.recording is None
        case _:
            return False


def _room_condition(
    rule: AlertRule,
    room: Room,
    since: datetime,
    say: Callable[[], str],
    call: str | None = None,
    *,
    per_call: bool = False,
) -> Condition:
    """`per_call`: the alert is about the call leg, not about the conference."""
    return Condition(
        rule,
        call if per_call and call else room.id,
        since,
        say,
        due=since + rule.delay,
        until=room.state.overdue_at,
        conference_id=room.id,
        call_control_id=call,
    )


def _hold_conditions(rule: AlertRule, room: Room) -> Iterator[Condition]:
    for call, person in room.state.present.items():
        fact = person.facts.get("on_hold")
        if fact is not None and fact.value:

            def say(call: str = call) -> str:
                return f"{room.who(call)} has been on hold in {room.title} for more than {duration_text(rule.delay)}."

            yield _room_condition(rule, room, fact.since, say, call, per_call=True)


def _host_conditions(rule: AlertRule, room: Room) -> Iterator[Condition]:
    present = room.state.present.values()
    if not present or any(map(is_host, present)):
        return
    departures = [
        person.left_at for person in room.state.participants.values() if person.left_at is not None and is_host(person)
    ]
    since = max([min(map(room.joined, present)), *departures])

    def say() -> str:
        people = f"{count(len(room.state.present), 'person')} {'is' if len(room.state.present) == 1 else 'are'} in it"
        return f"{_sentence(room.title)} has had no host for more than {duration_text(rule.delay)}; {people}."

    yield _room_condition(rule, room, since, say)


def _alone_conditions(rule: AlertRule, room: Room) -> Iterator[Condition]:
    if len(room.state.present) != 1:
        return
    [(call, person)] = room.state.present.items()
    departures = [other.left_at for other in room.state.participants.values() if other.left_at is not None]
    since = max([room.joined(person), *departures])

    def say() -> str:
        return f"{room.who(call)} has been alone in {room.title} for more than {duration_text(rule.delay)}."

    yield _room_condition(rule, room, since, say, call)


def _recording_conditions(rule: AlertRule, room: Room) -> Iterator[Condition]:
    recording = room.state.recording
    if recording is None or recording.value != "recording":
        return
    present = room.state.present.values()
    unheard = [person for person in present if not room.projection.legs.has_heard(person, rule.announcements)]
    if not unheard:
        return

    def say() -> str:
        verb = "has" if len(unheard) == 1 else "have"
        people = f"{count(len(unheard), 'person')} in it {verb} heard no announcement"
        return f"{_sentence(room.title)} is being recorded, and {people}."

    yield _room_condition(rule, room, max(recording.since, min(map(room.joined, unheard))), say)


def _wait_conditions(rule: AlertRule, name: str, state: Queue, projection: Projection) -> Iterator[Condition]:
    for call, queued in state.waiting.items():
        if queued.is_alive:

            def say(call: str = call) -> str:
                who, span = name_call(projection, call), duration_text(rule.delay)
                return f"{who} has waited in queue {quoted(name)} for more than {span}."

            due = queued.since + rule.delay
            yield Condition(rule, call, queued.since, say, due, call_control_id=call, queue=name)


def _length_conditions(rule: AlertRule, name: str, state: Queue, projection: Projection) -> Iterator[Condition]:
    max_length = rule.above or 0
    if len(state.waiting) <= max_length:
        return
    since = sorted(queued.since for queued in state.waiting.values())[max_length]

    def say() -> str:
        waiting = f"{count(len(state.waiting), 'call')} {'waits' if len(state.waiting) == 1 else 'wait'}"
        return f"{waiting} in queue {quoted(name)}, which is more than {max_length}."

    yield Condition(rule, name, since, say, since, queue=name)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


_IN_ROOM: Mapping[AlertCondition, Callable[[AlertRule, Room], Iterator[Condition]]] = {
    AlertCondition.ON_HOLD: _hold_conditions,
    AlertCondition.NO_HOST: _host_conditions,
    AlertCondition.ALONE: _alone_conditions,
    AlertCondition.RECORDING_WITHOUT_CONSENT: _recording_conditions,
}
_IN_QUEUE: Mapping[AlertCondition, Callable[[AlertRule, str, Queue, Projection], Iterator[Condition]]] = {
    AlertCondition.QUEUE_WAIT: _wait_conditions,
    AlertCondition.QUEUE_LENGTH: _length_conditions,
}
