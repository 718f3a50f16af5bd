"""`conferences`: the latest conferences in the store."""

import json
from datetime import UTC, datetime

import anyio
import click

from ...tools.text import clean, count, quoted
from ..adapters.conference_history import ConferenceHistory
from ..events.projection.views import ConferenceSummary
from ..guard.ledger import Ledger
from ..stores import open_for_reading
from .ledger import store_url
from .options import settings_options
from .terminal import program


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
    async with open_for_reading(url) as store:
        history = ConferenceHistory(store, Ledger.on(store.database), lambda: datetime.now(UTC))
        summaries: list[ConferenceSummary] = []
        before: int | None = None
        while len(summaries) < last:
            page = await history.find(before=before, limit=last - len(summaries))
            summaries += page.conferences
            before = page.next
            if before is None:
                break
        return summaries[::-1]


def _line(summary: ConferenceSummary) -> str:
    started = summary.started_at.isoformat(sep=" ")[:19] if summary.started_at else "?"
    minutes, seconds = divmod(summary.seconds or 0, 60)
    state = click.style(f"{summary.status:<5}", fg="green" if summary.status == "open" else None)
    people = count(summary.peak_participants, "person")
    name = quoted(summary.name, 80) if summary.name else "(no name)"
    return f"{started}  {state}  {minutes:>3}:{seconds:02}  {people:<10}  {clean(summary.id, 80)}  {name}"
