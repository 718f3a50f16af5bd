"""Lists of Telnyx read to their end, page after page."""

from collections.abc import Awaitable, Callable
from typing import Any

from ...tools.base import Command
from ...tools.participants import ListParticipants, ParticipantFilter

Read = Callable[[Command], Awaitable[Any]]
"""Sends a read and returns Telnyx's JSON; raises `CallFailed`."""

_PAGE = 100
_MOST_PAGES = 10
MOST = _PAGE * _MOST_PAGES
"""Of a longer list the rest is not read. A conference takes 800 at the most."""


async def all_of(read: Read, listing: Command) -> list[dict[str, Any]]:
    """What is listed by a command that takes a page number and a page size, as Telnyx describes it; at most `MOST`."""
    found: list[dict[str, Any]] = []
    for page in range(1, _MOST_PAGES + 1):
        answer: dict[str, Any] = await read(listing.model_copy(update={"page_number": page, "page_size": _PAGE})) or {}
        found += answer.get("data") or []
        meta: dict[str, Any] = answer.get("meta") or {}
        if page >= (meta.get("total_pages") or page):
            break
    return found


async def all_participants(
    read: Read, conference_id: str, wanted: ParticipantFilter | None = None
) -> list[dict[str, Any]]:
    """Everybody in a conference, or those a filter finds, as Telnyx describes them."""
    return await all_of(read, ListParticipants(conference_id=conference_id, filter=wanted))
