"""Lists of Telnyx, read to their end page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from .base import Command
from .participants import ListParticipants, ParticipantFilter
from .results import list_items, next_page, total_items

Read = Callable[[Command], Awaitable[Any]]
"""Sends a read command and returns Telnyx's JSON. Raises `CallFailed`."""

_PAGE_SIZE = 100
_MAX_PAGES = 10
MAX_ITEMS = _PAGE_SIZE * _MAX_PAGES
"""Items read of a list; the rest is not read. A conference has at most 800 participants."""


async def all_of(read: Read, listing: Command) -> list[dict[str, Any]]:
    """The items of a paged list command, as Telnyx sends them; at most `MAX_ITEMS`."""
    return [item async for page in pages_of(read, listing) for item in page]


async def pages_of(
    read: Read, listing: Command, *, page_size: int = _PAGE_SIZE, max_pages: int = _MAX_PAGES
) -> AsyncIterator[list[dict[str, Any]]]:
    """The pages of a paged list command: each the items on it, as Telnyx sends them. Stops after `max_pages`."""
    position: dict[str, Any] = {"page_number": 1}
    for page in range(1, max_pages + 1):
        response = await read(listing.model_copy(update=position | {"page_size": page_size}))
        items = list_items(response)
        yield items
        position = next_page(response)
        if not items or not position:
            break
        if not position.keys() <= type(listing).model_fields.keys():  # a cursor, where only numbers are documented
            position = {"page_number": page + 1}


async def count_of(read: Read, listing: Command) -> int:
    """How many items a paged list command has on all its pages."""
    total = total_items(await read(listing.model_copy(update={"page_size": 1})))
    return len(await all_of(read, listing)) if total is None else total


async def all_participants(
    read: Read, conference_id: str, participant_filter: ParticipantFilter | None = None
) -> list[dict[str, Any]]:
    """The participants of a conference, all or those that match a filter, as Telnyx sends them."""
    return await all_of(read, ListParticipants(conference_id=conference_id, filter=participant_filter))
