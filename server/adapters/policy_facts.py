"""Facts for the policy's scope, from Telnyx or from events: see `guard.policy.ScopeFacts`."""

from collections.abc import Mapping
from typing import Any

from ...tools.conferences import ConferenceFilter, GetConference, ListConferences
from ...tools.pagination import Read
from ...tools.recordings import GetRecording
from ..events.event import EventFilter
from ..events.service import EventService
from ..guard.policy import ConferenceFacts, RecordingFacts
from ..json_text import text_at
from .live_state import data_of

_MAX_CACHED = 1_000
_MAX_EVENTS = 20


class TelnyxScopeFacts:
    """Facts about the things that a command names. Those of a conference never change, and are cached."""

    def __init__(self, read: Read, events: EventService) -> None:
        self._read = read
        self._events = events
        self._conferences: dict[str, ConferenceFacts] = {}

    async def conference(self, conference_id: str) -> ConferenceFacts:
        """Raises `CallFailed`."""
        cached = self._conferences.get(conference_id)
        if cached is None:
            cached = _conference(data_of(await self._read(GetConference(conference_id=conference_id))))
            if len(self._conferences) >= _MAX_CACHED:
                self._conferences.clear()
            self._conferences[conference_id] = cached
        return cached

    async def conference_named(self, name: str) -> ConferenceFacts | None:
        """Not cached: a name is free again when its conference has ended. Raises `CallFailed`."""
        for status in ("in_progress", "init"):
            answer = await self._read(ListConferences(filter=ConferenceFilter(name=name, status=status), page_size=1))
            for conference in ListConferences.result.read(answer)["conferences"]:
                return ConferenceFacts(conference.name, conference.connection_id, conference.region)
        return None

    async def connection_of(self, call_control_id: str) -> str | None:
        """The connection of a call, as its events tell it."""
        store = await self._events.store()
        for event in await store.find(EventFilter(call_control_id=call_control_id), limit=_MAX_EVENTS):
            if (connection_id := text_at(event.payload, "connection_id")) is not None:
                return connection_id
        return None

    async def recording(self, recording_id: str) -> RecordingFacts:
        """Raises `CallFailed`."""
        recording = data_of(await self._read(GetRecording(recording_id=recording_id)))
        return RecordingFacts(text_at(recording, "conference_id"), text_at(recording, "connection_id"))


def _conference(fields: Mapping[str, Any]) -> ConferenceFacts:
    return ConferenceFacts(text_at(fields, "name"), text_at(fields, "connection_id"), text_at(fields, "region"))
