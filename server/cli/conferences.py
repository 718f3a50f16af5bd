"""`conferences`: the latest conferences in the store."""

import json
from datetime import UTC, datetime

import anyio
import click

from ...tools.text import clean, count, quoted
from ..database import Database
from ..events.event import EventFilter
from ..events.projection.views import ConferenceSummary
from ..guard.ledger import Ledger
from .conference_history import CREATED, project, read_commands
from .ledger import open_events, store_url
from .options import settings_options
from .terminal import program

_MAX_EVENTS = 20_000
"""Of one conference."""


@click.command()
@settings_options("database")
@click.option(
    "--last", metavar="N", type=click.IntRange(1, 1000), default=20, show_default=True, help="Number of conferences."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def conferences(database: str | None, last: int, as_json: bool) -> None:
    """List the latest conferences.

    The newest conference comes last. The list comes from the store that a server writes to. To see what happened in a
    conference, use `timeline`.

    \b
    Examples:
      telnyx-conferencing conferences
      telnyx-conferencing conferences --last 100 --json
    """
    summaries = anyio.run(_summaries, store_url(database), last)
    for summary in summaries:
        click.echo(json.dumps(summary.to_json()) if as_json else _line(summary))
    if as_json:
        return
    if summaries:
        click.echo(f"\nTo see what happened in one: {program()} timeline ID")
    else:
        click.echo("The store has no conferences yet.")


async def _summaries(url: str, last: int) -> list[ConferenceSummary]:
    """The latest conferences, oldest first."""
    async with open_events(url) as store:

        async def opened() -> Database:
            return store.database

        created = await store.find(EventFilter(types=frozenset({CREATED})), limit=last)
        if not created:
            return []
        since = min(event.occurred_at for event in created)
        commands = [record async for record in read_commands(Ledger(opened), since)]
        summaries: list[ConferenceSummary] = []
        for conference_id in dict.fromkeys(event.conference_id for event in reversed(created) if event.conference_id):
            events = (await store.find(EventFilter(conference_id=conference_id), limit=_MAX_EVENTS))[::-1]
            summary = project(conference_id, events, commands).summary(conference_id, datetime.now(UTC))
            if summary is not None:
                summaries.append(summary)
        return summaries


def _line(summary: ConferenceSummary) -> str:
    started = summary.started_at.isoformat(sep=" ")[:19] if summary.started_at else "?"
    minutes, seconds = divmod(summary.seconds or 0, 60)
    state = click.style(f"{summary.status:<5}", fg="green" if summary.status == "open" else None)
    people = count(summary.peak_participants, "person")
    name = quoted(summary.name, 80) if summary.name else "(no name)"
    return f"{started}  {state}  {minutes:>3}:{seconds:02}  {people:<10}  {clean(summary.id, 80)}  {name}"
