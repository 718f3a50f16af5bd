"""What is true now of the people, conferences and queues that a command names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from ...tools.base import Command, arguments_of
from ...tools.text import clean_id, count, quoted, quoted_unless_number, short_id
from ..errors import CallFailed
from .changes import Facts
from .place import Place, PlaceKind

MAX_NAMED = 5
"""People that a sentence names; it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Person:
    """One call leg, as a person can recognise it."""

    call_control_id: str
    participant_id: str | None = None
    number: str | None = None
    name: str | None = None
    """The caller's name, as their network sends it."""
    label: str | None = None
    role: str | None = None
    """As a supervisor: barge, monitor, none or whisper."""
    muted: bool = False
    on_hold: bool = False
    hold_seconds: int | None = None
    ends_room: bool = False
    """Whether the conference ends and everyone is hung up when this person leaves."""
    soft_ends_room: bool = False
    """Whether the conference ends when this person leaves; nobody is hung up."""

    @property
    def who(self) -> str:
        """`'Anna' (+12025550121)`, or `unknown caller v3:9-4VP` without a name and number."""
        named = [quoted(text) for text in (self.label, self.name) if text]
        named += [quoted_unless_number(self.number)] if self.number else []
        if not named:
            return f"unknown caller {self.short_id}"
        first, *others = dict.fromkeys(named)
        return f"{first} ({', '.join(others)})" if others else first

    @property
    def short_id(self) -> str:
        return short_id(clean_id(self.call_control_id))

    def states(self, *, with_times: bool = True) -> list[str]:
        """Role and states: host, muted, on hold for 2 min."""
        hold = f"on hold{_for(self.hold_seconds) if with_times else ''}"
        states = ["host"] if self.ends_room or self.soft_ends_room else []
        states += [self.role] if self.role and self.role != "none" else []
        states += ["muted"] if self.muted else []
        return states + ([hold] if self.on_hold else [])


@dataclass(frozen=True, slots=True)
class Room:
    """A conference with everyone in it."""

    id: str
    name: str | None
    people: tuple[Person, ...] = ()
    is_over: bool = False
    recording: str | None = None
    """recording, paused or stopped; None when nothing is known."""
    may_be_recording: bool = True
    """Whether a recording may be running."""

    def person(self, named: str) -> Person | None:
        """The person with this call_control_id, participant id or label."""
        by_id = (person for person in self.people if named in (person.call_control_id, person.participant_id))
        by_label = (person for person in self.people if person.label == named)
        return next(by_id, None) or next(by_label, None)

    def naming(self, person: Person) -> str:
        """A person in words, with the start of the id if another one in the conference looks the same."""
        alike = [other for other in self.people if other.who == person.who]
        return f"{person.who} ({person.short_id})" if len(alike) > 1 else person.who

    def leg(self, call_control_id: str) -> Person | None:
        """The person on this call leg. A label never counts: anyone can choose one."""
        return next((person for person in self.people if person.call_control_id == call_control_id), None)

    def without(self, call_control_id: str) -> "Room":
        others = tuple(person for person in self.people if person.call_control_id != call_control_id)
        return replace(self, people=others)

    @property
    def title(self) -> str:
        return f"conference {quoted(self.name) if self.name else short_id(clean_id(self.id))}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call's place in a queue."""

    person: Person
    queue: str
    position: int
    has_hung_up: bool = False
    connection_id: str | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue: its name, if Telnyx says it, and how many calls wait in it."""

    name: str | None
    size: int


class LiveState(Protocol):
    """What is true now, from events, from this server's commands, and from Telnyx where those are not enough.

    Every method may raise `CallFailed` when Telnyx cannot be asked.
    """

    async def room(self, conference_id: str) -> Room:
        """A conference with everyone in it: at most two reads."""
        ...

    async def room_named(self, name: str) -> Room | None:
        """The open conference with this name."""
        ...

    async def place(self, call_control_id: str) -> Place:
        """Where a call leg is, from events and this server's own commands alone; UNKNOWN where they do not say."""
        ...

    def last_seen(self, call_control_id: str) -> Place | None:
        """The conference or queue in which Telnyx last listed a call leg, or to which this server last moved it."""
        ...

    async def conferences_of(self, call_control_id: str) -> tuple[Place, ...]:
        """The open conferences that a call leg is or was in: one read, or two for a leg that was never listed."""
        ...

    async def queue(self, name: str) -> QueueState: ...

    async def waiting(self, call_control_id: str, queue: str | None) -> Waiting | None:
        """A call's place in a queue: one read. Without a queue, the queues are searched: None when it waits in none."""
        ...

    async def recording(self, recording_id: str) -> str:
        """A saved recording in a few words: how long it is, whose, and when it was made. One read."""
        ...

    def person(self, call_control_id: str) -> Person:
        """A call leg, from events alone."""
        ...

    def known_people(self, conference_id: str) -> frozenset[str] | None:
        """The call legs in a conference, from events alone; None when nothing is known of the conference."""
        ...

    def supervised_by(self, call_control_id: str) -> str | None:
        """The call leg that a leg supervises, if this process called it for that."""
        ...

    async def has_time_limit(self, call_control_id: str) -> bool:
        """Whether this server, or another on its store, called the leg with a time limit."""
        ...

    async def limited_in(self, queue: str) -> str | None:
        """A call leg with such a time limit that waits in a queue."""
        ...

    async def waiting_in(self, queue: str) -> tuple[str, ...]:
        """The call legs that wait in a queue."""
        ...

    async def ringing_number(self, call_control_id: str) -> str | None:
        """The number at which a leg rings that was dialled and is not answered; None for any other leg."""
        ...

    def record(self, command: Command, body: Any) -> None:
        """Note the effects of a command that Telnyx accepted. `body` is Telnyx's JSON."""
        ...


class Situation:
    """The live state as one command sees it: every fact is looked up once."""

    def __init__(self, command: Command, live: LiveState, steps: Mapping[str, int] | None = None) -> None:
        """`steps`: those of the call legs that the command moves, as `Moves` counts them."""
        self.command = command
        self.steps = steps or {}
        self._live = live
        self._rooms: dict[str, Room] = {}
        self._named: dict[str, Room | None] = {}
        self._places: dict[str, Place] = {}
        self._queues: dict[str, QueueState] = {}
        self._waiting: dict[tuple[str, str | None], Waiting | None] = {}
        self._recordings: dict[str, str] = {}

    async def room(self, conference_id: str) -> Room:
        if conference_id not in self._rooms:
            self._rooms[conference_id] = await self._live.room(conference_id)
        return self._rooms[conference_id]

    async def room_named(self, name: str) -> Room | None:
        if name not in self._named:
            self._named[name] = await self._live.room_named(name)
        return self._named[name]

    async def target_room(self) -> Room | None:
        """The conference that the command names, by id or by name."""
        arguments = arguments_of(self.command)
        if (conference_id := arguments.get("conference_id")) is not None:
            return await self.room(conference_id)
        name: str | None = arguments.get("conference_name")
        return await self.room_named(name) if name is not None else None

    async def place(self, call_control_id: str) -> Place:
        if call_control_id not in self._places:
            place = await self._live.place(call_control_id)
            if place.kind is PlaceKind.UNKNOWN:
                place = await self._looked_up(call_control_id) or place
            self._places[call_control_id] = place
        return self._places[call_control_id]

    async def _looked_up(self, call_control_id: str) -> Place | None:
        """Where Telnyx says that a leg is: first where it was last seen, then in the conferences that it was in."""
        seen = self._live.last_seen(call_control_id)
        if seen is not None and await self._is_still_at(call_control_id, seen):
            return seen
        for place in await self._live.conferences_of(call_control_id):
            if (await self.room(place.conference_id or "")).leg(call_control_id) is not None:
                return place
        return None

    async def _is_still_at(self, call_control_id: str, seen: Place) -> bool:
        try:
            if seen.queue is not None:
                return await self.waiting(call_control_id, seen.queue) is not None
            return (await self.room(seen.conference_id or "")).leg(call_control_id) is not None
        except CallFailed:  # it is gone; if Telnyx cannot be asked, the next look-up fails too
            return False

    async def verified_place(self, call_control_id: str) -> Place:
        """As `place`; if a leg is not in the conference that events name, where Telnyx says that it is.

        Everyone in that conference is looked up.
        """
        place = await self.place(call_control_id)
        if place.conference_id is None or (await self.room(place.conference_id)).leg(call_control_id) is not None:
            return place
        self._places[call_control_id] = await self._looked_up(call_control_id) or Place(PlaceKind.UNKNOWN)
        return self._places[call_control_id]

    async def searched_place(self, call_control_id: str) -> Place:
        """As `place`, and searches the queues for a leg whose place is not known."""
        if (await self.place(call_control_id)).kind is PlaceKind.UNKNOWN:
            await self.waiting(call_control_id)  # notes the place that it finds
        return await self.place(call_control_id)

    async def queue(self, name: str) -> QueueState:
        if name not in self._queues:
            self._queues[name] = await self._live.queue(name)
        return self._queues[name]

    async def recording(self, recording_id: str) -> str:
        if recording_id not in self._recordings:
            self._recordings[recording_id] = await self._live.recording(recording_id)
        return self._recordings[recording_id]

    async def waiting(self, call_control_id: str, queue: str | None = None) -> Waiting | None:
        place = await self.place(call_control_id) if queue is None else None
        if place is not None and place.kind not in (PlaceKind.QUEUE, PlaceKind.UNKNOWN):
            return None
        key = (call_control_id, queue or (place.queue if place else None))
        if key not in self._waiting:
            waiting = await self._live.waiting(*key)
            if waiting is not None and place is not None:
                self._places[call_control_id] = Place(PlaceKind.QUEUE, queue=waiting.queue)
                key = (call_control_id, waiting.queue)
            self._waiting[key] = waiting
        return self._waiting[key]

    def person(self, call_control_id: str) -> Person:
        for room in self._rooms.values():
            if (person := room.leg(call_control_id)) is not None:
                return person
        return self._live.person(call_control_id)

    def known_people(self, conference_id: str) -> frozenset[str] | None:
        return self._live.known_people(conference_id)

    def supervised_by(self, call_control_id: str) -> str | None:
        return self._live.supervised_by(call_control_id)

    async def has_time_limit(self, call_control_id: str) -> bool:
        return await self._live.has_time_limit(call_control_id)

    async def limited_in(self, queue: str) -> str | None:
        return await self._live.limited_in(queue)

    async def waiting_in(self, queue: str) -> tuple[str, ...]:
        return await self._live.waiting_in(queue)

    async def ringing_number(self, call_control_id: str) -> str | None:
        return await self._live.ringing_number(call_control_id)

    def facts(self) -> list[Any]:
        """Every fact that was looked up, without times: an approval is bound to them."""
        rooms = [_lasting(room) for room in (*self._rooms.values(), *self._named.values()) if room is not None]
        waiting = [(leg, place and (place.position, place.has_hung_up)) for (leg, _), place in self._waiting.items()]
        queues = [asdict(queue) for queue in self._queues.values()]
        # The name of a conference is known from some sources and not from others.
        places = [(leg, asdict(replace(place, conference_name=None))) for leg, place in self._places.items()]
        return [rooms, places, waiting, queues]

    def remembered(self) -> Facts:
        """Facts that an approval is bound to, as `changes` compares them later."""
        rooms = {room.id: room for room in (*self._rooms.values(), *self._named.values()) if room is not None}
        return {
            "rooms": {id_: _remembered(room) for id_, room in rooms.items()},
            "places": {leg: place.text for leg, place in self._places.items()},
            "waiting": {leg: [at.position, at.has_hung_up] for (leg, _), at in self._waiting.items() if at is not None},
            "queues": {queue.name: queue.size for queue in self._queues.values()},
        }


def _lasting(room: Room) -> Mapping[str, Any]:
    by_leg = sorted(room.people, key=lambda person: person.call_control_id)
    people = [asdict(replace(person, hold_seconds=None)) for person in by_leg]
    return {"id": room.id, "over": room.is_over, "recording": room.recording, "people": people}


def _remembered(room: Room) -> Facts:
    people = {person.call_control_id: [person.who, person.states(with_times=False)] for person in room.people}
    return {"over": room.is_over, "recording": room.recording, "people": people}


def name_people(people: Sequence[Person], *, with_times: bool = True, with_states: bool = True) -> str:
    """`'Anna' (+12025550121) [muted], +12025550122 and 3 more`. Ids appear only to tell identical entries apart."""
    shown = people[:MAX_NAMED]
    entries = [_entry(person, person.states(with_times=with_times) if with_states else []) for person in shown]
    same = Counter(entries)
    named = [
        f"{entry} ({person.short_id})" if same[entry] > 1 else entry
        for person, entry in zip(shown, entries, strict=True)
    ]
    more = f" and {len(people) - len(shown)} more" if len(people) > len(shown) else ""
    return f"{', '.join(named)}{more}"


def _entry(person: Person, states: Sequence[str]) -> str:
    return f"{person.who} [{', '.join(states)}]" if states else person.who


def people_in(room: Room) -> str:
    """`3 people: ...`; `nobody else` for an empty room."""
    return f"{count(len(room.people), 'person')}: {name_people(room.people)}" if room.people else "nobody else"


def _for(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return f" for {seconds} s" if seconds < 120 else f" for {seconds // 60} min"
