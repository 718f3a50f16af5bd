"""`timeline`: what happened in a conference, from the store alone: its events, and the audit of what was done to it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import click

from ...tools.text import listed, quoted
from ..database import Database
from ..events.event import EventFilter, StoredEvent
from ..events.history import load_conference_history
from ..events.projection.command_effects import CONFERENCE
from ..events.projection.projection import Projection
from ..events.store import Store
from ..guard.ledger import AuditRecord, Ledger
from .ledger import open_events, store_url
from .options import settings_options
from .terminal import CommandFailed

_MAX_NUMBER = 2**63 - 1
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""Between a conference's creation and its audit record: the clocks of Telnyx and of this machine differ."""
_MAX_CLOCK_DISORDER = timedelta(hours=1)
_MAX_RECORDS = 200_000
_CREATED = "conference.created"
_CONFERENCE_TOOLS = frozenset({*CONFERENCE, "create_conference"})


@click.command()
@settings_options("database")
@click.argument("conference")
@click.option("--svg", "as_svg", is_flag=True, help="Print an SVG picture, with people as bars over time.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file instead."
)
def timeline(database: str | None, conference: str, as_svg: bool, output: Path | None) -> None:
    """Print what happened in a conference.

    CONFERENCE is an id, the beginning of an id, or the name under which this server created the conference. The output
    is Markdown. It comes from the store that a server writes to.

    \b
    Examples:
      telnyx-conferencing timeline "Delivery 4711"
      telnyx-conferencing timeline "Delivery 4711" --svg --output delivery.svg
    """
    text = anyio.run(_render, store_url(database), conference, as_svg).encode()
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        raise CommandFailed(f"{output} cannot be written: {error.strerror}.") from None


async def _render(url: str, conference: str, as_svg: bool) -> str:
    async with open_events(url) as store:

        async def database() -> Database:
            return store.database

        ledger = Ledger(database)
        conference_id = await _find_conference(conference.strip().removesuffix("…"), store, ledger)
        events = await load_conference_history(conference_id, store)
        since = min(event.occurred_at for event in events)
        commands = [record async for record in _commands(ledger, since)]
    projection, now = _project(conference_id, events, commands), datetime.now(UTC)
    text = projection.timeline_svg(conference_id, now) if as_svg else projection.timeline(conference_id, now)
    assert text is not None
    return text


async def _find_conference(text: str, store: Store, ledger: Ledger) -> str:
    """The id of the only conference that matches an id, the beginning of one, or a name."""
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
    async for record in _commands(ledger):
        arguments = _arguments(record)
        if record.entry.get("tool") == "create_conference" and arguments.get("name") == name:
            created = EventFilter(
                types=frozenset({_CREATED}),
                call_control_id=str(arguments.get("call_control_id")),
                since=record.at - _MAX_CLOCK_DIFFERENCE,
                until=record.at + _MAX_CLOCK_DIFFERENCE,
            )
            ids += [event.conference_id for event in await store.find(created, limit=1) if event.conference_id]
    return ids


async def _commands(ledger: Ledger, since: datetime | None = None) -> AsyncGenerator[AuditRecord]:
    """Audit records of commands to conferences, newest first, back to this time and somewhat beyond."""
    number, remaining = _MAX_NUMBER, _MAX_RECORDS
    while remaining > 0 and (records := await ledger.before(number)):
        for record in records:
            if record.entry.get("outcome") == "done" and record.entry.get("tool") in _CONFERENCE_TOOLS:
                yield record
        number, remaining = records[-1].number, remaining - len(records)
        # Records are numbered when they are committed, not when they happened.
        if since is not None and records[-1].at < since - _MAX_CLOCK_DISORDER:
            return


def _project(conference_id: str, events: Sequence[StoredEvent], commands: Sequence[AuditRecord]) -> Projection:
    projection = Projection()
    for event in events:
        projection.add(event)
    for record in reversed(commands):
        if _arguments(record).get("conference_id") == conference_id:
            projection.record_command(str(record.entry["tool"]), _arguments(record), record.at)
    for event in events:
        if event.type == _CREATED and event.conference_id == conference_id:
            fields = {"id": conference_id, "name": _name(event, commands)}
            projection.merge_conference(fields, None, event.occurred_at)
    return projection


def _name(created: StoredEvent, commands: Sequence[AuditRecord]) -> Any:
    """The name under which this server created a conference; None: another program created it."""
    names = {
        abs(record.at - created.occurred_at): _arguments(record).get("name")
        for record in commands
        if record.entry.get("tool") == "create_conference"
        and _arguments(record).get("call_control_id") == created.call_control_id
    }
    nearest = min(names, default=_MAX_CLOCK_DIFFERENCE)
    return names[nearest] if nearest < _MAX_CLOCK_DIFFERENCE else None


def _arguments(record: AuditRecord) -> Mapping[str, Any]:
    arguments = record.entry.get("arguments")
    return cast("Mapping[str, Any]", arguments) if isinstance(arguments, dict) else {}
