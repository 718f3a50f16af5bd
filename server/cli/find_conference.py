"""Finds the conference that a person names on the command line."""

from ...tools.text import listed, quoted
from ..adapters.conference_history import CREATED, MAX_CLOCK_DIFFERENCE, read_commands
from ..events.event import EventFilter
from ..events.store import Store
from ..guard.ledger import Ledger
from .terminal import CommandFailed


async def find_conference(text: str, store: Store, ledger: Ledger) -> str:
    """The id of the only conference that matches an id, the beginning of one, or a name. Raises `CommandFailed`."""
    text = text.strip().removesuffix("…")
    ids = await store.distinct("conference_id", text, 100) if text else []
    if text in ids:
        return text
    matches = {**dict.fromkeys(ids), **dict.fromkeys(await _find_by_name(text, store, ledger))}
    if not matches:
        raise CommandFailed(f"The store has no event of a conference {quoted(text)}.")
    if len(matches) > 1:
        raise CommandFailed(f"{len(matches)} conferences match {quoted(text)}: {listed(list(matches))}. Give an id.")
    return next(iter(matches))


async def _find_by_name(name: str, store: Store, ledger: Ledger) -> list[str]:
    """Conferences that were created under this name. No event contains it, but the audit does."""
    ids: list[str] = []
    async for record in read_commands(ledger):
        if record.tool == "create_conference" and record.arguments.get("name") == name:
            created = EventFilter(
                types=frozenset({CREATED}),
                call_control_id=str(record.arguments.get("call_control_id")),
                since=record.at - MAX_CLOCK_DIFFERENCE,
                until=record.at + MAX_CLOCK_DIFFERENCE,
            )
            ids += [event.conference_id for event in await store.find(created, limit=1) if event.conference_id]
    return ids
