"""`timeline`: what happened in a conference, from the store alone: its events, and the audit of what was done to it."""

from pathlib import Path

import anyio
import click

from ..adapters.conference_history import ConferenceHistory
from ..guard.ledger import Ledger
from ..stores import open_for_reading, time_of
from .find_conference import find_conference
from .ledger import store_url
from .options import settings_options
from .terminal import CommandFailed


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
    async with open_for_reading(url) as store:
        ledger = Ledger.on(store.database)
        conference_id = await find_conference(conference, store, ledger)
        now = await time_of(store)
        projection = await ConferenceHistory(store, ledger, lambda: now).load(conference_id)
    assert projection is not None
    text = projection.timeline_svg(conference_id, now) if as_svg else projection.timeline(conference_id, now)
    assert text is not None
    return text
