"""The live picture: who is in which conference, who waits in which queue, folded from events in any order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from ..event import StoredEvent
from . import api_snapshot as asked
from . import command_effects as commands
from . import moments
from . import presenter as show
from . import timeline_text as telling
from .conference import MAX_CONFERENCE_DURATION, Conference
from .log import Log
from .moments import API_READ, Moment
from .queue import Queue
from .sanitize import resource_uri
from .views import ConferenceSummary, ConferenceView, QueueView

CONFERENCES = resource_uri("conferences")
QUEUES = resource_uri("queues")

_MAX_API_ANSWERS = 20
"""Answers of the API that are held for each conference and queue."""
_MAX_LATENESS = timedelta(minutes=10)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MAX_FORGOTTEN = 10_000
_MAX_PINNED = 20
"""Conferences that are held although they were forgotten."""
_MIN_OPEN_LIMIT = 64

ConferenceLog = Log[Conference]
QueueLog = Log[Queue]
Renderer = Callable[[str, ConferenceLog, Mapping[str, str], datetime], str]


@dataclass(slots=True)
class Call:
    """A call leg: what was told of it once and matters wherever it is, and where it has been."""

    began: Moment | None = None
    number: str | None = None
    """The far end's."""
    hangups: list[Moment] = field(default_factory=list[Moment])
    conferences: set[str] = field(default_factory=set[str])
    queues: set[str] = field(default_factory=set[str])

    def start(self, moment: Moment) -> bool:
        """Whether its number is another now. Of several events the first tells."""
        if self.began is not None and self.began.key <= moment.key:
            return False
        before, self.began = self.number, moment
        self.number = moment.detail.get("to" if moment.detail.get("direction") == "outgoing" else "from")
        return self.number != before


class Projection:
    """What is true now, as far as this server knows.

    Events may come late, twice and in any order: the picture is the same. `ended_kept` is how many conferences that
    have ended are remembered, `moments_kept` how much of one conference or queue is held at least to put what comes
    late in its place, `calls_kept` how many call legs and `queues_kept` how many queues are remembered. `recall` brings
    back, from stored events, a conference that was forgotten.
    """

    def __init__(
        self,
        *,
        ended_kept: int = 200,
        queues_kept: int = 1_000,
        calls_kept: int = 20_000,
        moments_kept: int = 10_000,
    ) -> None:
        self._ended_kept = ended_kept
        self._queues_kept = queues_kept
        self._calls_kept = calls_kept
        self._moments_kept = moments_kept
        self._conferences: dict[str, ConferenceLog] = {}
        self._queues: dict[str, QueueLog] = {}
        self._queue_names: dict[str, str] = {}
        """By the queue's id, which commands take for its name."""
        self._calls: dict[str, Call] = {}
        self._ended: dict[str, datetime] = {}
        self._forgotten: dict[str, None] = {}
        self._pinned: dict[str, None] = {}
        self._forgotten_before = _LONG_AGO
        """What ended before is forgotten."""
        self._open_limit = _MIN_OPEN_LIMIT
        self._latest = _LONG_AGO
        self._commands = 0

    def add(self, event: StoredEvent) -> set[str]:
        """Take in an event; the URIs of the resources that now read differently, none for one known already."""
        moment = moments.event_moment(event)
        self._latest = max(self._latest, moment.at)
        changed: set[str] = set()
        if event.conference_id is not None and moment.type.startswith("conference."):
            changed |= self._add_to_conference(event.conference_id, moment)
        if event.queue is not None and moment.type in Queue.CHANGED_BY:
            changed |= self._add_to_queue(event.queue, moment)
        if moment.call is not None and moment.type == "call.initiated":
            changed |= self._record_start(moment.call, moment)
        if moment.call is not None and moment.type == "call.hangup":
            changed |= self._record_hangup(moment.call, moment)
        return changed

    def restore(self, conference_id: str, events: Iterable[StoredEvent]) -> set[str]:
        """Bring back a conference that was forgotten, from its events; it stays until 20 others were brought back.

        The URIs of what now reads differently. For one that is remembered the same as `add` for each event.
        """
        self._pin(conference_id)
        return set[str]().union(*(self.add(event) for event in events))

    def _pin(self, conference_id: str) -> None:
        if conference_id in self._conferences:
            return
        self._forgotten.pop(conference_id, None)
        self._pinned[conference_id] = None
        if len(self._pinned) > _MAX_PINNED:
            oldest = next(iter(self._pinned))
            del self._pinned[oldest]
            if oldest in self._conferences:
                self._forget_calls_of(oldest, self._conferences.pop(oldest))
            self._forgotten[oldest] = None

    def conference(self, conference_id: str, now: datetime) -> ConferenceView | None:
        """One conference as it is at `now`; None if nothing is known of it, or no longer."""
        log = self._conferences.get(conference_id)
        return None if log is None else show.conference_view(conference_id, log.state, self.number, now)

    def conferences(self, now: datetime, *, open_only: bool = False) -> list[ConferenceView]:
        """All that are remembered, newest first."""
        views = [show.conference_view(id_, log.state, self.number, now) for id_, log in self._conferences.items()]
        wanted = [view for view in views if view.status == "open" or not open_only]
        return sorted(wanted, key=lambda view: (view.started_at or _LONG_AGO, view.id), reverse=True)

    def queue(self, name: str, now: datetime) -> QueueView | None:
        """One queue as it is at `now`; None if nothing is known of it, or it was deleted."""
        log = self._queues.get(name)
        return None if log is None or not log.state.exists else show.queue_view(name, log.state, self.number, now)

    def queues(self, now: datetime) -> list[QueueView]:
        """All that are remembered and were not deleted, by name."""
        views = (self.queue(name, now) for name in sorted(self._queues))
        return [view for view in views if view is not None]

    def summary(self, conference_id: str, now: datetime) -> ConferenceSummary | None:
        """What a conference came to by `now`, commands and the API's answers included."""
        log = self._conferences.get(conference_id)
        return None if log is None else show.summary_view(conference_id, log.state, self.number, now)

    def timeline(self, conference_id: str, now: datetime, names: Mapping[str, str] | None = None) -> str | None:
        """What happened in a conference, in Markdown, this server's commands included.

        `names` are what to call legs, by call_control_id; where there is none, their label or number stands.
        """
        return self._render(telling.timeline, conference_id, now, names)

    def timeline_svg(self, conference_id: str, now: datetime, names: Mapping[str, str] | None = None) -> str | None:
        """The same as a picture: one self-contained SVG, people as bars over time."""
        from .timeline_svg import timeline_svg  # noqa: PLC0415 (XML, for whoever wants to see it)

        return self._render(timeline_svg, conference_id, now, names)

    def _render(self, tell: Renderer, id_: str, now: datetime, names: Mapping[str, str] | None) -> str | None:
        log = self._conferences.get(id_)
        return None if log is None else tell(id_, log, self._names(log.state) | dict(names or {}), now)

    def number(self, call_control_id: str) -> str | None:
        """The phone number at the far end of a call leg."""
        call = self._calls.get(call_control_id)
        return None if call is None else call.number

    def numbers(self) -> list[str]:
        """The phone numbers at the far ends of all call legs that are remembered, last begun first."""
        found = (call.number for call in reversed(self._calls.values()) if call.number is not None)
        return list(dict.fromkeys(found))

    def conference_of(self, call_control_id: str) -> str | None:
        """The id of the conference that a call leg is in, as far as events and the API's answers tell."""
        call = self._calls.get(call_control_id)
        rooms = call.conferences if call is not None else ()
        return next((id_ for id_ in rooms if _is_in(self._conferences.get(id_), call_control_id)), None)

    def _names(self, state: Conference) -> dict[str, str]:
        labels = {call: one.facts["label"].value for call, one in state.participants.items() if "label" in one.facts}
        numbers = {call: number for call in state.participants if (number := self.number(call)) is not None}
        return numbers | labels

    def merge_conference(
        self,
        conference: Mapping[str, Any],
        participants: Sequence[Mapping[str, Any]] | None,
        asked_at: datetime,
    ) -> set[str]:
        """Take in what the API answered: a conference, and ALL who are in it (None: it was not asked).

        `asked_at` is when the first of the requests was sent. The URIs of what now reads differently: none if only the
        time is new at which the API was asked, since whoever reads a conference has the API asked, and reads it again
        when it has changed.
        """
        id_ = conference.get("id")
        if not isinstance(id_, str):
            return set()
        before = self.conference(id_, asked_at)
        answer = asked.read_conference(conference, participants)
        moment = moments.api_moment(asked_at, asked.digest(str(asked_at), conference, participants), {"answer": answer})
        if self._is_forgotten(id_, asked_at):
            self._pin(id_)
        changed = self._add_to_conference(id_, moment)
        if changed:
            _drop_old_answer(self._conferences[id_])
        for one in answer.participants or ():
            changed |= self._link_to_conference(one.call, id_)
        return set() if _is_same_view(before, self.conference(id_, asked_at)) else changed

    def merge_queue(
        self,
        queue: Mapping[str, Any],
        calls: Sequence[Mapping[str, Any]] | None,
        asked_at: datetime,
    ) -> set[str]:
        """Take in what the API answered: a queue, and ALL calls in it (None: it was not asked).

        The URIs of what now reads differently, as for `merge_conference`.
        """
        name = queue.get("name")
        if not isinstance(name, str):
            return set()
        if isinstance(queue.get("id"), str) and len(self._queue_names) < self._queues_kept:
            self._queue_names[queue["id"]] = name
        before = self.queue(name, asked_at)
        answer = asked.read_queue(queue, calls)
        moment = moments.api_moment(asked_at, asked.digest(str(asked_at), queue, calls), {"answer": answer})
        changed = self._add_to_queue(name, moment)
        if changed:
            _drop_old_answer(self._queues[name])
        for one in answer.calls or ():
            changed |= self._link_to_queue(one.call, name)
        return set() if _is_same_view(before, self.queue(name, asked_at)) else changed

    def record_command(self, tool: str, arguments: Mapping[str, Any], at: datetime) -> set[str]:
        """Take in a command of this server that Telnyx accepted: what it changes and no event tells.

        `tool` is the tool's name, `arguments` its arguments by name. The URIs of what now reads differently; none for
        a command that changes nothing, or that events tell of.
        """
        self._commands += 1
        id_ = f"command {self._commands:012}"
        if tool in commands.CONFERENCE:
            facts = tuple(commands.CONFERENCE[tool](arguments))
            detail = {"tool": tool, "facts": facts, "participant_id": arguments.get("participant_id")}
            room = arguments.get("conference_id")
            if not isinstance(room, str) or not facts:
                return set()
            return self._add_to_conference(room, moments.command_moment(at, id_, detail))
        if tool in commands.QUEUE:
            return self._record_queue_command(tool, arguments, at, id_)
        return set()

    def _record_queue_command(self, tool: str, arguments: Mapping[str, Any], at: datetime, id_: str) -> set[str]:
        name, fact = arguments.get("queue_name"), commands.QUEUE[tool]
        value = tool == "delete_queue" or arguments.get(fact)
        if not isinstance(name, str) or (value is None and tool not in commands.OPENS_QUEUE):
            return set()
        name = self._queue_names.get(name, name)
        facts = () if value is None else ((fact, value),)
        detail = {"tool": tool, "facts": facts}
        return self._add_to_queue(name, moments.command_moment(at, id_, detail, arguments.get("call_control_id")))

    def _add_to_conference(self, id_: str, moment: Moment) -> set[str]:
        log = self._conferences.get(id_)
        is_new = log is None
        if is_new and self._is_forgotten(id_, moment.at):
            return set()
        if log is None:
            log = self._conferences[id_] = Log(Conference, self._moments_kept)
        is_late = not log.is_newest(moment)
        if not log.add(moment):
            return set()
        changed = (
            {resource_uri("conferences", id_)}
            if is_new or is_late or moment.type in Conference.CHANGED_BY
            else set[str]()
        )
        if moment.call is not None:
            changed |= self._link_to_conference(moment.call, id_)
        if is_new or moment.type in ("conference.ended", API_READ):
            changed |= self._update_ended(id_, log, is_new)
        return changed

    def _is_forgotten(self, id_: str, at: datetime) -> bool:
        """Whether something happened in a conference that is forgotten, or that ended so long ago that it would be."""
        if id_ in self._pinned:
            return False
        return id_ in self._forgotten or (
            bool(self._forgotten) and at < self._forgotten_before - MAX_CONFERENCE_DURATION
        )

    def _update_ended(self, id_: str, log: ConferenceLog, is_new: bool) -> set[str]:
        before = self._ended.pop(id_, None)
        ended_at = log.state.ended_at
        if ended_at is not None and id_ not in self._pinned:
            self._ended[id_] = ended_at
        self._forget_conferences()
        return {CONFERENCES} if is_new or before != ended_at else set()

    def _forget_conferences(self) -> None:
        """Of those that have ended, or have lasted longer than any can, the oldest are forgotten."""
        if len(self._conferences) - len(self._ended) > self._open_limit:
            for id_, log in self._conferences.items():
                ended_at = show.is_over(log.state, self._latest, _MAX_LATENESS)
                if ended_at is not None and id_ not in self._pinned:
                    self._ended[id_] = ended_at
            self._open_limit = max(_MIN_OPEN_LIMIT, 2 * (len(self._conferences) - len(self._ended)))
        for _ in range(len(self._ended) - self._ended_kept):
            oldest = min(self._ended, key=lambda id_: (self._ended[id_], id_))
            self._forgotten_before = max(self._forgotten_before, self._ended.pop(oldest))
            self._forget_calls_of(oldest, self._conferences.pop(oldest))
            self._forgotten[oldest] = None
        for _ in range(len(self._forgotten) - _MAX_FORGOTTEN):
            del self._forgotten[next(iter(self._forgotten))]

    def _forget_calls_of(self, id_: str, log: ConferenceLog) -> None:
        """Legs that have hung up and were nowhere else go with the conference they were in."""
        for call_control_id in log.state.participants:
            call = self._calls.get(call_control_id)
            if call is None:
                continue
            call.conferences.discard(id_)
            if call.hangups and not call.conferences and not call.queues:
                del self._calls[call_control_id]

    def _add_to_queue(self, name: str, moment: Moment) -> set[str]:
        log = self._queues.get(name)
        is_new = log is None
        if log is None:
            self._make_room_for_a_queue()
            log = self._queues[name] = Log(Queue, self._moments_kept)
        existed = not log.is_stale and log.state.exists
        if not log.add(moment):
            return set()
        changed = {resource_uri("queues", name)}
        if moment.call is not None and moment.type in Queue.PLACED_BY:
            changed |= self._link_to_queue(moment.call, name)
        if is_new or (moment.type in Queue.BEGUN_BY if log.is_stale else log.state.exists != existed):
            changed.add(QUEUES)
        return changed

    def _make_room_for_a_queue(self) -> None:
        if len(self._queues) >= self._queues_kept:
            logs = self._queues
            del logs[min(logs, key=lambda name: (bool(logs[name].state.waiting), logs[name].last_at or _LONG_AGO))]

    def _call(self, call_control_id: str) -> Call:
        call = self._calls.get(call_control_id)
        if call is None:
            self._make_room_for_a_call()
            call = self._calls[call_control_id] = Call()
        return call

    def _make_room_for_a_call(self) -> None:
        """Those that have hung up are forgotten first, the oldest before the others."""
        if len(self._calls) >= self._calls_kept:
            oldest = sorted(self._calls, key=lambda id_: not self._calls[id_].hangups)
            for id_ in oldest[: max(self._calls_kept // 4, 1)]:
                del self._calls[id_]

    def _record_start(self, call_control_id: str, moment: Moment) -> set[str]:
        call = self._call(call_control_id)
        if not call.start(moment):
            return set()
        rooms = {resource_uri("conferences", id_) for id_ in call.conferences if id_ in self._conferences}
        return rooms | {resource_uri("queues", name) for name in call.queues if name in self._queues}

    def _record_hangup(self, call_control_id: str, moment: Moment) -> set[str]:
        call = self._call(call_control_id)
        if any(one.id == moment.id for one in call.hangups):
            return set()
        call.hangups.append(moment)
        changed: set[str] = set()
        for id_ in call.conferences:
            changed |= self._hang_up_in_conference(id_, moment)
        for name in call.queues:
            changed |= self._hang_up_in_queue(name, moment)
        return changed

    def _link_to_conference(self, call_control_id: str, id_: str) -> set[str]:
        """A leg is or was in a conference: its having hung up matters there."""
        call = self._call(call_control_id)
        call.conferences.add(id_)
        return set[str]().union(*(self._hang_up_in_conference(id_, moment) for moment in call.hangups))

    def _link_to_queue(self, call_control_id: str, name: str) -> set[str]:
        call = self._call(call_control_id)
        call.queues.add(name)
        return set[str]().union(*(self._hang_up_in_queue(name, moment) for moment in call.hangups))

    def _hang_up_in_conference(self, id_: str, moment: Moment) -> set[str]:
        log = self._conferences.get(id_)
        if log is None:
            return set()
        matters = log.is_stale or not log.is_newest(moment) or moment.call in log.state.present
        return {resource_uri("conferences", id_)} if log.add(moment) and matters else set()

    def _hang_up_in_queue(self, name: str, moment: Moment) -> set[str]:
        log = self._queues.get(name)
        if log is None:
            return set()
        matters = log.is_stale or not log.is_newest(moment) or moment.call in log.state.waiting
        return {resource_uri("queues", name)} if log.add(moment) and matters else set()


def _is_same_view(before: ConferenceView | QueueView | None, after: ConferenceView | QueueView | None) -> bool:
    """Whether a conference or a queue reads as it did."""
    return before is not None and after is not None and before.equals_ignoring_read_time(after)


def _is_in(log: ConferenceLog | None, call_control_id: str) -> bool:
    return log is not None and call_control_id in log.state.present


def _drop_old_answer(log: ConferenceLog | QueueLog) -> None:
    """If there are too many, the oldest that says no more than the one before it, or else the oldest."""
    answers = [moment for moment in log.moments if moment.type == API_READ]
    if len(answers) > _MAX_API_ANSWERS:
        same = (late for early, late in pairwise(answers) if early.detail == late.detail and late is not answers[-1])
        log.remove(next(same, answers[0]))
