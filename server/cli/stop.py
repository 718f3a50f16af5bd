"""The stop switch, at a terminal."""

from datetime import UTC, datetime

import click

from ...tools.words import clean, quoted
from ..events.times import iso
from ..guard.ledger import Ledger, Stopped
from .ledger import LedgerClient
from .terminal import CommandFailed, agrees, must_be_terminal, someone

_LONGEST = 500


def stop(desk: LedgerClient, reason: str) -> None:
    """Stop every write, at once, and say what is now so."""
    begun = datetime.now(UTC)
    stopped = desk.call(Ledger.stop, someone(), clean(reason, _LONGEST) or None)
    if stopped.at < begun:
        click.echo(f"Writes on {desk.store} were stopped already: {_in_words(stopped)}. That stands.")
    else:
        click.echo(f"Writes on {desk.store} are stopped: every server that uses this store refuses them. Reads go on.")
    click.echo("`telnyx-conferencing resume` lets them go on.")
    if len(desk.call(Ledger.newest, 2)) < 2:  # the first record is that of this stop
        click.echo(
            "Nothing was ever done through this store: if that is not what you expect, your servers use another. "
            "Name theirs with --database.",
            err=True,
        )


def resume(desk: LedgerClient) -> None:
    """Let writes go on, if a person at the terminal agrees, and say what is now so. Raises `NotDone`."""
    must_be_terminal("Resuming")
    stopped = desk.call(Ledger.stopped)
    if stopped is None:
        click.echo(f"Writes on {desk.store} are not stopped.")
        return
    click.echo(f"Writes on {desk.store} are stopped: {_in_words(stopped)}.")
    if not agrees("Let them go on?"):
        raise CommandFailed("Writes stay stopped.")
    desk.call(Ledger.resume, someone())
    click.echo("Writes go on.")


def _in_words(stopped: Stopped) -> str:
    why = f", {quoted(stopped.reason, _LONGEST)}" if stopped.reason else ""
    return f"by {clean(stopped.by, 200)} at {iso(stopped.at)[:19].replace('T', ' ')} UTC{why}"
