"""What is true now of people, conferences and queues, for the guard: see `guard.situation.LiveState`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from ...tools.base import Command
from ...tools.calls import BridgeCalls, Dial, GetCall
from ...tools.conferences import ConferenceFilter, CreateConference, GetConference, ListConferences
from ...tools.pagination import Read, all_of, all_participants
from ...tools.participants import JoinConference, LeaveConference, ListParticipants
from ...tools.queues import EnqueueCall, GetQueue, GetQueueCall, LeaveQueue, ListQueueCalls, ListQueues
from ...tools.recordings import GetRecording
from ...tools.results import Conference, Queue, Recording
from ...tools.text import clean_id
from ..events.event import EventFilter
from ..events.history import load_number
from ..events.service import EventService
from ..guard.ledger import AuditRecord, Ledger
from ..guard.place import Place, PlaceKind
from ..guard.situation import Person, QueueState, Room, Waiting
from ..json_text import as_object, object_at, text_at
from ..newest import Newest
from ..telnyx import TelnyxRefused
from .audit_follower import AuditFollower
from .time_limits import TimeLimits

if TYPE_CHECKING:
    from ..events.projection.views import ConferenceView

_OWN_MOVE_HOLDS = timedelta(seconds=10)
"""The webhooks of a command arrive within this time; until then its own effect is what is known."""
_SAME_BRIDGE = timedelta(seconds=1)
"""The events of both ends of a bridge have times that differ by less."""
_MAX_REMEMBERED = 10_000
_MAX_LISTED_QUEUES = 100
_MAX_SEARCHED_QUEUES = 20
_MAX_CALL_EVENTS = 10
_STARTS_RECORDING = frozenset({"start_recording", "resume_recording"})

_NOWHERE = Place(PlaceKind.NOWHERE)


class TelnyxLiveState:
    """Facts from events and from this server's own commands, and from Telnyx's API where those are not enough."""

    def __init__(self, read: Read, events: EventService, ledger: Ledger) -> None:
        self._read = read
        self._events = events
        self._audit = AuditFollower(ledger, self._note)
        self._recorded = Newest[str, None](_MAX_REMEMBERED)
        """Conferences whose recording a server on this store started or resumed."""
        self._moves = Newest[str, tuple[datetime, Place]](_MAX_REMEMBERED)
        """The place of a leg after this server's own command, and the time of the command."""
        self._leg_ids = Newest[str, str](_MAX_REMEMBERED)
        """The `call_leg_id` of legs that Telnyx listed, by call_control_id."""
        self._seen = Newest[str, Place](_MAX_REMEMBERED)
        """The conference or queue in which a list or a command of this server last showed a leg."""
        self._numbers = Newest[str, str](_MAX_REMEMBERED)
        """The numbers of legs that waited in a queue, or that this server called."""
        self._supervised = Newest[str, str](_MAX_REMEMBERED)
        """By supervisor: the call leg that it was called to supervise."""
        self._time_limits = TimeLimits(ledger)

    def record(self, command: Command, body: Any) -> None:
        """Note what Telnyx's answer to a command says, and the effects of the command. `body` is Telnyx's JSON."""
        for leg, row in _listed_legs(body):
            if (leg_id := text_at(row, "call_leg_id")) is not None:
                self._leg_ids[leg] = leg_id
            if (place := _listed_in(command, row)) is not None:
                self._seen[leg] = place
            if (number := _number_in(command, row)) is not None:
                self._numbers[leg] = number
        new_leg = text_at(data_of(body), "call_control_id")
        self._time_limits.record(command, new_leg)
        if isinstance(command, Dial) and command.supervise_call_control_id is not None and new_leg is not None:
            self._supervised[new_leg] = command.supervise_call_control_id
        for leg, place in _moved(command, body, self._first_in):
            self._moves[leg] = (self._events.now(), place)
            self._seen[leg] = place

    def _first_in(self, queue: str) -> str | None:
        """The call leg that waits first in a queue, as far as events and this server's own commands tell."""
        state = self._events.projection.queue_state(queue)
        own_places = {leg: self._own_place(leg) for leg in self._moves}
        enqueued = (leg for leg, place in own_places.items() if place is not None and place.queue == queue)
        for leg in (*(state.waiting if state else ()), *enqueued):
            place = own_places.get(leg)
            if place is None or place.queue == queue:
                return leg
        return None

    def _own_place(self, call_control_id: str) -> Place | None:
        """Where this server's own command moved a leg, until the command's events arrive."""
        moved_by_us_at, place = self._moves.get(call_control_id, (datetime.min.replace(tzinfo=UTC), None))
        event_moved_at = self._events.projection.legs.moved_at(call_control_id)
        is_newest = event_moved_at is None or event_moved_at <= moved_by_us_at
        return place if is_newest and self._events.now() - moved_by_us_at < _OWN_MOVE_HOLDS else None

    def _is_wrong_guess(self, place: Place, call_control_id: str) -> bool:
        """Whether the call that was first in a queue was not the one that this leg was connected with."""
        legs = self._events.projection.legs
        return place.other is not None and legs.is_bridged(call_control_id) and not legs.is_bridged(place.other)

    def _bridge(self, call_control_id: str) -> Place:
        """The bridge that a leg is in by its newest event. The other end is known if this server connected them."""
        legs = self._events.projection.legs
        bridged_at = legs.moved_at(call_control_id)
        moved_by_us_at, place = self._moves.get(call_control_id, (None, None))
        if place is not None and place.other is not None and moved_by_us_at is not None and bridged_at is not None:
            other_at = legs.moved_at(place.other) if legs.is_bridged(place.other) else None
            is_by_us = abs(bridged_at - moved_by_us_at) < _OWN_MOVE_HOLDS
            if is_by_us and other_at is not None and abs(bridged_at - other_at) < _SAME_BRIDGE:
                return place
        return Place(PlaceKind.BRIDGE, since=bridged_at)

    async def room(self, conference_id: str) -> Room:
        listed = await all_participants(self._read, conference_id)
        rows = [row for row in listed if row.get("status") != "left"]
        view = await self._events.conference(conference_id)
        name = text_at(object_at(rows[0], "conference"), "name") if rows else None
        is_over = False
        if name is None or not rows:
            conference = data_of(await self._read(GetConference(conference_id=conference_id)))
            name, is_over = text_at(conference, "name"), conference.get("status") == "completed"
        people = [self._participant(row) for row in rows]
        recording = view.recording.value if view and view.recording else None
        return Room(
            id=conference_id,
            name=name,
            people=tuple(people),
            is_over=is_over,
            recording=recording,
            may_be_recording=await self._may_be_recording(conference_id, view),
        )

    async def _may_be_recording(self, conference_id: str, view: "ConferenceView | None") -> bool:
        if view is None:
            return True
        if view.recording is not None:
            return view.recording.value != "stopped"
        # Another process on this store may have started one.
        await self._audit.update()
        return conference_id in self._recorded

    def _note(self, record: AuditRecord) -> None:
        if record.tool in _STARTS_RECORDING:
            conference_id = text_at(record.arguments, "conference_id")
            if conference_id is not None:
                self._recorded[conference_id] = None

    def _participant(self, row: Mapping[str, Any]) -> Person:
        known = self.person(text_at(row, "call_control_id") or "")
        is_on_hold = row.get("on_hold") is True
        return replace(
            known,
            participant_id=text_at(row, "id"),
            label=text_at(row, "label") or known.label,
            muted=row.get("muted") is True,
            on_hold=is_on_hold,
            hold_seconds=known.hold_seconds if is_on_hold else None,
            ends_room=row.get("end_conference_on_exit") is True,
            soft_ends_room=row.get("soft_end_conference_on_exit") is True,
        )

    async def room_named(self, name: str) -> Room | None:
        answer = await self._read(ListConferences(filter=ConferenceFilter(name=name)))
        conferences = cast("list[Conference]", ListConferences.result.read(answer)["conferences"])
        is_open = [conference.id for conference in conferences if conference.status != "completed" and conference.id]
        return await self.room(is_open[0]) if is_open else None

    async def place(self, call_control_id: str) -> Place:
        await self._events.store()
        projection = self._events.projection
        if (own := self._own_place(call_control_id)) is not None:
            return self._bridge(call_control_id) if self._is_wrong_guess(own, call_control_id) else own
        if (conference_id := projection.conference_of(call_control_id)) is not None:
            view = projection.conference(conference_id, self._events.now())
            return Place(PlaceKind.CONFERENCE, conference_id=conference_id, conference_name=view.name if view else None)
        if (queue := projection.queue_of(call_control_id)) is not None:
            return Place(PlaceKind.QUEUE, queue=queue)
        if projection.legs.is_bridged(call_control_id):
            return self._bridge(call_control_id)
        if projection.legs.knows_from_start(call_control_id):
            return _NOWHERE
        # Without events nobody says when a bridge ends: a person is rather asked once too often.
        seen = self._seen.get(call_control_id)
        return seen if seen is not None and seen.kind is PlaceKind.BRIDGE else Place(PlaceKind.UNKNOWN)

    def last_seen(self, call_control_id: str) -> Place | None:
        seen = self._seen.get(call_control_id)
        return seen if seen is not None and seen.kind in (PlaceKind.CONFERENCE, PlaceKind.QUEUE) else None

    async def conferences_of(self, call_control_id: str) -> tuple[Place, ...]:
        leg_id = self._leg_ids.get(call_control_id)
        if leg_id is None:
            leg_id = text_at(data_of(await self._read(GetCall(call_control_id=call_control_id))), "call_leg_id")
        if leg_id is None:
            return ()
        answer = await self._read(ListConferences(filter=ConferenceFilter(leg_id=leg_id)))
        conferences = cast("list[Conference]", ListConferences.result.read(answer)["conferences"])
        return tuple(
            Place(PlaceKind.CONFERENCE, conference_id=conference.id, conference_name=conference.name)
            for conference in conferences
            if conference.status != "completed" and conference.id
        )

    async def queue(self, name: str) -> QueueState:
        queue = data_of(await self._read(GetQueue(queue_name=name)))
        return QueueState(text_at(queue, "name"), int(queue.get("current_size") or 0))

    async def waiting(self, call_control_id: str, queue: str | None) -> Waiting | None:
        if queue is not None:
            command = GetQueueCall(queue_name=queue, call_control_id=call_control_id)
            return self._waiting(queue, data_of(await self._read(command)))
        answer = await self._read(ListQueues(page_size=_MAX_LISTED_QUEUES))
        queues = cast("list[Queue]", ListQueues.result.read(answer)["queues"])
        in_use = [listed for listed in queues if listed.name and listed.current_size != 0]
        in_use.sort(key=lambda listed: listed.current_size or 0, reverse=True)
        for listed in in_use[:_MAX_SEARCHED_QUEUES]:
            try:
                return await self.waiting(call_control_id, listed.name)
            except TelnyxRefused:  # it does not wait there
                continue
        return None

    async def recording(self, recording_id: str) -> str:
        answer = await self._read(GetRecording(recording_id=recording_id))
        recording = cast("Recording", GetRecording.result.read(answer)["recording"])
        fields = data_of(answer)
        between = [clean_id(number) for number in (text_at(fields, "from"), text_at(fields, "to")) if number]
        parts = [recording.brief(), " to ".join(between), recording.recording_started_at]
        return ", ".join(part for part in parts if part)

    def _waiting(self, queue: str, call: Mapping[str, Any]) -> Waiting:
        leg = str(call.get("call_control_id") or "")
        person = Person(leg, number=text_at(call, "from") or self._events.projection.legs.number(leg))
        return Waiting(
            person,
            queue,
            int(call.get("queue_position") or 0),
            has_hung_up=call.get("is_alive") not in (True, None),
            connection_id=text_at(call, "connection_id"),
        )

    def person(self, call_control_id: str) -> Person:
        now = self._events.now()
        view = self._events.projection.person(call_control_id, now)
        if view is None:
            return Person(call_control_id, number=self._numbers.get(call_control_id))
        return Person(
            call_control_id,
            number=view.number,
            name=view.caller_name if view.caller_name != view.number else None,
            label=view.label,
            role=None if view.role == "host" else view.role,
            muted=view.is_muted,
            on_hold=view.is_on_hold,
            hold_seconds=int((now - view.on_hold_since).total_seconds()) if view.on_hold_since else None,
        )

    def known_people(self, conference_id: str) -> frozenset[str] | None:
        return self._events.projection.present_in(conference_id)

    def supervised_by(self, call_control_id: str) -> str | None:
        return self._supervised.get(call_control_id)

    async def has_time_limit(self, call_control_id: str) -> bool:
        number = self._events.projection.legs.number(call_control_id)
        if number is None:  # another process may have stored its events a moment ago
            number = await load_number(call_control_id, await self._events.store())
        return await self._time_limits.hold_for(call_control_id, number)

    async def limited_in(self, queue: str) -> str | None:
        view = self._events.projection.queue(queue, self._events.now())
        for call in view.calls if view is not None else ():
            if await self.has_time_limit(call.call_control_id):
                return call.call_control_id
        return None

    async def waiting_in(self, queue: str) -> tuple[str, ...]:
        waiting = await all_of(self._read, ListQueueCalls(queue_name=queue))
        return tuple(leg for call in waiting if (leg := text_at(call, "call_control_id")) is not None)

    async def ringing_number(self, call_control_id: str) -> str | None:
        store = await self._events.store()
        of_leg = EventFilter(call_control_id=call_control_id, types=frozenset({"call.initiated", "call.answered"}))
        events = {event.type: event for event in await store.find(of_leg, limit=_MAX_CALL_EVENTS)}
        started = events.get("call.initiated")
        if started is None or "call.answered" in events or text_at(started.payload, "direction") != "outgoing":
            return None
        return text_at(started.payload, "to")


def _listed_legs(body: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The call legs in an answer of Telnyx, each with what it says about the leg."""
    data = as_object(body).get("data")
    rows = cast("list[Any]", data) if isinstance(data, list) else [data]
    for row in map(as_object, rows):
        if (leg := text_at(row, "call_control_id")) is not None:
            yield leg, row


def _listed_in(command: Command, row: Mapping[str, Any]) -> Place | None:
    """The place of a call leg in a list of participants or of waiting calls."""
    match command:
        case ListParticipants() if row.get("status") != "left":
            name = text_at(object_at(row, "conference"), "name")
            return Place(PlaceKind.CONFERENCE, conference_id=command.conference_id, conference_name=name)
        case ListQueueCalls() | GetQueueCall():
            return Place(PlaceKind.QUEUE, queue=command.queue_name)
        case _:
            return None


def _number_in(command: Command, row: Mapping[str, Any]) -> str | None:
    """The number of a call that waits in a queue, or of one that was called."""
    match command:
        case ListQueueCalls() | GetQueueCall():
            return text_at(row, "from")
        case Dial(to=str(number)):
            return number
        case _:
            return None


def _moved(command: Command, body: Any, first_in: Callable[[str], str | None]) -> Iterator[tuple[str, Place]]:
    """The call legs that a command moved, each with its new place. A transferred leg stays until its target answers.

    `first_in`: the call leg that waits first in a queue.
    """
    match command:
        case JoinConference():
            yield command.call_control_id, Place(PlaceKind.CONFERENCE, conference_id=command.conference_id)
        case CreateConference():
            conference_id = text_at(data_of(body), "id")
            place = Place(PlaceKind.CONFERENCE, conference_id=conference_id, conference_name=command.name)
            yield command.call_control_id, place
        case EnqueueCall():
            yield command.call_control_id, Place(PlaceKind.QUEUE, queue=command.queue_name)
        case LeaveConference() | LeaveQueue():
            yield command.call_control_id, _NOWHERE
        case BridgeCalls():
            other = command.other_call_control_id
            if command.queue_name is not None:
                other = first_in(command.queue_name)
            yield command.call_control_id, Place(PlaceKind.BRIDGE, other=other)
            if other is not None:
                yield other, Place(PlaceKind.BRIDGE, other=command.call_control_id)
        case _:
            pass


def data_of(answer: Any) -> Mapping[str, Any]:
    """The object in an answer of Telnyx's; empty if there is none."""
    return object_at(as_object(answer), "data")
