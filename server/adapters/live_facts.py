"""What only Telnyx's API knows of a conference or a queue: asked of it, every page."""

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
    """Asks Telnyx, each time anew."""

    def __init__(self, read: Read) -> None:
        self._read = read

    async def open_conferences(self) -> list[str]:
        """The ids of the conferences in progress. Raises `CallFailed`."""
        found = await all_of(self._read, ListConferences(filter=ConferenceFilter(status="in_progress")))
        return [one["id"] for one in found if isinstance(one.get("id"), str)]

    async def queues(self) -> list[str]:
        """The names of all queues. Raises `CallFailed`."""
        return [one["name"] for one in await all_of(self._read, ListQueues()) if isinstance(one.get("name"), str)]

    async def conference(self, conference_id: str) -> ApiAnswer:
        """A conference, and everybody in it. Raises `CallFailed`."""
        return await self._both(
            GetConference(conference_id=conference_id), ListParticipants(conference_id=conference_id)
        )

    async def queue(self, name: str) -> ApiAnswer:
        """A queue, and every call that waits in it; None: more than can be read. Raises `CallFailed`."""
        try:
            queue, calls = GetQueue(queue_name=name), ListQueueCalls(queue_name=name)
        except ValidationError:
            raise CallRefused(f"{quoted(name)} is no name of a queue.") from None
        answer, waiting = await self._both(queue, calls)
        return answer, waiting if len(waiting) < MAX_ITEMS else None

    async def _both(self, one: Command, within: Command) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        answer: dict[str, Any] = await self._read(one) or {}
        return answer.get("data") or {}, await all_of(self._read, within)
