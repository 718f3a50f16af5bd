"""What there is now, as a prompt completes from it and shows it: conferences, queues, call legs, numbers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, cast

import anyio

from ...tools.conferences import ListConferences
from ...tools.pagination import Read
from ...tools.queues import ListQueues
from ...tools.results import Conference, Queue
from ...tools.words import clean
from ..errors import CallFailed
from ..events.service import EventService
from ..events.store import StoreError

T = TypeVar("T")

_PATIENCE = 4.0
"""Seconds that Telnyx is waited for; then what events tell must do."""
_MOST = 100
_MOST_QUEUES = 10
_LONGEST_NAME = 80

_UNKNOWN = (CallFailed, StoreError)
"""Neither Telnyx nor the store can say."""

Choice = tuple[str, ...]
"""A value, and other words by which it is found."""


@dataclass(frozen=True, slots=True)
class Room:
    """A conference, as far as a list of them tells."""

    id: str
    name: str | None
    is_open: bool
    began: str


class CompletionSource:
    """Looks at what events tell and Telnyx says, each time anew."""

    def __init__(self, events: EventService, read: Read, *, hides_numbers: bool = False) -> None:
        """`hides_numbers`: numbers are masked on this server, and a masked one is of no use as a value."""
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
        """Values that begin like what was typed, or are found by it, most likely first.

        `within`: the conference or the queue that they are in. Nothing where neither events nor Telnyx can be asked.
        """
        try:
            choices = await self._sources[source](within)
        except _UNKNOWN:
            return []
        return matching(choices, typed)

    async def conference(self, given: str) -> dict[str, Any] | None:
        """A conference by its id or its name, as `conference_summary` tells it; None when there is no such one."""
        try:
            id_ = await self._id_of(given)
            if id_ is None:
                return None
            seen = await self._said(self._events.conference_now(id_)) or await self._events.conference(id_)
            return None if seen is None else seen.lean()
        except _UNKNOWN:
            return None

    async def queue(self, name: str) -> dict[str, Any] | None:
        """A queue by its name, and who waits in it; None when there is no such one."""
        try:
            await self._said(self._events.queue(name))
        except _UNKNOWN:
            return None
        seen = self._events.picture.queue(name, self._events.now())
        return None if seen is None else seen.lean()

    async def _said(self, asked: Awaitable[T]) -> T | None:
        """What is answered in time."""
        with anyio.move_on_after(_PATIENCE):
            return await asked
        return None

    async def _id_of(self, given: str) -> str | None:
        """The id of the conference with this id, or of the only one with this name, or only open one."""
        rooms = await self._rooms()
        if any(room.id == given for room in rooms):
            return given
        named = [room for room in rooms if room.name is not None and room.name.casefold() == given.casefold()]
        for found in (named, [room for room in named if room.is_open]):
            if len(found) == 1:
                return found[0].id
        store = await self._events.store()
        return given if not named and given in await store.distinct("conference_id", given, 1) else None

    async def _rooms(self) -> list[Room]:
        """Those that Telnyx lists and that events tell of lately, open ones first, newest first."""
        await self._events.store()
        found: dict[str, Room] = {}
        with suppress(*_UNKNOWN):
            page = ListConferences.result.read(await self._said(self._read(ListConferences(page_size=_MOST))))
            listed = cast("list[Conference]", page["conferences"])
            found = {
                one.id: Room(one.id, one.name, one.status != "completed", one.created_at or "")
                for one in listed
                if one.id
            }
        for seen in self._events.picture.conferences(self._events.now()):
            name = seen.name or (found[seen.id].name if seen.id in found else None)
            began = seen.started_at.isoformat() if seen.started_at else ""
            found[seen.id] = Room(seen.id, name, seen.status == "open", began)
        return sorted(found.values(), key=lambda room: (room.is_open, room.began), reverse=True)

    async def _open_conferences(self, within: str | None) -> list[Choice]:
        return _choices([room for room in await self._rooms() if room.is_open])

    async def _conferences(self, within: str | None) -> list[Choice]:
        rooms = await self._rooms()
        known = {room.id for room in rooms}
        stored = await (await self._events.store()).distinct("conference_id", "", _MOST)
        return [*_choices(rooms), *((id_,) for id_ in stored if id_ not in known)]

    async def _conference_names(self, within: str | None) -> list[Choice]:
        return [(room.name,) for room in await self._rooms() if _is_plain(room.name)]

    async def _participants(self, within: str | None) -> list[Choice]:
        seen = await self.conference(within) if within else None
        return [_leg(person) for person in (seen or {}).get("participants", ()) if "left_at" not in person]

    async def _queue_names(self) -> list[str]:
        await self._events.store()
        names: list[str] = []
        with suppress(*_UNKNOWN):
            page = ListQueues.result.read(await self._said(self._read(ListQueues(page_size=_MOST))))
            names = [one.name for one in cast("list[Queue]", page["queues"]) if one.name]
        names += [seen.name for seen in self._events.picture.queues(self._events.now())]
        return list(dict.fromkeys(names))

    async def _queues(self, within: str | None) -> list[Choice]:
        return [(name,) for name in await self._queue_names() if _is_plain(name)]

    async def _waiting_calls(self, within: str | None) -> list[Choice]:
        seen = await self.queue(within) if within else None
        return [_leg(call) for call in (seen or {}).get("calls", ())]

    async def _calls(self, within: str | None) -> list[Choice]:
        """Those who wait in a queue, then those in an open conference."""
        async with anyio.create_task_group() as tasks:
            for name in (await self._queue_names())[:_MOST_QUEUES]:
                tasks.start_soon(self.queue, name)
        picture, now = self._events.picture, self._events.now()
        waiting = [one for queue in picture.queues(now) for one in queue.calls]
        rooms = picture.conferences(now, open_only=True)
        present = [one for room in rooms for one in room.participants if one.left_at is None]
        return [_leg(one.lean()) for one in (*waiting, *present)]

    async def _numbers(self, within: str | None) -> list[Choice]:
        await self._events.store()
        numbers = [] if self._hides_numbers else self._events.picture.numbers()
        return [(number, number.removeprefix("+")) for number in numbers if _is_plain(number)]


def matching(choices: Iterable[Choice], typed: str) -> list[str]:
    """The values of those choices that begin with what was typed, each once."""
    begun = typed.casefold()
    found = (choice[0] for choice in choices if any(word.casefold().startswith(begun) for word in choice))
    return list(dict.fromkeys(found))


def _choices(rooms: list[Room]) -> list[Choice]:
    """Each by its name where that tells it from the others, found by its id as well."""
    names = [room.name for room in rooms]
    return [
        (room.name, room.id)
        if _is_plain(room.name) and names.count(room.name) == 1
        else (room.id, room.name or room.id)
        for room in rooms
    ]


def _is_plain(name: str | None) -> TypeGuard[str]:
    """Whether a name reads as what it is: nothing in it is unseen, or moves the rest."""
    return bool(name) and clean(name, _LONGEST_NAME) == name


def _leg(one: Mapping[str, Any]) -> Choice:
    """A call leg, found by its number or its label as well."""
    words = (one["call_control_id"], one.get("number"), one.get("label"))
    return tuple(str(word) for word in words if word)
