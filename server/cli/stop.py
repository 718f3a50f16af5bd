"""`stop` and `resume`: the switch that blocks every write."""

from datetime import UTC, datetime

import click

from ...tools.text import clean, quoted
from ..adapters.running_servers import running_servers
from ..events.times import iso
from ..guard.ledger import Ledger, Stopped
from .ledger import open_ledger
from .options import settings_options
from .terminal import CommandFailed, confirm, current_user, program, require_terminal

_MAX_REASON_LENGTH = 500


@click.command()
@click.argument("reason", nargs=-1)
@settings_options("database")
def stop(reason: tuple[str, ...], database: str | None) -> None:
    """Block all write tools on every server that uses this store.

    It takes effect at once. Tools that only read still work. Running conferences and calls are not touched.

    \b
    Examples:
      telnyx-conferencing stop
      telnyx-conferencing stop agent called the wrong people
    """
    with open_ledger(database) as ledger:
        started_at = datetime.now(UTC)
        stopped = ledger.call(Ledger.stop, current_user(), clean(" ".join(reason), _MAX_REASON_LENGTH) or None)
        if stopped.at < started_at:
            click.echo(f"Writes on {ledger.store} were already stopped {_text(stopped)}. Nothing changed.")
        else:
            click.echo(f"Writes on {ledger.store} are stopped: every server that uses this store refuses them.")
        click.echo(f"To allow them again: {program()} resume{ledger.option}")
        is_in_use = ledger.store in {server.store for server in running_servers()}
        if not is_in_use and len(ledger.call(Ledger.newest, 2)) < 2:  # the first record is about this stop
            click.echo(
                "No server has used this store yet. If you did not expect that, your servers use another store: "
                "name it with --database.",
                err=True,
            )


@click.command()
@settings_options("database")
def resume(database: str | None) -> None:
    """Allow write tools again after `stop`.

    Works only at a terminal, where a person confirms.

    \b
    Example:
      telnyx-conferencing resume
    """
    with open_ledger(database) as ledger:
        require_terminal("Resuming")
        stopped = ledger.call(Ledger.stopped)
        if stopped is None:
            click.echo(f"Writes on {ledger.store} are not stopped.")
            return
        click.echo(f"Writes on {ledger.store} were stopped {_text(stopped)}.")
        if not confirm("Allow writes again?"):
            raise CommandFailed("Writes stay stopped.")
        ledger.call(Ledger.resume, current_user())
        click.echo("Writes are allowed again.")


def _text(stopped: Stopped) -> str:
    reason = f", {quoted(stopped.reason, _MAX_REASON_LENGTH)}" if stopped.reason else ""
    return f"by {clean(stopped.by, 200)} at {iso(stopped.at)[:19].replace('T', ' ')} UTC{reason}"
