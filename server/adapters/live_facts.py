"""Reads conferences and queues from Telnyx's API, with all pages of their members."""

from typing import Any

from pydantic import ValidationError

from ...tools.base import Command
from ...tools.conferences import ConferenceFilter, GetConference, ListConferences
from ...tools.pagination import MAX_ITEMS, Read, all_of
from ...tools.participants import ListParticipants
from ...tools.queues import GetQueue, ListQueueCalls, ListQueues
from ...tools.text import quoted
from ..errors import CallRefused
from ..events.service import ApiAnswer


class TelnyxFacts:
    """Reads from the API on every call."""

    def __init__(self, read: Read) -> None:
        self._read = read

    async def open_conferences(self) -> dict[str, str]:
        """The names of the conferences in progress, by id. Raises `CallFailed`."""
        items = await all_of(self._read, ListConferences(filter=ConferenceFilter(status="in_progress")))
        return {item["id"]: str(item.get("name", "")) for item in items if isinstance(item.get("id"), str)}

    async def queues(self) -> list[str]:
        """The names of all queues. Raises `CallFailed`."""
        return [item["name"] for item in await all_of(self._read, ListQueues()) if isinstance(item.get("name"), str)]

    async def conference(self, conference_id: str) -> ApiAnswer:
        """A conference and all its participants. Raises `CallFailed`."""
        return await self._read_with_members(
            GetConference(conference_id=conference_id), ListParticipants(conference_id=conference_id)
        )

    async def queue(self, name: str) -> ApiAnswer:
        """A queue and all its calls. None: there are more calls than can be read. Raises `CallFailed`."""
        try:
            queue, calls = GetQueue(queue_name=name), ListQueueCalls(queue_name=name)
        except ValidationError:
            raise CallRefused(f"{quoted(name)} is not a valid queue name.") from None
        answer, waiting = await self._read_with_members(queue, calls)
        return answer, waiting if len(waiting) < MAX_ITEMS else None

    async def _read_with_members(
        self, resource: Command, members: Command
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        answer: dict[str, Any] = await self._read(resource) or {}
        return answer.get("data") or {}, await all_of(self._read, members)
