"""The events of one server: folds them into the projection, waits for them, and adds what the API reports."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from ...tools.base import Command
from ...tools.text import quoted
from ..errors import CallFailed, CallRefused
from ..lifecycle import Shutdown
from .event import EventFilter, StoredEvent
from .history import load_conference_history
from .store import Store
from .store_connection import OPEN_DELAY_S, StoreConnection
from .views import event_view

if TYPE_CHECKING:
    from .projection.intervals import ConferenceIntervals
    from .projection.projection import Projection
    from .projection.views import ConferenceView, QueueView
    from .transcript import Utterance

logger = logging.getLogger(__name__)

_NEW_LEG_TIMEOUT_S = 1
"""How long a transfer waits for the event that names its new call leg."""
_MAX_WAIT_EVENTS = 20
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Telnyx's conference ids."""
_MAX_UNSEEN = 20
"""Conferences or queues of a list that are read one by one because no event has reported them."""
_PROGRESS_INTERVAL_S = 5.0
"""Between progress notifications to a waiting client."""
Progress = Callable[[float, float, str], Awaitable[None]]
"""Called with the seconds waited, the timeout in seconds, and a message."""
ApiAnswer = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]] | None]
"""A conference and all its participants, or a queue and all its calls, from the API. None: the API was not asked."""
Merge = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]] | None, datetime], set[str]]
"""Merges an answer, given the time of the request. Returns the URIs of the resources that change."""
OnChange = Callable[[set[str], list[StoredEvent]], None]
"""Called with the URIs of the resources that changed, and the events that changed them."""


class Facts(Protocol):
    """Reads from Telnyx's API what events do not report. Every method raises `CallFailed`."""

    async def open_conferences(self) -> dict[str, str]:
        """The names of the conferences in progress, by id."""
        ...

    async def queues(self) -> list[str]:
        """The names of all queues."""
        ...

    async def conference(self, conference_id: str) -> ApiAnswer: ...

    async def queue(self, name: str) -> ApiAnswer: ...


@dataclass(slots=True, eq=False)
class _Waiter:
    """A call of `wait_for_event`."""

    event_filter: EventFilter
    seen: list[StoredEvent] = field(default_factory=list[StoredEvent])
    arrived: anyio.Event = field(default_factory=anyio.Event)

    def offer(self, events: Sequence[StoredEvent]) -> None:
        self.seen += [event for event in events if self.event_filter.matches(event)]
        if self.seen:
            self.arrived.set()


class EventService:
    """Everything a server does with events."""

    def __init__(
        self,
        open_store: Callable[[], AbstractAsyncContextManager[Store]],
        facts: Facts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        open_delay_s: float = OPEN_DELAY_S,
        shutdown: Shutdown | None = None,
    ) -> None:
        """`open_store` opens the store, `open_delay_s` seconds after the start or when it is needed."""
        self.no_events_reason = ""
        """Why no events can arrive. Empty: they can."""
        self.describe_ingest: Callable[[], str] = lambda: "No webhooks arrive here."
        """How events arrive, in a sentence."""
        self.connection = StoreConnection(
            open_store, load=self._project, on_stored=self._on_stored, now=now, delay_s=open_delay_s
        )
        self._facts = facts
        self.now = now
        self._shutdown = shutdown or Shutdown()
        self._waiters: set[_Waiter] = set()
        self._listeners: list[OnChange] = []

    @cached_property
    def projection(self) -> "Projection":
        """The current state, from events, commands and the API's answers."""
        from .projection.projection import Projection  # noqa: PLC0415 (postponed until after the first answer)

        return Projection()

    async def store(self) -> Store:
        """The store, which is opened now if necessary. Raises `CallRefused` if it cannot be opened."""
        return await self.connection.store()

    @property
    def waiter_count(self) -> int:
        """How many calls wait for events now."""
        return len(self._waiters)

    def on_change(self, listener: OnChange) -> None:
        """Call the listener with every change from now on."""
        self._listeners.append(listener)

    def _on_stored(self, events: list[StoredEvent]) -> None:
        changed: set[str] = set()
        for event in events:
            changed |= self._project(event)
        for waiter in list(self._waiters):
            waiter.offer(events)
        self._notify(changed, events)

    def _project(self, event: StoredEvent) -> set[str]:
        """Add an event to the projection. One that it cannot handle must not keep the later ones out."""
        try:
            return self.projection.add(event)
        except Exception:
            logger.exception("Event %d (%r) could not be added to the live state", event.number, event.type)
            return set()

    def _notify(self, changed: set[str], events: list[StoredEvent]) -> None:
        for listener in self._listeners:
            listener(changed, events)

    def record_command(self, command: Command) -> None:
        """Record a command that Telnyx accepted: no event reports some of its effects, such as a mute."""
        if not command.is_read():
            self._notify(self.projection.record_command(command.tool_name(), vars(command), self.now()), [])

    def add_people(self, fields: Mapping[str, Any]) -> str:
        """Add to the participants in a result who they are, and since when they are muted or on hold.

        Returns a sentence for the summary if their numbers cannot be known.
        """
        participants = [*fields.get("participants", ()), *filter(None, [fields.get("participant")])]
        if not participants:
            return ""
        from .projection.people import add_people  # noqa: PLC0415 (as above)

        add_people(participants, self.projection.person, self.now())
        is_unknown = self.no_events_reason and not any(participant.number for participant in participants)
        return "Their numbers are not known: this server receives no events." if is_unknown else ""

    async def wait(self, event_filter: EventFilter, timeout_s: float, progress: Progress) -> list[StoredEvent]:
        """The first events that match, past or to come; empty if none comes in time."""
        store = await self.store()
        waiter = _Waiter(event_filter)
        self._waiters.add(waiter)  # before the search, so that no event is missed in between
        try:
            events = await store.find(event_filter, limit=_MAX_WAIT_EVENTS, newest_first=False)
            if not events:
                await self._wait_for_match(waiter, timeout_s, progress)
                events = waiter.seen[:_MAX_WAIT_EVENTS]
        finally:
            self._waiters.discard(waiter)
        return events

    async def _wait_for_match(self, waiter: _Waiter, timeout_s: float, progress: Progress) -> None:
        started = anyio.current_time()
        with self._shutdown.cancel_scope(), anyio.move_on_after(timeout_s):
            while not waiter.arrived.is_set():
                with anyio.move_on_after(_PROGRESS_INTERVAL_S):
                    await waiter.arrived.wait()
                    return
                await progress(anyio.current_time() - started, timeout_s, "still waiting")

    async def new_leg(self, number: str, after_number: int) -> str | None:
        """The call leg to a number, from the first `call.initiated` event after this one.

        None where no events arrive, or if none comes in time.
        """
        event_filter = EventFilter(types=frozenset({"call.initiated"}), after_number=after_number)
        event = await self.first(event_filter, _NEW_LEG_TIMEOUT_S, lambda event: event.payload.get("to") == number)
        return event.call_control_id if event else None

    async def first(
        self, event_filter: EventFilter, timeout_s: float, matches: Callable[[StoredEvent], bool] = lambda _: True
    ) -> StoredEvent | None:
        """The first event that matches, past or to come. None where no events arrive, or if none comes in time."""
        store = self.connection.current
        if self.no_events_reason or store is None:
            return None
        waiter = _Waiter(event_filter)
        self._waiters.add(waiter)  # before the search, so that no event is missed in between
        try:
            waiter.offer(await store.find(event_filter, limit=_MAX_WAIT_EVENTS, newest_first=False))
            with self._shutdown.cancel_scope(), anyio.move_on_after(timeout_s):
                while not (matching := [event for event in waiter.seen if matches(event)]):
                    waiter.arrived = anyio.Event()
                    await waiter.arrived.wait()
                return matching[0]
        finally:
            self._waiters.discard(waiter)
        return None

    async def transcript(self, conference_id: str) -> str | None:
        """The transcript of a conference, in Markdown. None: no event reports it."""
        from .transcript import transcript_markdown  # noqa: PLC0415 (as above)

        try:
            intervals, utterances = await self.utterances(conference_id, None)
        except CallRefused:
            return None
        view = await self.conference(conference_id)
        name = quoted(view.name) if view is not None and view.name else conference_id
        return transcript_markdown(name, intervals.start, utterances)

    async def utterances(
        self, conference_id: str, since: datetime | None
    ) -> "tuple[ConferenceIntervals, list[Utterance]]":
        """The speech in a conference since a time; None: since its start.

        Raises `CallRefused` if no event reports the conference.
        """
        from .transcript import read_transcript  # noqa: PLC0415 (as above)

        view = await self.conference(conference_id)
        intervals = self.projection.intervals(view.id, self.now()) if view is not None else None
        if intervals is None:
            unknown = f"There is no event of a conference {quoted(conference_id)}."
            raise CallRefused(" ".join(filter(None, [unknown, self.no_events_reason])))
        return intervals, await read_transcript(await self.store(), self.projection, intervals, since)

    def view(self, store: Store, event: StoredEvent) -> dict[str, Any]:
        """An event as JSON, with transcribed speech as far as this process remembers it."""
        return event_view(store.speech.restored(event))

    async def queue(self, name: str) -> "QueueView | None":
        """A queue from events and from the API, or from events alone if the API cannot be read.

        None: it is not known. Raises `CallFailed` if no event reports it and the API cannot be read.
        """
        await self.store()
        try:
            await self._merge_answer(self._facts.queue(name), self.projection.merge_queue)
        except CallFailed:
            if self.projection.queue(name, self.now()) is None:
                raise
        return self.projection.queue(name, self.now())

    async def _merge_answer(self, read: Awaitable[ApiAnswer], merge: Merge) -> None:
        """Merge an answer of the API into the projection. Raises `CallFailed`."""
        asked_at = self.now()
        resource, members = await read
        self._notify(merge(resource, members, asked_at), [])

    async def conference(self, conference_id: str) -> "ConferenceView | None":
        """A conference from the projection, or else from stored events. None: no event reports it."""
        await self.store()
        view = self.projection.conference(conference_id, self.now())
        if view is None:
            await self._restore(conference_id)
            view = self.projection.conference(conference_id, self.now())
        return view

    async def conference_now(self, conference_id: str) -> "ConferenceView | None":
        """A conference from events and from the API, or from events alone if the API cannot be read.

        `conference_id` may also be the name of an open conference. None: it is not known. Raises `CallFailed` if no
        event reports it and the API cannot be read.
        """
        from_events = await self.conference(conference_id)
        try:
            id_ = from_events.id if from_events else await self._look_up_name(conference_id)
            await self._merge_answer(self._facts.conference(id_), self.projection.merge_conference)
        except CallFailed:
            if from_events is None:
                raise
        return self.projection.conference(conference_id, self.now())

    async def _look_up_name(self, id_or_name: str) -> str:
        """The id of the open conference with this name, or else the argument. Raises `CallFailed`."""
        if _UUID.fullmatch(id_or_name):
            return id_or_name
        names = await self._facts.open_conferences()
        return next((id_ for id_, name in names.items() if name == id_or_name), id_or_name)

    async def conferences(self) -> "list[ConferenceView]":
        """All known conferences, newest first, and those in progress that no event has reported."""
        await self.store()
        projection = self.projection
        try:
            names = await self._facts.open_conferences()
            unseen = [id_ for id_ in names if projection.conference(id_, self.now()) is None]
            await self._merge_unseen(unseen, self._facts.conference, projection.merge_conference)
            for id_, name in names.items():
                projection.name_conference(id_, name)
        except CallFailed as problem:
            logger.warning("Conferences are read from events alone: %s", problem)
        return projection.conferences(self.now())

    async def queues(self) -> "list[QueueView]":
        """All known queues, by name, and those that no event has reported."""
        await self.store()
        projection = self.projection
        try:
            unseen = [name for name in await self._facts.queues() if projection.queue(name, self.now()) is None]
            await self._merge_unseen(unseen, self._facts.queue, projection.merge_queue)
        except CallFailed as problem:
            logger.warning("Queues are read from events alone: %s", problem)
        return projection.queues(self.now())

    async def _merge_unseen(
        self, names: Sequence[str], read: Callable[[str], Awaitable[ApiAnswer]], merge: Merge
    ) -> None:
        """Read conferences or queues that the projection does not know. Raises `CallFailed`."""
        for name in names[:_MAX_UNSEEN]:
            await self._merge_answer(read(name), merge)

    async def timeline(self, conference_id: str) -> str | None:
        """What happened in a conference, in Markdown. None: no event reports it."""
        if await self.conference(conference_id) is None:
            return None
        return self.projection.timeline(conference_id, self.now())

    async def timeline_svg(self, conference_id: str) -> str | None:
        """The same as an SVG."""
        if await self.conference(conference_id) is None:
            return None
        return self.projection.timeline_svg(conference_id, self.now())

    async def _restore(self, conference_id: str) -> None:
        """Load a conference that the projection has forgotten."""
        self.projection.restore(conference_id, await load_conference_history(conference_id, await self.store()))
