"""`export`: an archive of what happened in a conference, which `verify` proves without the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import anyio
import click

from ...tools.text import count
from ..adapters.conference_history import render_timeline
from ..evidence.export import DRAFT_SUFFIX, Exported, NothingStored
from ..evidence.export import export as export_archive
from ..guard.ledger import Ledger
from ..stores import open_for_reading
from .find_conference import find_conference
from .ledger import store_url
from .options import settings_options
from .terminal import CommandFailed, program

_NAME = "telnyx-conferencing"


@click.command()
@settings_options("database")
@click.argument("conference")
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.zip", help="The archive."
)
@click.option(
    "--mask-numbers",
    is_flag=True,
    help="Replace each body and record that contains a phone number by its hash. These cannot be verified then.",
)
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Add the hash of a recording or transcript that you downloaded. Repeatable.",
)
def export(database: str | None, conference: str, output: Path, mask_numbers: bool, recordings: Sequence[Path]) -> None:
    """Write what happened in a conference to an archive.

    CONFERENCE is an id, the beginning of an id, or the name under which this server created the conference. The archive
    has the timeline, each webhook with its signature, the audit records that concern the conference, chained to the
    head of the audit, and the approval requests. It contains phone numbers and what people keyed, unless --mask-numbers
    is given.

    \b
    Examples:
      telnyx-conferencing export "Delivery 4711" --output delivery.zip
      telnyx-conferencing verify delivery.zip
    """
    try:
        exported = anyio.run(_export, store_url(database), conference, output, mask_numbers, recordings)
    except NothingStored:
        raise CommandFailed(f"The store has no event of the conference {conference}.") from None
    except OSError as error:
        name = str(error.filename or output).removesuffix(DRAFT_SUFFIX)
        raise CommandFailed(f"{name} cannot be read or written: {error.strerror}.") from None
    withheld = f" {count(exported.withheld, 'part')} with phone numbers withheld." if exported.withheld else ""
    click.echo(
        f"{output}: {count(exported.webhooks, 'event')} and {count(exported.records, 'audit record')}.{withheld}\n"
        f"Head: {exported.head}\n"
        "Keep the head in another place than the archive. "
        f"`{program()} verify {output} --head {exported.head}` proves the archive with it."
    )


async def _export(url: str, conference: str, output: Path, mask_numbers: bool, recordings: Sequence[Path]) -> Exported:
    async with open_for_reading(url) as store:
        ledger = Ledger.on(store.database)
        conference_id = await find_conference(conference, store, ledger)
        mask = None
        if mask_numbers:
            from ..mcp.number_masking import masked  # noqa: PLC0415 (large regular expressions)

            mask = masked
        return await export_archive(
            conference_id,
            output,
            store,
            ledger,
            render_timeline,
            now=datetime.now(UTC),
            program=f"{_NAME} {version(_NAME)}",
            mask=mask,
            recordings=recordings,
        )
