"""The events of one server: kept, folded into what is true now, found, and waited for."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from ...tools.base import Command, Tool
from ...tools.events import ConferenceSummary, GetEvent, ListEvents, WaitForEvent
from ...tools.text import count, listed, quoted
from ..database import Database, StoreUnreachable
from ..errors import CallFailed, CallRefused
from ..shutdown import SHUTTING_DOWN, Shutdown
from .event import MAX_COUNT, Event, EventFilter, StoredEvent
from .history import LOOK_BACK, load_conference_history
from .projection.event_text import describe_event
from .store import Store, StoreError, UnfitEvent
from .times import parse_time
from .views import event_view

if TYPE_CHECKING:
    from .projection.projection import Projection
    from .projection.views import ConferenceView, QueueView

logger = logging.getLogger(__name__)

_MAX_LOADED_EVENTS = 200_000
_LOAD_BATCH = 200
_SHUTDOWN_TIMEOUT_S = 5.0
"""Seconds for what is in hand at the end."""
_RETRY_DELAY_S = 1.0
"""Seconds until an event that could not be stored is tried again."""
_MAX_WAIT_EVENTS = 20
_KINDS = ("call.", "conference.")
_MAX_UNSEEN = 20
"""Conferences or queues that are asked about one by one because a list names them and no event has."""
_PROGRESS_INTERVAL_S = 5.0
"""Seconds between words to a client that waits."""
_OPEN_DELAY_S = 2.0
"""Seconds after the start until the store is opened, if nothing needs it before: it must not delay the first answer."""

Progress = Callable[[float, float, str], Awaitable[None]]
"""Seconds waited, seconds at the most, and a word."""
CursorLookup = Callable[[], Awaitable[int]]
ApiAnswer = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]] | None]
"""What Telnyx's API said: a conference or a queue, and ALL who are in it (None: it did not say)."""
Merge = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]] | None, datetime], set[str]]
"""Takes in what was answered, and when it was asked; the URIs of what reads differently by it."""
OnChange = Callable[[set[str], list[StoredEvent]], None]
"""Told which resources changed, and by which events."""


class Facts(Protocol):
    """What only Telnyx's API knows. Asking raises `CallFailed`."""

    async def open_conferences(self) -> list[str]:
        """The ids of those that are in progress."""
        ...

    async def queues(self) -> list[str]:
        """The names of those there are."""
        ...

    async def conference(self, conference_id: str) -> ApiAnswer: ...

    async def queue(self, name: str) -> ApiAnswer: ...


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody who waits for events."""

    wanted: EventFilter
    seen: list[StoredEvent] = field(default_factory=list[StoredEvent])
    arrived: anyio.Event = field(default_factory=anyio.Event)

    def offer(self, events: Sequence[StoredEvent]) -> None:
        self.seen += [event for event in events if self.wanted.matches(event)]
        if self.seen:
            self.arrived.set()


class EventService:
    """What a server knows from events.

    `open_store` opens the store; that is put off until it is needed or a moment after the start.
    """

    def __init__(
        self,
        open_store: Callable[[], AbstractAsyncContextManager[Store]],
        facts: Facts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        settle: float = _OPEN_DELAY_S,
        leaving: Shutdown | None = None,
    ) -> None:
        self.no_events_reason = ""
        """Why no events can come, where that is so."""
        self.describe_ingest: Callable[[], str] = lambda: "by whoever feeds this server"
        """How events come, in words."""
        self._open_store = open_store
        self._facts = facts
        self.now = now
        self._settle = settle
        self._leaving = leaving or Shutdown()
        self._wake = anyio.Event()
        self._opened = anyio.Event()
        """Set once the store is open, or could not be opened for the first time."""
        self._decided = anyio.Event()
        """Set once the store is open, or it is of no use to try again."""
        self._store: Store | None = None
        self._problem: StoreError | None = None
        self._waiters: set[_Waiter] = set()
        self._listeners: list[OnChange] = []
        self._backlog: list[tuple[Event, bytes]] = []
        self._fresh = anyio.Event()
        self.newest = 0
        """The number of the newest event that is known here."""
        self.newest_at_start = 0
        """What that was when the store was opened."""

    @cached_property
    def projection(self) -> "Projection":
        """What is true now, as far as events, commands and the API's answers tell."""
        from .projection.projection import Projection  # noqa: PLC0415 (the first answer need not wait for it)

        return Projection()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Open the store in the background, and close it at the end with everything in hand written."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def _run(self) -> None:
        with anyio.move_on_after(self._settle):
            await self._wake.wait()
        while True:
            if not await self._hold_store_open():
                break
            await anyio.sleep(_RETRY_DELAY_S)
        self._decided.set()

    async def _hold_store_open(self) -> bool:
        """Have the store open until cancelled. If it cannot be opened, return whether that may pass by itself."""
        async with AsyncExitStack() as stack:
            try:
                store = await stack.enter_async_context(self._open_store())
                stack.callback(
                    store.subscribe(self._on_stored)
                )  # before loading: the picture takes events in any order
                with anyio.move_on_after(
                    _SHUTDOWN_TIMEOUT_S
                ):  # what happened before the first question belongs to its answer
                    await self._drain(store)
                await self._load(store)
                latest = await store.latest_number()
            except StoreError as problem:
                if self._problem is None:
                    logger.error("Events are not available: %s", problem)
                self._problem = problem
                self._opened.set()
                return isinstance(problem, StoreUnreachable)
            self._store = store
            self.newest = self.newest_at_start = max(self.newest, latest)
            self._opened.set()
            self._decided.set()
            try:
                await self._store_backlog(store)
            finally:
                with anyio.move_on_after(_SHUTDOWN_TIMEOUT_S, shield=True):
                    await self._drain(store)
        return False

    async def _load(self, store: Store) -> None:
        """Fold what is stored of the recent past."""
        wanted = EventFilter(since=self.now() - LOOK_BACK)
        for _ in range(_MAX_LOADED_EVENTS // _LOAD_BATCH):
            batch = await store.find(wanted, limit=_LOAD_BATCH, newest_first=False)
            for event in batch:
                self.projection.add(event)
            if len(batch) < _LOAD_BATCH:
                return
            wanted = replace(wanted, after_number=batch[-1].number)

    async def _store_backlog(self, store: Store) -> None:
        while True:
            await self._drain(store)
            self._fresh = anyio.Event()
            await self._fresh.wait()

    async def _drain(self, store: Store) -> None:
        while self._backlog:
            event, raw = self._backlog[0]
            try:
                await store.add(event, raw)
            except UnfitEvent as unfit:
                logger.warning("An event of type %r cannot be stored: %s", event.type, unfit)
            except StoreError as problem:
                logger.error("An event could not be stored, and is tried again: %s", problem)
                await anyio.sleep(_RETRY_DELAY_S)
                continue
            del self._backlog[0]

    def enqueue(self, event: Event, raw: bytes) -> None:
        """Keep an event that comes from inside this process, in the order of the calls."""
        self._backlog.append((event, raw))
        self._wake.set()
        self._fresh.set()

    async def store(self) -> Store:
        """The store, opened now if it is not yet. Raises `Refused` when it cannot be."""
        self._wake.set()
        return await self._store_or_refusal()

    async def wait_until_open(self) -> Store:
        """The store, once it is opened, however long that takes: see `settle`. Raises `Refused` when it cannot be."""
        await self._decided.wait()
        return await self._store_or_refusal()

    async def _store_or_refusal(self) -> Store:
        try:
            return await self._opened_store()
        except StoreError as problem:
            raise CallRefused(f"Events are not available on this server: {problem}") from None

    async def database(self) -> Database:
        """The database that events are in, opened now if it is not yet. Raises `StoreError` when it cannot be."""
        self._wake.set()
        return (await self._opened_store()).database

    async def _opened_store(self) -> Store:
        if self._store is None:  # a wait, even for what is there, would let everything else go first
            await self._opened.wait()
        if self._store is None:
            raise self._problem or StoreError("The store is closed.")
        return self._store

    def open_soon(self) -> None:
        """Open the store now, since the first answer has been given."""
        self._wake.set()

    @property
    def waiter_count(self) -> int:
        """How many wait for events now."""
        return len(self._waiters)

    def on_change(self, told: OnChange) -> None:
        """Be told of changes from now on."""
        self._listeners.append(told)

    def _on_stored(self, events: list[StoredEvent]) -> None:
        changed: set[str] = set()
        for event in events:
            changed |= self.projection.add(event)
            self.newest = max(self.newest, event.number)
        for waiting in list(self._waiters):
            waiting.offer(events)
        self._notify(changed, events)

    def _notify(self, changed: set[str], events: list[StoredEvent]) -> None:
        for told in self._listeners:
            told(changed, events)

    def record_command(self, command: Command) -> None:
        """Note what Telnyx has accepted: some of it, such as a mute, no event tells."""
        if not command.is_read():
            self._notify(self.projection.record_command(command.tool_name(), vars(command), self.now()), [])

    async def answer(self, tool: Tool, progress: Progress, before: CursorLookup) -> dict[str, Any]:
        """The structured content of a tool of the toolset `events`. Raises `CallFailed`.

        `before`: gives the number of the newest event before the caller's last command, from which on they wait.
        """
        try:
            return await self._answer(tool, progress, before)
        except StoreError as problem:
            raise CallRefused(f"Events cannot be read now: {problem}") from None

    async def _answer(self, tool: Tool, progress: Progress, before: CursorLookup) -> dict[str, Any]:
        match tool:
            case ListEvents():
                return await self._list(tool)
            case GetEvent():
                return await self._get(tool)
            case WaitForEvent():
                return await self._wait(tool, progress, before)
            case ConferenceSummary():
                return await self._summary(tool)
            case _:
                raise TypeError(f"{tool.tool_name()} is no question about events")

    async def _list(self, tool: ListEvents) -> dict[str, Any]:
        store = await self.store()
        wanted = await self._filter_for(store, tool, tool.types, tool.since)
        wanted = replace(wanted, until=_parse_time_argument(tool.until, "until") if tool.until else None)
        total = await store.count(wanted)
        events = await store.find(replace(wanted, before_number=tool.cursor), limit=tool.limit + 1)
        shown, more = events[: tool.limit], len(events) > tool.limit
        none = " ".join(filter(None, ["No events.", self._suggest_types(tool.types or ())]))
        summary = (
            f"{_count_text(total)}: {listed([describe_event(event) for event in shown], most=3)}" if shown else none
        )
        content: dict[str, Any] = {
            "summary": summary,
            "events": [event_view(one) for one in shown],
            "total_results": total,
        }
        return content | ({"next_cursor": shown[-1].number} if more else {})

    async def _get(self, tool: GetEvent) -> dict[str, Any]:
        event = await (await self.store()).get(tool.event_id)
        if event is None:
            raise CallRefused(f"There is no event {quoted(tool.event_id)}: list_events has the ids of those there are.")
        return {"summary": describe_event(event), "event": event_view(event, urls=tool.include_recording_urls)}

    async def _wait(self, tool: WaitForEvent, progress: Progress, before: CursorLookup) -> dict[str, Any]:
        store = await self.store()
        wanted = await self._filter_for(store, tool, tool.types, tool.since)
        if tool.since is None:
            wanted = replace(wanted, after_number=await before())
        waiting = _Waiter(wanted)
        self._waiters.add(waiting)  # before looking, so that nothing falls in between
        try:
            found = await store.find(wanted, limit=_MAX_WAIT_EVENTS, newest_first=False)
            if not found:
                await self._wait_for_match(waiting, tool.timeout_secs, progress)
                found = waiting.seen[:_MAX_WAIT_EVENTS]
        finally:
            self._waiters.discard(waiting)
        if found:
            summary = listed([describe_event(event) for event in found], most=3)
            return {"summary": summary, "timed_out": False, "events": [event_view(event) for event in found]}
        return await self._timeout_result(store, tool, wanted)

    async def _wait_for_match(self, waiting: _Waiter, most: float, progress: Progress) -> None:
        started = anyio.current_time()
        with self._leaving.cancel_scope(), anyio.move_on_after(most):
            while not waiting.arrived.is_set():
                with anyio.move_on_after(_PROGRESS_INTERVAL_S):
                    await waiting.arrived.wait()
                    return
                await progress(anyio.current_time() - started, most, "still waiting")

    async def _timeout_result(self, store: Store, tool: WaitForEvent, wanted: EventFilter) -> dict[str, Any]:
        others = await store.find(replace(wanted, types=frozenset()), limit=5)
        happened = listed([describe_event(event) for event in others], most=3) if others else "nothing else"
        none = f"None of {listed(tool.types)}"
        within = (
            f"{none} until now. {SHUTTING_DOWN} Wait again."
            if self._leaving.has_begun
            else f"{none} within {tool.timeout_secs} s."
        )
        summary = f"{within} What happened instead: {happened}."
        summary = " ".join(filter(None, [summary, self._suggest_types(tool.types), self.no_events_reason]))
        content: dict[str, Any] = {"summary": summary, "timed_out": True, "events": []}
        return content | ({"instead": [event_view(event) for event in others]} if others else {})

    async def _summary(self, tool: ConferenceSummary) -> dict[str, Any]:
        seen = await self.conference_now(tool.conference_id)
        assert seen is not None
        figures = self.projection.summary(tool.conference_id, self.now())
        name = quoted(seen.name) if seen.name else tool.conference_id
        summary = f"Conference {name} is {seen.status}, {count(seen.present, 'person')} in it."
        shown = seen.to_json()
        content: dict[str, Any] = {"summary": summary, "conference": shown}
        return content | ({"figures": _new_figures(shown, figures.to_json())} if figures else {})

    async def queue(self, name: str) -> "QueueView | None":
        """A queue by what events tell and Telnyx's API knows; by events alone where Telnyx cannot be asked.

        None when nothing is known of it. Raises `CallFailed` when no event tells of it and Telnyx does not say either.
        """
        await self.store()
        try:
            await self._merge_answer(self._facts.queue(name), self.projection.merge_queue)
        except CallFailed:
            if self.projection.queue(name, self.now()) is None:
                raise
        return self.projection.queue(name, self.now())

    async def _merge_answer(self, asking: Awaitable[ApiAnswer], merge: Merge) -> None:
        """Have what the API answers in the picture. Raises `CallFailed`."""
        asked_at = self.now()
        one, within = await asking
        self._notify(merge(one, within, asked_at), [])

    async def conference(self, conference_id: str) -> "ConferenceView | None":
        """The live picture of a conference, from memory or from what is stored; None when no event tells of it."""
        await self.store()
        seen = self.projection.conference(conference_id, self.now())
        if seen is None:
            await self._restore(conference_id)
            seen = self.projection.conference(conference_id, self.now())
        return seen

    async def conference_now(self, conference_id: str) -> "ConferenceView | None":
        """A conference by what events tell and Telnyx's API knows; by events alone where Telnyx cannot be asked.

        None when nothing is known of it. Raises `CallFailed` when no event tells of it and Telnyx does not say either.
        """
        known = await self.conference(conference_id)
        try:
            await self._merge_answer(self._facts.conference(conference_id), self.projection.merge_conference)
        except CallFailed:
            if known is None:
                raise
        return self.projection.conference(conference_id, self.now())

    async def conferences(self) -> "list[ConferenceView]":
        """All that are remembered, newest first, and those in progress that no event has told of."""
        await self.store()
        picture = self.projection
        await self._merge_unseen(
            self._facts.open_conferences, picture.conference, self._facts.conference, picture.merge_conference
        )
        return self.projection.conferences(self.now())

    async def queues(self) -> "list[QueueView]":
        """All that are remembered, by name, and those that no event has told of."""
        await self.store()
        picture = self.projection
        await self._merge_unseen(self._facts.queues, picture.queue, self._facts.queue, picture.merge_queue)
        return self.projection.queues(self.now())

    async def _merge_unseen(
        self,
        named: Callable[[], Awaitable[list[str]]],
        known: Callable[[str, datetime], object],
        ask: Callable[[str], Awaitable[ApiAnswer]],
        merge: Merge,
    ) -> None:
        """Learn what Telnyx has and no event has told of; where it cannot be asked, what events tell stands alone."""
        try:
            unknown = [name for name in await named() if known(name, self.now()) is None]
            for name in unknown[:_MAX_UNSEEN]:
                await self._merge_answer(ask(name), merge)
        except CallFailed as failed:
            logger.warning("Read from events alone: %s", failed)

    async def timeline(self, conference_id: str) -> str | None:
        """What happened in a conference, in Markdown; None when no event tells of it."""
        if await self.conference(conference_id) is None:
            return None
        return self.projection.timeline(conference_id, self.now())

    async def timeline_svg(self, conference_id: str) -> str | None:
        """The same as an SVG picture."""
        if await self.conference(conference_id) is None:
            return None
        return self.projection.timeline_svg(conference_id, self.now())

    async def _restore(self, conference_id: str) -> None:
        """Bring a conference that is over back into the picture."""
        self.projection.restore(conference_id, await load_conference_history(conference_id, await self.store()))

    def _suggest_types(self, types: Sequence[str]) -> str:
        """What may be wrong with types that nothing documents. Telnyx adds types, so that they may be right."""
        from .models import PAYLOADS  # noqa: PLC0415 (what costs start-up time, and is seldom asked for)

        return " ".join(
            f"{quoted(one)} is no type that is documented; did you mean {near[0]}?"
            for one in types
            if not one.endswith(".*") and one not in PAYLOADS and (near := get_close_matches(one, PAYLOADS, 1))
        )

    async def _filter_for(self, store: Store, tool: Any, types: Sequence[str] | None, since: str | None) -> EventFilter:
        strange = [one for one in types or () if not one.startswith(_KINDS)]
        if strange:
            raise CallRefused(f"types must begin with {' or '.join(_KINDS)} {self._suggest_types(strange)}".strip())
        wanted = EventFilter(
            types=frozenset(types or ()),
            conference_id=tool.conference_id,
            call_control_id=tool.call_control_id,
            queue=tool.queue_name,
        )
        if since is None:
            return wanted
        known = await store.get(since)
        if known is not None:
            return replace(wanted, after_number=known.number)
        return replace(wanted, since=_parse_time_argument(since, "since"))


def _new_figures(shown: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """What figures of a conference say that is not shown of it already; of people, those that are not listed there."""
    listed_already = {person["call_control_id"] for person in shown["participants"]}
    others = [person for person in figures["participants"] if person["call_control_id"] not in listed_already]
    beyond = {name: value for name, value in figures.items() if shown.get(name) != value and name != "participants"}
    return beyond | ({"participants": others} if others else {})


def _count_text(total: int) -> str:
    return f"{total} events or more" if total >= MAX_COUNT else count(total, "event")


def _parse_time_argument(text: str, argument: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        either = "the id of a stored event or " if argument == "since" else ""
        raise CallRefused(f"{argument} must be {either}an ISO 8601 time such as 2026-01-31T12:00:00Z.") from None
