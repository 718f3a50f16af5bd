"""A conference told afterwards, from the store alone: its events, and what the audit says was done to it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import click

from ...tools.words import listed, quoted
from ..database import Dialect
from ..events.event import EventFilter, StoredEvent
from ..events.history import load_conference_history
from ..events.projection.command_effects import CONFERENCE
from ..events.projection.projection import Projection
from ..events.store import Store, default_url
from ..guard.ledger import AuditRecord, Ledger
from ..settings import Settings
from .terminal import CommandFailed

_AFTER_ALL = 2**63 - 1
_NEAR = timedelta(minutes=1)
"""Between a conference's creation and the record of it: the clocks of Telnyx and of this machine differ."""
_DISORDER = timedelta(hours=1)
_MOST_RECORDS = 200_000
_CREATED = "conference.created"


def tell(settings: Settings, conference: str, output: Path | None, *, as_svg: bool) -> None:
    """Print the timeline of a conference, or write it to a file: Markdown, or an SVG picture.

    `conference` is an id, the beginning of one, or the name under which this server created it. Raises `StoreError`,
    and `NotDone` when there is no such conference, or more than one, or the file cannot be written.
    """
    told = anyio.run(_told, settings, conference, as_svg).encode()
    if output is None:
        click.echo(told, nl=False)
        return
    try:
        output.write_bytes(told)
    except OSError as problem:
        raise CommandFailed(f"{output} cannot be written: {problem.strerror}") from None


async def _told(settings: Settings, conference: str, as_svg: bool) -> str:
    async with Store.open(settings.database or default_url(), keep_for=settings.keep) as store:

        async def opened() -> Dialect:
            return store.dialect

        ledger = Ledger(opened)
        id_ = await _found(conference.strip().removesuffix("…"), store, ledger)
        story = await load_conference_history(id_, store)
        done = [one async for one in _done(ledger, min(event.occurred_at for event in story))]
    picture, now = _folded(id_, story, done), datetime.now(UTC)
    told = picture.timeline_svg(id_, now) if as_svg else picture.timeline(id_, now)
    assert told is not None
    return told


async def _found(wanted: str, store: Store, ledger: Ledger) -> str:
    """The id of the one conference that is meant."""
    known = await store.distinct("conference_id", wanted, 100) if wanted else []
    if wanted in known:
        return wanted
    found = {**dict.fromkeys(known), **dict.fromkeys(await _named(wanted, store, ledger))}
    if not found:
        raise CommandFailed(f"No event tells of a conference {quoted(wanted)}.")
    if len(found) > 1:
        raise CommandFailed(
            f"{len(found)} conferences are meant by {quoted(wanted)}: {listed(list(found))}. Give an id."
        )
    return next(iter(found))


async def _named(name: str, store: Store, ledger: Ledger) -> list[str]:
    """Conferences that were created under this name: no event tells it, but the audit does."""
    ids: list[str] = []
    async for record in _done(ledger):
        arguments = _arguments(record)
        if record.entry.get("tool") == "create_conference" and arguments.get("name") == name:
            wanted = EventFilter(
                types=frozenset({_CREATED}),
                call_control_id=str(arguments.get("call_control_id")),
                since=record.at - _NEAR,
                until=record.at + _NEAR,
            )
            ids += [event.conference_id for event in await store.find(wanted, limit=1) if event.conference_id]
    return ids


async def _done(ledger: Ledger, since: datetime | None = None) -> AsyncGenerator[AuditRecord]:
    """Records of what was done to conferences, newest first, back to this time and somewhat beyond."""
    number, most = _AFTER_ALL, _MOST_RECORDS
    while most > 0 and (records := await ledger.before(number)):
        for record in records:
            if record.entry.get("outcome") == "done" and record.entry.get("tool") in _TOLD:
                yield record
        number, most = records[-1].number, most - len(records)
        if (
            since is not None and records[-1].at < since - _DISORDER
        ):  # numbered as they are committed, not as they happened
            return


_TOLD = frozenset({*CONFERENCE, "create_conference"})


def _folded(id_: str, story: Sequence[StoredEvent], done: Sequence[AuditRecord]) -> Projection:
    picture = Projection()
    for event in story:
        picture.add(event)
    for record in reversed(done):
        if _arguments(record).get("conference_id") == id_:
            picture.record_command(str(record.entry["tool"]), _arguments(record), record.at)
    for created in (event for event in story if event.type == _CREATED and event.conference_id == id_):
        picture.merge_conference({"id": id_, "name": _name(created, done)}, None, created.occurred_at)
    return picture


def _name(created: StoredEvent, done: Sequence[AuditRecord]) -> Any:
    """Under which name this server created a conference; None: it did not."""
    by_us = {
        abs(record.at - created.occurred_at): _arguments(record).get("name")
        for record in done
        if record.entry.get("tool") == "create_conference"
        and _arguments(record).get("call_control_id") == created.call_control_id
    }
    nearest = min(by_us, default=_NEAR)
    return by_us[nearest] if nearest < _NEAR else None


def _arguments(record: AuditRecord) -> Mapping[str, Any]:
    arguments = record.entry.get("arguments")
    return cast("Mapping[str, Any]", arguments) if isinstance(arguments, dict) else {}
