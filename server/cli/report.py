"""`report`: figures of conferences, queues, agents and days, from the store."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import click

from ...tools.text import clean, count
from ..events.projection.sanitize import format_seconds
from ..guard.ledger import Ledger
from ..reports import ReportListing, ReportRow, RowKind, Window, run_report
from ..reports.csv_text import csv_header, csv_row
from ..settings import SettingsError
from ..stores import open_for_reading, time_of
from .ledger import store_url
from .options import read_since, settings_options, since_option, until_option

_MAX_NAME_LENGTH = 80


@click.command()
@settings_options("database")
@since_option
@until_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def report(database: str | None, begin: str | None, end: str | None, as_csv: bool, as_json: bool) -> None:
    """Print figures per conference, queue, agent and day.

    Counts what began between --since (default: today, 00:00 UTC) and --until (default: now): calls, waits, abandoned
    calls, talk, hold and muted time, recordings, and approvals with who gave them. An agent is a number that this
    account called. In CSV and JSON, durations are in seconds.

    \b
    Examples:
      telnyx-conferencing report --since 7d
      telnyx-conferencing report --since 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z --csv > january.csv
    """
    if as_csv and as_json:
        raise click.UsageError("Give --csv or --json, not both.")
    since, until = read_since(begin), read_since(end, "--until")
    listing = ReportListing(1)

    def print_row(row: ReportRow) -> None:
        listing.add(row)
        if as_csv:
            click.echo(csv_row(row), nl=False)
        else:
            click.echo(json.dumps(row.to_json()) if as_json else _line(row))

    if as_csv:
        click.echo(csv_header(), nl=False)
    anyio.run(_print_rows, store_url(database), since, until, print_row)
    if not as_csv and not as_json:
        click.echo(f"In total: {listing.summary()}")


async def _print_rows(
    url: str, since: datetime | None, until: datetime | None, print_row: Callable[[ReportRow], None]
) -> None:
    async with open_for_reading(url) as store:
        now = await time_of(store)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        window = Window(since or today, until or now)
        if window.since >= window.until:
            raise SettingsError("--since (if not given: today, 00:00 UTC) must be before --until.")
        async for row in run_report(store, Ledger.on(store.database), window, now):
            print_row(row)


def _line(row: ReportRow) -> str:
    figures = row.figures
    name = clean(row.name, _MAX_NAME_LENGTH)
    if row.kind is RowKind.CONFERENCE:
        started = f"{row.started_at:%Y-%m-%d %H:%M:%S} " if row.started_at else ""
        name = f"{started}{clean(row.id, _MAX_NAME_LENGTH)} {name}".rstrip()
    longest = format_seconds(figures.longest_wait_s)
    waits = f", {figures.abandoned} abandoned, longest {longest}" if figures.waits else ""
    by = ", ".join(f"{clean(by, _MAX_NAME_LENGTH)} {number}" for by, number in figures.approved_by.most_common(5))
    parts = (
        count(figures.calls, "call"),
        f"{count(figures.waits, 'wait')} {format_seconds(figures.wait_s)}{waits}" if figures.waits else "",
        f"talk {format_seconds(figures.talk_s)}" if row.kind is not RowKind.QUEUE else "",
        f"hold {format_seconds(figures.hold_s)}" if figures.hold_s else "",
        f"muted {format_seconds(figures.muted_s)}" if figures.muted_s else "",
        f"{count(figures.recordings, 'recording')} {format_seconds(figures.recorded_s)}" if figures.recordings else "",
        f"{count(figures.approvals, 'approval')} ({by})" if figures.approvals else "",
    )
    return f"{row.kind:<10}  {name}  {', '.join(part for part in parts if part)}"
