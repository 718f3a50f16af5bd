"""Folds events and audit records, in about the order of their times, into the figures of a report."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..events.event import StoredEvent
from ..events.projection.command_effects import CONFERENCE
from ..events.projection.intervals import MUTED, ON_HOLD, Interval, ParticipantIntervals
from ..events.projection.projection import Projection
from ..events.times import parse_time
from ..guard.ledger import AuditRecord
from ..json_text import object_at
from ..newest import Newest
from .figures import Figures, ReportRow, RowKind

LATENESS = timedelta(minutes=10)
"""An event that arrives this long after the end of its conference still counts."""
_MAX_CONFERENCE_AGE = timedelta(hours=4) + LATENESS
_MAX_LEGS = 20_000
"""Call legs that are remembered. Beyond it, the oldest are forgotten first."""
_MAX_NAMES = 10_000
"""Queues or agents with a row of their own."""
_OTHERS = "(others)"
_MAX_WAITING = 10_000
_BRIDGE_GAP = timedelta(seconds=2)
"""Between the events of the two legs of a bridge."""
_NAMING_GAP = timedelta(minutes=1)
"""Between a conference's creation and the audit record of it."""
_QUEUE_EVENTS = frozenset({"call.enqueued", "call.dequeued", "call.left.queue"})
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_FINAL = frozenset({"sends", "reads", "asks", "pending", "dry run"})
"""Outcomes of records after which another record of the same call follows, or of calls that were not sent."""
_ENDS_BRIDGE = frozenset({"call.hangup", "conference.participant.joined", "call.enqueued", "call.bridged"})


@dataclass(slots=True)
class _Leg:
    """A call leg."""

    agent: str | None = None
    """The number that was called, if this account called it."""
    is_counted: bool = False
    """Whether it began within the window."""
    bridged_at: datetime | None = None
    peer: str | None = None
    """The leg at the other end of the bridge."""
    waits: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    """Seconds in a queue, and whether the caller hung up there."""


class _BridgedLeg(NamedTuple):
    """A bridge as the event of one of its legs reports it."""

    at: datetime
    call: str
    session: str | None


@dataclass(slots=True)
class _Room:
    """A conference that has not been reported yet."""

    first_at: datetime
    created_by: str | None = None
    name: str = ""
    ended_at: datetime | None = None
    figures: Figures = field(default_factory=Figures)
    """Recordings and approvals. The rest is computed at the end."""


class _Table:
    """Figures by name. Beyond 10,000 names, the rest share one row."""

    def __init__(self) -> None:
        self._rows: dict[str, Figures] = {}

    def __getitem__(self, name: str) -> Figures:
        if name not in self._rows and len(self._rows) >= _MAX_NAMES:
            name = _OTHERS
        return self._rows.setdefault(name, Figures())

    def rows(self, kind: RowKind) -> Iterator[ReportRow]:
        for name in sorted(self._rows):
            yield ReportRow(kind, name, self._rows[name])


class ReportFold:
    """The figures so far. Open conferences and calls are kept; ended ones are reported and forgotten."""

    def __init__(self, is_counted: Callable[[datetime], bool]) -> None:
        """`is_counted`: whether something that began at this time counts."""
        self._is_counted = is_counted
        self._projection = Projection(ended_kept=1_000_000)  # this class forgets conferences itself
        self._rooms: dict[str, _Room] = {}
        self._ended: deque[tuple[datetime, str]] = deque()
        """When conferences ended, and their ids, in the order in which the events arrived."""
        self._legs = Newest[str, _Leg](_MAX_LEGS)
        self._waiting = Newest[str, tuple[str, datetime]](_MAX_WAITING)
        """The queue of each waiting leg, and since when."""
        self._left = Newest[str, datetime](_MAX_WAITING)
        """When legs left a queue although no event had reported that they were in it: that event may come later."""
        self._bridging: deque[_BridgedLeg] = deque(maxlen=100)
        """Bridged legs whose peer is not known yet."""
        self._created: deque[tuple[datetime, str, str]] = deque(maxlen=100)
        """The newest names of `create_conference`: when, leg, name."""
        self._queues, self._agents, self._days = _Table(), _Table(), _Table()
        self._latest = _LONG_AGO

    # Events

    def add_event(self, event: StoredEvent) -> None:
        self._latest = max(self._latest, event.occurred_at)
        if event.type in _ENDS_BRIDGE and event.call_control_id is not None:
            self._end_bridge(event.call_control_id, event.occurred_at)
        self._fold(event)
        if event.type not in _QUEUE_EVENTS:  # the projection's queues would be kept although nothing reads them
            self._projection.add(event)
        if event.conference_id is not None and event.type.startswith("conference."):
            self._note_room(event.conference_id, event)

    def _fold(self, event: StoredEvent) -> None:
        match event.type:
            case "call.initiated":
                self._start_call(event)
            case "call.enqueued":
                self._start_wait(event)
            case "call.dequeued" | "call.left.queue":
                self._end_wait(event)
            case "call.bridged":
                self._start_bridge(event)
            case "conference.recording.saved":
                self._add_conference_recording(event)
            case "call.recording.saved":
                self._add_call_recording(event)
            case _:
                pass

    def _note_room(self, id_: str, event: StoredEvent) -> None:
        room = self._rooms.get(id_)
        if room is None:
            is_late = event.occurred_at < self._latest - _MAX_CONFERENCE_AGE
            if is_late or self._projection.present_in(id_) is None:  # it is reported already
                return
            room = self._rooms[id_] = _Room(event.occurred_at)
        room.first_at = min(room.first_at, event.occurred_at)
        if event.type == "conference.created":
            room.created_by = event.call_control_id
            for at, leg, name in self._created:
                if leg == event.call_control_id and abs(at - event.occurred_at) < _NAMING_GAP:
                    self._name(id_, name)
        elif event.type == "conference.ended" and room.ended_at is None:
            room.ended_at = event.occurred_at
            self._ended.append((event.occurred_at, id_))
        elif event.type == "conference.recording.saved":
            room.figures.add_recording(_recorded_seconds(event))

    def _name(self, id_: str, name: str) -> None:
        self._rooms[id_].name = name
        self._projection.name_conference(id_, name)

    def _leg(self, call: str) -> _Leg:
        leg = self._legs.get(call)
        if leg is None:
            leg = self._legs[call] = _Leg()
        return leg

    def _start_call(self, event: StoredEvent) -> None:
        leg = self._leg(event.call_control_id or "")
        number = event.payload.get("to")
        if event.payload.get("direction") == "outgoing" and isinstance(number, str):
            leg.agent = number
        if self._is_counted(event.occurred_at) and not leg.is_counted:
            leg.is_counted = True
            self._day(event.occurred_at).calls += 1
            if leg.agent:
                self._agents[leg.agent].calls += 1

    def _start_wait(self, event: StoredEvent) -> None:
        call, queue = event.call_control_id, event.queue
        if call is None or queue is None:
            return
        left_at = self._left.pop(call, None)
        if left_at is not None and left_at >= event.occurred_at:
            return
        self._waiting[call] = (queue, event.occurred_at)
        if self._is_counted(event.occurred_at):
            self._queues[queue].calls += 1

    def _end_wait(self, event: StoredEvent) -> None:
        call, queue = event.call_control_id, event.queue
        if call is None or queue is None:
            return
        wait_s = event.payload.get("wait_time_secs")
        since = self._take_wait(call, queue)
        is_new = since is None
        if since is None:
            if not isinstance(wait_s, int):
                return
            since = event.occurred_at - timedelta(seconds=wait_s)
            self._left[call] = event.occurred_at
        elif not isinstance(wait_s, int):
            wait_s = (event.occurred_at - since).total_seconds()
        is_abandoned = event.payload.get("reason") == "hangup"
        self._leg(call).waits.append((wait_s, is_abandoned))
        if self._is_counted(since):
            figures = self._queues[queue]
            figures.calls += is_new
            figures.add_wait(wait_s, is_abandoned=is_abandoned)
            self._day(since).add_wait(wait_s, is_abandoned=is_abandoned)

    def _take_wait(self, call: str, queue: str) -> datetime | None:
        """When a call was enqueued in this queue, which it leaves now. None: no event reported that."""
        waiting = self._waiting.get(call)
        if waiting is None or waiting[0] != queue:
            return None
        del self._waiting[call]
        return waiting[1]

    def _start_bridge(self, event: StoredEvent) -> None:
        call, at = event.call_control_id or "", event.occurred_at
        leg = self._leg(call)
        leg.bridged_at, leg.peer = at, None
        near = [other for other in self._bridging if abs(at - other.at) <= _BRIDGE_GAP and other.call != call]
        if not near:
            self._bridging.append(_BridgedLeg(at, call, event.call_session_id))
            return
        of_same_session = [other for other in near if other.session == event.call_session_id]
        peer = (of_same_session or near)[-1]
        self._bridging.remove(peer)
        leg.peer, self._leg(peer.call).peer = peer.call, call

    def _end_bridge(self, call: str, at: datetime) -> None:
        """A leg leaves its bridge: both legs stop talking."""
        leg = self._legs.get(call)
        if leg is None or leg.bridged_at is None:
            return
        peer = self._legs.get(leg.peer or "")
        for end in (leg, peer):
            if end is not None and end.bridged_at is not None:
                self._add_bridge(end, at)

    def _add_bridge(self, leg: _Leg, end: datetime) -> None:
        start, leg.bridged_at, leg.peer = leg.bridged_at, None, None
        if start is None or not self._is_counted(start):
            return
        talk_s = max((end - start).total_seconds(), 0)
        self._day(start).add_time(talk_s)
        if leg.agent:
            self._agents[leg.agent].add_time(talk_s)

    def _add_conference_recording(self, event: StoredEvent) -> None:
        if self._is_counted(event.occurred_at):
            self._day(event.occurred_at).add_recording(_recorded_seconds(event))

    def _add_call_recording(self, event: StoredEvent) -> None:
        if not self._is_counted(event.occurred_at):
            return
        seconds = _recorded_seconds(event)
        self._day(event.occurred_at).add_recording(seconds)
        leg = self._legs.get(event.call_control_id or "")
        if leg is not None and leg.agent:
            self._agents[leg.agent].add_recording(seconds)

    # The audit

    def add_record(self, record: AuditRecord) -> None:
        at = record.telnyx_time
        if is_conference_command(record):
            self._add_command(record.tool, record.arguments, at)
        if _is_approval(record.entry) and self._is_counted(at):
            by = str(object_at(record.entry, "asked").get("by") or "unknown")
            self._add_approval(by, record.arguments, at)

    def _add_command(self, tool: str, arguments: Mapping[str, Any], at: datetime) -> None:
        if tool in CONFERENCE:
            self._projection.record_command(tool, arguments, at)
        name, leg = arguments.get("name"), arguments.get("call_control_id")
        if tool == "create_conference" and isinstance(name, str) and isinstance(leg, str):
            self._created.append((at, leg, name))
            for id_, room in self._rooms.items():
                if room.created_by == leg and abs(room.first_at - at) < _NAMING_GAP:
                    self._name(id_, name)

    def _add_approval(self, by: str, arguments: Mapping[str, Any], at: datetime) -> None:
        self._day(at).add_approval(by)
        id_, queue, leg = (arguments.get(name) for name in ("conference_id", "queue_name", "call_control_id"))
        room = self._rooms.get(self._projection.conference_id(id_)) if isinstance(id_, str) else None
        if room is not None:
            room.figures.add_approval(by)
        if isinstance(queue, str):
            self._queues[queue].add_approval(by)
        known_leg = self._legs.get(leg) if isinstance(leg, str) else None
        if known_leg is not None and known_leg.agent:
            self._agents[known_leg.agent].add_approval(by)

    # Results

    def take_conferences(self) -> Iterator[ReportRow]:
        """The conferences that have ended for good. They are forgotten."""
        while self._ended and self._ended[0][0] < self._latest - LATENESS:
            _, id_ = self._ended.popleft()
            yield from self._take(id_, self._latest)
        overdue = self._latest - _MAX_CONFERENCE_AGE
        # Conferences are in the order of their first events, nearly that of their times.
        while self._rooms and (first := next(iter(self._rooms.items())))[1].first_at < overdue:
            yield from self._take(first[0], self._latest)

    def finish(self, now: datetime) -> Iterator[ReportRow]:
        """The remaining conferences as they are now, then the queues, agents and days."""
        now = max(now, self._latest)
        for id_ in list(self._rooms):
            yield from self._take(id_, now)
        for leg in self._legs.values():
            self._add_bridge(leg, now)
        yield from self._queues.rows(RowKind.QUEUE)
        yield from self._agents.rows(RowKind.AGENT)
        yield from self._days.rows(RowKind.DAY)

    def _take(self, id_: str, now: datetime) -> Iterator[ReportRow]:
        room = self._rooms.pop(id_, None)
        intervals = self._projection.intervals(id_, now) if room is not None else None
        self._projection.forget_conference(id_)
        if room is None or intervals is None or not self._is_counted(intervals.start):
            return
        figures, day = room.figures, self._day(intervals.start)
        for person in intervals.participants:
            figures.calls += 1
            leg = self._legs.get(person.call, _Leg())
            for waited, is_abandoned in leg.waits:
                figures.add_wait(waited, is_abandoned=is_abandoned)
            times = _times(person, intervals.start, intervals.end)
            for totals in (figures, day, *([self._agents[leg.agent]] if leg.agent else ())):
                totals.add_time(*times)
        ended_at = intervals.end if intervals.is_over else None
        yield ReportRow(RowKind.CONFERENCE, room.name, figures, id_, intervals.start, ended_at)

    def _day(self, at: datetime) -> Figures:
        return self._days[f"{at:%Y-%m-%d}"]


def is_reported(record: AuditRecord) -> bool:
    """Whether a record changes a figure.

    The others are left out before records are merged with events by time. A call that Telnyx did not answer has only
    this machine's time, which may be ahead of Telnyx's: it would hold up the records after it.
    """
    return is_conference_command(record) or _is_approval(record.entry)


def is_conference_command(record: AuditRecord) -> bool:
    """Whether Telnyx accepted a command to a conference."""
    return record.is_done and (record.tool in CONFERENCE or record.tool == "create_conference")


def _is_approval(entry: Mapping[str, Any]) -> bool:
    return object_at(entry, "asked").get("answer") == "yes" and entry.get("outcome") not in _NOT_FINAL


def _times(person: ParticipantIntervals, start: datetime, end: datetime) -> tuple[float, float, float]:
    """Seconds of talk, hold and mute of one call leg in a conference."""
    stays = [Interval(stay.start or start, stay.end or end) for stay in person.stays]
    held, muted = (_seconds(person.intervals.get(kind, [])) for kind in (ON_HOLD, MUTED))
    return max(_seconds(stays) - held, 0), held, muted


def _seconds(intervals: list[Interval]) -> float:
    return sum(max((interval.end - interval.start).total_seconds(), 0) for interval in intervals)


def _recorded_seconds(event: StoredEvent) -> float:
    start, end = (event.payload.get(f"recording_{name}_at") for name in ("started", "ended"))
    if not isinstance(start, str) or not isinstance(end, str):
        return 0
    try:
        return max((parse_time(end) - parse_time(start)).total_seconds(), 0)
    except ValueError:
        return 0
