"""Live conferences, queues, call legs and numbers, for completing and rendering prompts."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, cast

import anyio

from ...tools.conferences import ListConferences
from ...tools.pagination import Read
from ...tools.queues import ListQueues
from ...tools.results import Conference, Queue
from ...tools.text import clean
from ..errors import CallFailed
from ..events.service import EventService
from ..events.store import StoreError

T = TypeVar("T")

_TELNYX_TIMEOUT_S = 4.0
"""Afterwards only what events say is used."""
_PAGE_SIZE = 100
_MAX_QUEUES = 10
_MAX_NAME_LENGTH = 80

_UNAVAILABLE = (CallFailed, StoreError)
"""Telnyx or the store cannot be read."""

Choice = tuple[str, ...]
"""A value, then other words that it can be found by."""


@dataclass(frozen=True, slots=True)
class _ConferenceEntry:
    """A conference in a list."""

    id: str
    name: str | None
    is_open: bool
    started_at: str


class CompletionSource:
    """Reads the event store and Telnyx, on every use."""

    def __init__(self, events: EventService, read: Read, *, hides_numbers: bool = False) -> None:
        """`hides_numbers`: the server masks phone numbers, so none are offered as values."""
        self._events = events
        self._read = read
        self._hides_numbers = hides_numbers
        self._sources: Mapping[str, Callable[[str | None], Awaitable[list[Choice]]]] = {
            "open_conferences": self._open_conferences,
            "conferences": self._conferences,
            "conference_names": self._conference_names,
            "participants": self._participants,
            "queues": self._queues,
            "waiting_calls": self._waiting_calls,
            "calls": self._calls,
            "numbers": self._numbers,
        }

    async def values(self, source: str, typed: str, within: str | None) -> list[str]:
        """Values that match the typed text, most likely first; empty if neither the store nor Telnyx can be read.

        `within`: the conference or queue to look in.
        """
        try:
            choices = await self._sources[source](within)
        except _UNAVAILABLE:
            return []
        return matching(choices, typed)

    async def conference(self, id_or_name: str) -> dict[str, Any] | None:
        """The view of a conference, by id or name; None if there is none."""
        try:
            id_ = await self._id_of(id_or_name)
            if id_ is None:
                return None
            view = await self._in_time(self._events.conference_now(id_)) or await self._events.conference(id_)
            return None if view is None else view.to_json()
        except _UNAVAILABLE:
            return None

    async def queue(self, name: str) -> dict[str, Any] | None:
        """The view of a queue and its calls, by name; None if there is none."""
        try:
            await self._in_time(self._events.queue(name))
        except _UNAVAILABLE:
            return None
        view = self._events.projection.queue(name, self._events.now())
        return None if view is None else view.to_json()

    async def _in_time(self, request: Awaitable[T]) -> T | None:
        """The answer; None after the timeout."""
        with anyio.move_on_after(_TELNYX_TIMEOUT_S):
            return await request
        return None

    async def _id_of(self, id_or_name: str) -> str | None:
        """The id of the conference with this id, or of the only (or only open) conference with this name."""
        rooms = await self._rooms()
        if any(room.id == id_or_name for room in rooms):
            return id_or_name
        named = [room for room in rooms if room.name is not None and room.name.casefold() == id_or_name.casefold()]
        for candidates in (named, [room for room in named if room.is_open]):
            if len(candidates) == 1:
                return candidates[0].id
        store = await self._events.store()
        is_known = not named and id_or_name in await store.distinct("conference_id", id_or_name, 1)
        return id_or_name if is_known else None

    async def _rooms(self) -> list[_ConferenceEntry]:
        """Conferences that Telnyx lists or recent events name: open ones first, newest first."""
        await self._events.store()
        entries: dict[str, _ConferenceEntry] = {}
        with suppress(*_UNAVAILABLE):
            page = ListConferences.result.read(await self._in_time(self._read(ListConferences(page_size=_PAGE_SIZE))))
            for room in cast("list[Conference]", page["conferences"]):
                if room.id:
                    is_open = room.status != "completed"
                    entries[room.id] = _ConferenceEntry(room.id, room.name, is_open, room.created_at or "")
        for view in self._events.projection.conferences(self._events.now()):
            name = view.name or (entries[view.id].name if view.id in entries else None)
            started_at = view.started_at.isoformat() if view.started_at else ""
            entries[view.id] = _ConferenceEntry(view.id, name, view.status == "open", started_at)
        return sorted(entries.values(), key=lambda room: (room.is_open, room.started_at), reverse=True)

    async def _open_conferences(self, within: str | None) -> list[Choice]:
        return _choices([room for room in await self._rooms() if room.is_open])

    async def _conferences(self, within: str | None) -> list[Choice]:
        rooms = await self._rooms()
        listed_ids = {room.id for room in rooms}
        stored = await (await self._events.store()).distinct("conference_id", "", _PAGE_SIZE)
        return [*_choices(rooms), *((id_,) for id_ in stored if id_ not in listed_ids)]

    async def _conference_names(self, within: str | None) -> list[Choice]:
        return [(room.name,) for room in await self._rooms() if _is_plain(room.name)]

    async def _participants(self, within: str | None) -> list[Choice]:
        view = await self.conference(within) if within else None
        return [self._leg(person) for person in (view or {}).get("participants", ()) if "left_at" not in person]

    async def _queue_names(self) -> list[str]:
        await self._events.store()
        names: list[str] = []
        with suppress(*_UNAVAILABLE):
            page = ListQueues.result.read(await self._in_time(self._read(ListQueues(page_size=_PAGE_SIZE))))
            names = [queue.name for queue in cast("list[Queue]", page["queues"]) if queue.name]
        names += [view.name for view in self._events.projection.queues(self._events.now())]
        return list(dict.fromkeys(names))

    async def _queues(self, within: str | None) -> list[Choice]:
        return [(name,) for name in await self._queue_names() if _is_plain(name)]

    async def _waiting_calls(self, within: str | None) -> list[Choice]:
        view = await self.queue(within) if within else None
        return [self._leg(call) for call in (view or {}).get("calls", ())]

    async def _calls(self, within: str | None) -> list[Choice]:
        """Calls that wait in a queue, then calls in an open conference."""
        async with anyio.create_task_group() as tasks:
            for name in (await self._queue_names())[:_MAX_QUEUES]:
                tasks.start_soon(self.queue, name)
        projection, now = self._events.projection, self._events.now()
        waiting = [call for queue in projection.queues(now) for call in queue.calls]
        rooms = projection.conferences(now, open_only=True)
        present = [person for room in rooms for person in room.participants if person.left_at is None]
        return [self._leg(view.to_json()) for view in (*waiting, *present)]

    def _leg(self, view: Mapping[str, Any]) -> Choice:
        """A call leg, also found by its label, and by its number unless numbers are hidden."""
        names = ("label",) if self._hides_numbers else ("number", "label")
        words = (view["call_control_id"], *(view.get(name) for name in names))
        return tuple(str(word) for word in words if word)

    async def _numbers(self, within: str | None) -> list[Choice]:
        await self._events.store()
        numbers = [] if self._hides_numbers else self._events.projection.legs.numbers()
        return [(number, number.removeprefix("+")) for number in numbers if _is_plain(number)]


def matching(choices: Iterable[Choice], typed: str) -> list[str]:
    """The values of the choices that begin with the typed text, without duplicates."""
    prefix = typed.casefold()
    values = (choice[0] for choice in choices if any(word.casefold().startswith(prefix) for word in choice))
    return list(dict.fromkeys(values))


def _choices(rooms: list[_ConferenceEntry]) -> list[Choice]:
    """Each conference by its name if that is unique, else by its id; found by either."""
    names = [room.name for room in rooms]
    return [
        (room.name, room.id)
        if _is_plain(room.name) and names.count(room.name) == 1
        else (room.id, room.name or room.id)
        for room in rooms
    ]


def _is_plain(name: str | None) -> TypeGuard[str]:
    """Whether a name contains no invisible or layout-changing characters and is not too long."""
    return bool(name) and clean(name, _MAX_NAME_LENGTH) == name
