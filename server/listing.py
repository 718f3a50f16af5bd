"""Lists of Telnyx read to their end, page after page."""

from collections.abc import Awaitable, Callable
from typing import Any

from ..tools.base import Command
from ..tools.participants import ListParticipants, ParticipantFilter

Read = Callable[[Command], Awaitable[Any]]
"""Sends a read and returns Telnyx's JSON; raises `CallFailed`."""

_PAGE = 100
_MOST_PAGES = 10
"""A conference takes 800 at the most."""


async def all_participants(
    read: Read, conference_id: str, wanted: ParticipantFilter | None = None
) -> list[dict[str, Any]]:
    """Everybody in a conference, or those a filter finds, as Telnyx describes them."""
    found: list[dict[str, Any]] = []
    for page in range(1, _MOST_PAGES + 1):
        listing = ListParticipants(conference_id=conference_id, filter=wanted, page_number=page, page_size=_PAGE)
        answer: dict[str, Any] = await read(listing) or {}
        found += answer.get("data") or []
        meta: dict[str, Any] = answer.get("meta") or {}
        if page >= (meta.get("total_pages") or page):
            break
    return found
