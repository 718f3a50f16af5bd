"""What is true of the things a command names, for the policy's scope: asked of Telnyx, or known from events."""

from collections.abc import Mapping
from typing import Any, cast

from ...tools.conferences import ConferenceFilter, GetConference, ListConferences
from ...tools.pagination import Read
from ...tools.queues import GetQueue
from ..events.event import EventFilter
from ..events.service import EventService
from ..guard.policy import ConferenceFacts, QueuedFacts
from ..guard.questions import CallFacts, waiting_place

_REMEMBERED = 1_000
_MOST_EVENTS = 20


class TelnyxScopeFacts:
    """See `guard.policy.ScopeFacts`. A conference keeps its name, connection and region: it is asked for once."""

    def __init__(self, read: Read, events: EventService) -> None:
        self._read = read
        self._events = events
        self._conferences: dict[str, ConferenceFacts] = {}

    async def conference(self, conference_id: str) -> ConferenceFacts:
        """Raises `CallFailed`."""
        known = self._conferences.get(conference_id)
        if known is None:
            known = _conference(_data(await self._read(GetConference(conference_id=conference_id))))
            if len(self._conferences) >= _REMEMBERED:
                self._conferences.clear()
            self._conferences[conference_id] = known
        return known

    async def conference_named(self, name: str) -> ConferenceFacts | None:
        """Asked each time: a name is free again when its conference has ended. Raises `CallFailed`."""
        for status in ("in_progress", "init"):
            answer = await self._read(ListConferences(filter=ConferenceFilter(name=name, status=status), page_size=1))
            for one in ListConferences.result.read(answer)["conferences"]:
                return ConferenceFacts(one.name, one.connection_id, one.region)
        return None

    async def queue(self, name: str) -> str | None:
        """The name of a queue named by its name or id. Raises `CallFailed`."""
        return _text(_data(await self._read(GetQueue(queue_name=name))), "name")

    async def queue_of(self, call_control_id: str) -> QueuedFacts | None:
        """Where a call waits. Raises `CallFailed`."""
        found = await waiting_place(call_control_id, self._read)
        return None if found is None else QueuedFacts(found[0], _text(found[1], "connection_id"))

    async def connection_of(self, call_control_id: str) -> str | None:
        """The connection of a call, as its events tell it."""
        store = await self._events.store()
        for event in await store.find(EventFilter(call_control_id=call_control_id), limit=_MOST_EVENTS):
            if (found := _text(event.payload, "connection_id")) is not None:
                return found
        return None

    async def call(self, call_control_id: str) -> CallFacts:
        """Who is on a call and in which conference, as its events tell it."""
        await self._events.store()
        picture = self._events.projection
        inside = picture.conference_of(call_control_id)
        room = picture.conference(inside, self._events.now()) if inside else None
        return CallFacts(picture.number(call_control_id), (room.name or inside) if room else None)


def _conference(told: Mapping[str, Any]) -> ConferenceFacts:
    return ConferenceFacts(_text(told, "name"), _text(told, "connection_id"), _text(told, "region"))


def _data(answer: Any) -> Mapping[str, Any]:
    found: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) else None
