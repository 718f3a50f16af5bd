"""The live projection: who is in which conference and who waits in which queue, folded from events in any order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from ..event import CONSENT_TYPES, StoredEvent, Via
from . import command_effects
from .api_snapshot import digest, read_conference, read_queue
from .call_legs import CallLeg, CallLegs
from .conference import Conference
from .conference_retention import ConferenceRetention
from .intervals import ConferenceIntervals, collect_intervals
from .log import Log
from .moments import API_READ, Moment, api_moment, command_moment, event_moment
from .people import PersonView, person_in
from .presenter import conference_view, participant_view, queue_view, summary_view
from .queue import Queue
from .sanitize import resource_uri
from .timeline_text import timeline
from .views import ConferenceSummary, ConferenceView, QueueView

CONFERENCES = resource_uri("conferences")
QUEUES = resource_uri("queues")

_MAX_API_ANSWERS = 20
"""Answers of the API that are kept for each conference and queue."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_PENDING = 100
"""Unknown conferences for which commands are kept, and commands for each."""

ConferenceLog = Log[Conference]
QueueLog = Log[Queue]
Renderer = Callable[[str, ConferenceLog, Mapping[str, str], datetime], str]

_DELIVERED = (Via.WEBHOOK, Via.SANDBOX)


class Projection:
    """The current state as far as this server knows it.

    Events may arrive late, twice and in any order: the state is the same. `ended_kept` is the number of ended
    conferences that are kept, `moments_kept` the least number of moments of one conference or queue among which a late
    one can be inserted, `calls_kept` the number of call legs and `queues_kept` the number of queues. `restore` brings
    a forgotten conference back from stored events.

    A conference is addressed by id, or by the name that the API reported for it.
    """

    def __init__(
        self,
        *,
        ended_kept: int = 200,
        queues_kept: int = 1_000,
        calls_kept: int = 20_000,
        moments_kept: int = 10_000,
    ) -> None:
        self._queues_kept = queues_kept
        self._moments_kept = moments_kept
        self.legs = CallLegs(calls_kept)
        """The call legs. Only the projection adds to them."""
        self._conferences: dict[str, ConferenceLog] = {}
        self._conference_ids: dict[str, str] = {}
        """The ids of open conferences, by name."""
        self._pending: dict[str, list[Moment]] = {}
        """Commands on conferences that are not known yet, by the id or name in the command."""
        self._queues: dict[str, QueueLog] = {}
        self._queue_names: dict[str, str] = {}
        """By the queue's id, which commands accept in place of its name."""
        self._retention = ConferenceRetention(ended_kept)
        self._latest = _LONG_AGO
        self.latest_webhook: datetime | None = None
        """When the newest event occurred that was delivered, not fetched."""
        self._commands = 0

    def add(self, event: StoredEvent) -> set[str]:
        """Add an event. Returns the URIs of the resources that change; none for an event that was added before."""
        moment = event_moment(event)
        self._latest = max(self._latest, moment.at)
        if event.via in _DELIVERED:
            self.latest_webhook = max(self.latest_webhook or moment.at, moment.at)
        is_consent = moment.type in CONSENT_TYPES
        if is_consent and event.via is not Via.SERVER:
            return set()
        changed: set[str] = set()
        if event.conference_id is not None and (is_consent or moment.type.startswith("conference.")):
            changed |= self._add_to_conference(event.conference_id, moment)
        if event.queue is not None and moment.type in Queue.CHANGED_BY:
            changed |= self._add_to_queue(event.queue, moment)
        is_kept_in_conference = is_consent and event.conference_id is not None
        if moment.call is not None and moment.type in CallLeg.EVENTS and not is_kept_in_conference:
            changed |= self._add_to_leg(moment.call, moment)
        return changed

    def restore(self, conference_id: str, events: Iterable[StoredEvent]) -> set[str]:
        """Restore a forgotten conference from its events. It is kept until 20 others have been restored.

        Returns the URIs of the resources that change. For a conference that is known, this is `add` for each event.
        """
        self._pin(conference_id)
        return set[str]().union(*(self.add(event) for event in events))

    def _pin(self, conference_id: str) -> None:
        if conference_id not in self._conferences and (oldest := self._retention.pin(conference_id)) is not None:
            self._drop(oldest)

    def _drop(self, conference_id: str) -> None:
        """Drop a forgotten conference, and the call legs that have hung up and were only in it."""
        log = self._conferences.pop(conference_id, None)
        if log is not None:
            self.legs.forget_conference(conference_id, log.state.participants)

    def conference(self, conference_id: str, now: datetime) -> ConferenceView | None:
        """A conference as it is at `now`. None if it is not known, or forgotten."""
        id_ = self.conference_id(conference_id)
        log = self._conferences.get(id_)
        return None if log is None else conference_view(id_, log.state, self.legs.caller, now)

    def conference_id(self, id_or_name: str) -> str:
        """The id of a conference that is given by its id or name. An unknown name is returned unchanged."""
        return id_or_name if id_or_name in self._conferences else self._conference_ids.get(id_or_name, id_or_name)

    def name_conference(self, conference_id: str, name: str) -> None:
        """Record the name of an open conference, as the API reports it. Commands on this name then apply to it."""
        if not name or conference_id not in self._conferences:
            return
        self._conference_ids[name] = conference_id
        for moment in self._pending.pop(name, ()):
            self._add_to_conference(conference_id, moment)

    def conferences(self, now: datetime, *, open_only: bool = False) -> list[ConferenceView]:
        """All known conferences, newest first."""
        views = [conference_view(id_, log.state, self.legs.caller, now) for id_, log in self._conferences.items()]
        matching = [view for view in views if view.status == "open" or not open_only]
        return sorted(matching, key=lambda view: (view.started_at or _LONG_AGO, view.id), reverse=True)

    def queue(self, name: str, now: datetime) -> QueueView | None:
        """A queue as it is at `now`. None if it is not known, or deleted."""
        log = self._queues.get(name)
        return None if log is None or not log.state.exists else queue_view(name, log.state, self.legs.caller, now)

    def queues(self, now: datetime) -> list[QueueView]:
        """All known queues that were not deleted, by name."""
        views = (self.queue(name, now) for name in sorted(self._queues))
        return [view for view in views if view is not None]

    def summary(self, conference_id: str, now: datetime) -> ConferenceSummary | None:
        """The figures of a conference at `now`, with the effects of commands and the API's answers."""
        id_ = self.conference_id(conference_id)
        log = self._conferences.get(id_)
        return None if log is None else summary_view(id_, log.state, self.legs.caller, now)

    def timeline(self, conference_id: str, now: datetime, names: Mapping[str, str] | None = None) -> str | None:
        """What happened in a conference, in Markdown, with the commands of this server.

        `names`: names for call legs, by call_control_id. Other legs have their label or number.
        """
        return self._render(timeline, conference_id, now, names)

    def timeline_svg(self, conference_id: str, now: datetime, names: Mapping[str, str] | None = None) -> str | None:
        """The same as one self-contained SVG: participants as bars over time."""
        from .timeline_svg import timeline_svg  # noqa: PLC0415 (loads the XML library)

        return self._render(timeline_svg, conference_id, now, names)

    def intervals(self, conference_id: str, now: datetime) -> ConferenceIntervals | None:
        """The intervals of a conference up to its end or up to `now`. None if it is not known."""
        log = self._conferences.get(conference_id)
        return None if log is None else collect_intervals(log, now)

    def forget_conference(self, conference_id: str) -> None:
        """Forget a conference that no later event will change, and its call legs that have hung up."""
        if conference_id in self._conferences:
            self._drop(conference_id)
            self._retention.forget(conference_id)
            self._conference_ids = {name: id_ for name, id_ in self._conference_ids.items() if id_ != conference_id}

    def _render(
        self, render: Renderer, conference_id: str, now: datetime, names: Mapping[str, str] | None
    ) -> str | None:
        id_ = self.conference_id(conference_id)
        log = self._conferences.get(id_)
        return None if log is None else render(id_, log, self._names(log.state) | dict(names or {}), now)

    def conference_of(self, call_control_id: str) -> str | None:
        """The id of the conference that a call leg is in, as far as known.

        The event of its leaving may be missing: it is in the conference that it joined last, unless it was put in a
        queue or a bridge since then.
        """
        leg = self.legs.find(call_control_id)
        logs = ((id_, self._conferences.get(id_)) for id_ in (leg.conferences if leg is not None else ()))
        present = ((id_, log.state.present.get(call_control_id)) for id_, log in logs if log is not None)
        joined = [(person.joined_at or _LONG_AGO, id_) for id_, person in present if person is not None]
        joined_at, conference_id = max(joined, default=(_LONG_AGO, None))
        moved_on_at = leg.moved_on_at if leg is not None else None
        return None if moved_on_at is not None and _LONG_AGO < joined_at < moved_on_at else conference_id

    def queue_of(self, call_control_id: str) -> str | None:
        """The name of the queue that a call leg waits in, according to events and the API's answers."""
        leg = self.legs.find(call_control_id)
        logs = ((name, self._queues.get(name)) for name in (leg.queues if leg is not None else ()))
        return next((name for name, log in logs if log is not None and call_control_id in log.state.waiting), None)

    def person(self, call_control_id: str, now: datetime) -> PersonView | None:
        """Who is on a call leg, and in which state. None if the leg is not known.

        `describe_person` in the module `people` says the same in a few words.
        """
        conference_id = self.conference_of(call_control_id)
        if conference_id is not None:
            state = self._conferences[conference_id].state
            person = state.present[call_control_id]
            return person_in(participant_view(person, state, self.legs.caller, state.ended_by(now), now), conference_id)
        leg = self.legs.find(call_control_id)
        if leg is None:
            return None
        queue = self.queue_of(call_control_id)
        return PersonView(
            call_control_id=call_control_id,
            number=leg.caller.number,
            caller_name=leg.caller.name,
            is_on_hold=leg.on_hold_since is not None,
            on_hold_since=leg.on_hold_since,
            queue=queue,
            queued_at=self._queues[queue].state.waiting[call_control_id].since if queue else None,
            is_alive=not leg.hangups,
        )

    def present_in(self, conference_id: str) -> frozenset[str] | None:
        """The call legs in a conference; None when nothing is known of the conference."""
        log = self._conferences.get(self.conference_id(conference_id))
        return None if log is None else frozenset(log.state.present)

    def conference_state(self, conference_id: str) -> Conference | None:
        """The state of a conference, for reading only: quicker than its view."""
        log = self._conferences.get(conference_id)
        return None if log is None else log.state

    def queue_state(self, name: str) -> Queue | None:
        """The state of a queue, for reading only: quicker than its view."""
        log = self._queues.get(name)
        return None if log is None or not log.state.exists else log.state

    def places(self) -> tuple[list[str], list[str]]:
        """The ids of all known conferences, and the names of all known queues."""
        return list(self._conferences), list(self._queues)

    def _names(self, state: Conference) -> dict[str, str]:
        labels = {
            call: person.facts["label"].value for call, person in state.participants.items() if "label" in person.facts
        }
        numbers = {call: number for call in state.participants if (number := self.legs.number(call)) is not None}
        return numbers | labels

    def merge_conference(
        self,
        conference: Mapping[str, Any],
        participants: Sequence[Mapping[str, Any]] | None,
        asked_at: datetime,
    ) -> set[str]:
        """Merge the API's answer: a conference, and ALL its participants (None: the API was not asked).

        `asked_at`: when the first request was sent. Returns the URIs of the resources that change. A new read time
        alone is no change: reading a conference asks the API, and a change makes clients read it again.
        """
        id_ = conference.get("id")
        if not isinstance(id_, str):
            return set()
        before = self.conference(id_, asked_at)
        answer = read_conference(conference, participants)
        moment = api_moment(asked_at, digest(str(asked_at), conference, participants), {"answer": answer})
        if self._retention.is_forgotten(id_, asked_at):
            self._pin(id_)
        changed = self._add_to_conference(id_, moment)
        if changed:
            _drop_old_answer(self._conferences[id_])
        for listed in answer.participants or ():
            changed |= self._link_to_conference(listed.call, id_)
        name = conference.get("name")
        if isinstance(name, str) and not answer.is_over:
            self.name_conference(id_, name)
        return set() if _is_same_view(before, self.conference(id_, asked_at)) else changed

    def merge_queue(
        self,
        queue: Mapping[str, Any],
        calls: Sequence[Mapping[str, Any]] | None,
        asked_at: datetime,
    ) -> set[str]:
        """Merge the API's answer: a queue, and ALL calls in it (None: the API was not asked).

        Returns the URIs of the resources that change, as `merge_conference` does.
        """
        name = queue.get("name")
        if not isinstance(name, str):
            return set()
        if isinstance(queue.get("id"), str) and len(self._queue_names) < self._queues_kept:
            self._queue_names[queue["id"]] = name
        before = self.queue(name, asked_at)
        answer = read_queue(queue, calls)
        moment = api_moment(asked_at, digest(str(asked_at), queue, calls), {"answer": answer})
        changed = self._add_to_queue(name, moment)
        if changed:
            _drop_old_answer(self._queues[name])
        for listed in answer.calls or ():
            changed |= self._link_to_queue(listed.call, name)
        return set() if _is_same_view(before, self.queue(name, asked_at)) else changed

    def record_command(self, tool: str, arguments: Mapping[str, Any], at: datetime) -> set[str]:
        """Record a command of this server that Telnyx accepted, if it has effects that no event reports.

        `tool`: the name of the tool. Returns the URIs of the resources that change. A command on a conference that is
        not known yet takes effect when the conference becomes known, by its id or its name.
        """
        self._commands += 1
        id_ = f"command {self._commands:012}"
        if tool in command_effects.CONFERENCE:
            effects = tuple(command_effects.CONFERENCE[tool](arguments))
            detail = {"tool": tool, "facts": effects, "participant_id": arguments.get("participant_id")}
            conference = arguments.get("conference_id")
            if not isinstance(conference, str) or not effects:
                return set()
            return self._record_conference_command(conference, command_moment(at, id_, detail))
        if tool in command_effects.QUEUE:
            return self._record_queue_command(tool, arguments, at, id_)
        return set()

    def _record_conference_command(self, id_or_name: str, moment: Moment) -> set[str]:
        id_ = self.conference_id(id_or_name)
        if id_ in self._conferences:
            return self._add_to_conference(id_, moment)
        if id_or_name not in self._pending and len(self._pending) >= _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        pending = self._pending.setdefault(id_or_name, [])
        pending.append(moment)
        del pending[:-_MAX_PENDING]
        return set()

    def _record_queue_command(self, tool: str, arguments: Mapping[str, Any], at: datetime, id_: str) -> set[str]:
        name, fact = arguments.get("queue_name"), command_effects.QUEUE[tool]
        value = tool == "delete_queue" or arguments.get(fact)
        if not isinstance(name, str) or (value is None and tool not in command_effects.OPENS_QUEUE):
            return set()
        name = self._queue_names.get(name, name)
        facts = () if value is None else ((fact, value),)
        detail = {"tool": tool, "facts": facts}
        return self._add_to_queue(name, command_moment(at, id_, detail, arguments.get("call_control_id")))

    def _add_to_conference(self, id_: str, moment: Moment) -> set[str]:
        log = self._conferences.get(id_)
        is_new = log is None
        if is_new and self._retention.is_forgotten(id_, moment.at):
            return set()
        if log is None:
            log = self._conferences[id_] = Log(Conference, self._moments_kept)
            for pending in self._pending.pop(id_, ()):
                log.add(pending)
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

    def _update_ended(self, id_: str, log: ConferenceLog, is_new: bool) -> set[str]:
        is_changed = self._retention.set_end(id_, log.state.ended_at)
        for oldest in self._retention.forget_oldest(self._conferences, self._latest):
            self._drop(oldest)
        return {CONFERENCES} if is_new or is_changed else set()

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

    def _add_to_leg(self, call_control_id: str, moment: Moment) -> set[str]:
        leg = self.legs.find_or_add(call_control_id)
        if not leg.add(moment):
            return set()
        if moment.type == "call.initiated":
            conferences = {resource_uri("conferences", id_) for id_ in leg.conferences if id_ in self._conferences}
            return conferences | {resource_uri("queues", name) for name in leg.queues if name in self._queues}
        changed = set[str]().union(*(self._add_leg_moment(id_, moment) for id_ in leg.conferences))
        if moment.type == "call.hangup":
            changed = changed.union(*(self._hang_up_in_queue(name, moment) for name in leg.queues))
        return changed

    def _link_to_conference(self, call_control_id: str, id_: str) -> set[str]:
        """A leg is or was in a conference. Its hang-up, holds and consent take effect there."""
        leg = self.legs.find_or_add(call_control_id)
        leg.conferences.add(id_)
        return set[str]().union(*(self._add_leg_moment(id_, moment) for moment in leg.conference_moments))

    def _link_to_queue(self, call_control_id: str, name: str) -> set[str]:
        leg = self.legs.find_or_add(call_control_id)
        leg.queues.add(name)
        return set[str]().union(*(self._hang_up_in_queue(name, moment) for moment in leg.hangups))

    def _add_leg_moment(self, id_: str, moment: Moment) -> set[str]:
        """Add a moment of a leg to a conference in which the leg is or was."""
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
    """Whether a view is the same as before, except for the read time."""
    return before is not None and after is not None and before.equals_ignoring_read_time(after)


def _drop_old_answer(log: ConferenceLog | QueueLog) -> None:
    """If there are too many answers, drop the oldest one that repeats the one before it, or else the oldest."""
    answers = [moment for moment in log.moments if moment.type == API_READ]
    if len(answers) > _MAX_API_ANSWERS:
        repeats = (late for early, late in pairwise(answers) if early.detail == late.detail and late is not answers[-1])
        log.remove(next(repeats, answers[0]))
