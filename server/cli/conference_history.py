"""What the store knows of a conference: its events, and the commands in the audit, as a projection."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from ...tools.text import listed, quoted
from ..database import moment_of
from ..events.event import EventFilter, StoredEvent
from ..events.projection.command_effects import CONFERENCE
from ..events.projection.projection import Projection
from ..events.store import Store
from ..guard.ledger import AuditRecord, ChainLink, Ledger
from .terminal import CommandFailed

_MAX_NUMBER = 2**63 - 1
MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""Between a conference's creation and its audit record: the clocks of Telnyx and of this machine differ."""
_MAX_CLOCK_DISORDER = timedelta(hours=1)
_MAX_RECORDS = 200_000
CREATED = "conference.created"
_CONFERENCE_TOOLS = frozenset({*CONFERENCE, "create_conference"})


async def read_commands(ledger: Ledger, since: datetime | None = None) -> AsyncGenerator[AuditRecord]:
    """Audit records of commands to conferences, newest first, back to this time and somewhat beyond."""
    number, remaining = _MAX_NUMBER, _MAX_RECORDS
    while remaining > 0 and (records := await ledger.before(number)):
        for record in records:
            if is_command(record):
                yield record
        number, remaining = records[-1].number, remaining - len(records)
        # Records are numbered when they are committed, not when they happened.
        if since is not None and records[-1].at < since - _MAX_CLOCK_DISORDER:
            return


def is_command(record: AuditRecord) -> bool:
    """Whether Telnyx accepted a command to a conference."""
    return record.entry.get("outcome") == "done" and record.entry.get("tool") in _CONFERENCE_TOOLS


def project(conference_id: str, events: Sequence[StoredEvent], commands: Sequence[AuditRecord]) -> Projection:
    projection = Projection()
    for event in events:
        projection.add(event)
    for record in reversed(commands):
        if arguments_of(record).get("conference_id") == conference_id:
            projection.record_command(str(record.entry["tool"]), arguments_of(record), record.at)
    for event in events:
        if event.type == CREATED and event.conference_id == conference_id:
            fields = {"id": conference_id, "name": _name(event, commands)}
            projection.merge_conference(fields, None, event.occurred_at)
    return projection


def _name(created: StoredEvent, commands: Sequence[AuditRecord]) -> Any:
    """The name under which this server created a conference; None: another program created it."""
    names = {
        abs(record.at - created.occurred_at): arguments_of(record).get("name")
        for record in commands
        if record.entry.get("tool") == "create_conference"
        and arguments_of(record).get("call_control_id") == created.call_control_id
    }
    nearest = min(names, default=MAX_CLOCK_DIFFERENCE)
    return names[nearest] if nearest < MAX_CLOCK_DIFFERENCE else None


def arguments_of(record: AuditRecord) -> Mapping[str, Any]:
    arguments = record.entry.get("arguments")
    return cast("Mapping[str, Any]", arguments) if isinstance(arguments, dict) else {}


def render_timeline(
    conference_id: str, events: Sequence[StoredEvent], links: Sequence[ChainLink], now: datetime
) -> str:
    """What happened in a conference, in Markdown, from its events and its audit records alone."""
    records = (AuditRecord(link.number, moment_of(link.at), _entry(link.text), link.hash) for link in reversed(links))
    projection = project(conference_id, events, [record for record in records if is_command(record)])
    return projection.timeline(conference_id, now) or ""


def _entry(text: str) -> dict[str, Any]:
    entry: Any = json.loads(text)
    return cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}


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
        arguments = arguments_of(record)
        if record.entry.get("tool") == "create_conference" and arguments.get("name") == name:
            created = EventFilter(
                types=frozenset({CREATED}),
                call_control_id=str(arguments.get("call_control_id")),
                since=record.at - MAX_CLOCK_DIFFERENCE,
                until=record.at + MAX_CLOCK_DIFFERENCE,
            )
            ids += [event.conference_id for event in await store.find(created, limit=1) if event.conference_id]
    return ids
