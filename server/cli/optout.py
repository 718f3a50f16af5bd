"""`optout`: the list of people who are not called again."""

import json

import click

from ...tools.numbers import party_key, reached
from ...tools.text import clean
from ..events.times import iso
from ..guard.ledger import Ledger, OptOut
from .ledger import open_ledger
from .options import settings_options, share_database
from .terminal import CommandFailed, confirm, current_user, require_terminal


@click.group()
@settings_options("database")
@click.pass_context
def optout(context: click.Context, database: str | None) -> None:
    """List and change the numbers that are not called again.

    Every server that uses this store refuses to call them. A policy can name a file with more numbers.

    \b
    Examples:
      telnyx-conferencing optout list
      telnyx-conferencing optout add +14155550123
    """
    share_database(context, database)


@optout.command()
@click.argument("numbers", nargs=-1, required=True)
@settings_options("database")
def add(numbers: tuple[str, ...], database: str | None) -> None:
    """Put NUMBERS on the opt-out list.

    \b
    Example:
      telnyx-conferencing optout add "+1 (415) 555-0123" +4930901820
    """
    listed = [_read(number) for number in numbers]
    with open_ledger(database) as ledger:
        for number in listed:
            is_new = ledger.call(Ledger.add_optout, number, current_user(), "opt-out added by a person")
            click.echo(f"{number} is {'' if is_new else 'already '}on the opt-out list.")
            if number.startswith("+") and not reached(number):
                click.echo(f"{number} cannot exist in the number plan of its country. Is it mistyped?", err=True)


@optout.command()
@click.argument("number")
@settings_options("database")
def remove(number: str, database: str | None) -> None:
    """Take NUMBER off the opt-out list.

    Works only at a terminal, where a person confirms.

    \b
    Example:
      telnyx-conferencing optout remove +14155550123
    """
    listed = _read(number)
    with open_ledger(database) as ledger:
        require_terminal("Removing an opt-out")
        if not confirm(f"Allow calls to {listed} again?"):
            raise CommandFailed(f"{listed} stays on the opt-out list.")
        if not ledger.call(Ledger.remove_optout, listed, current_user()):
            raise CommandFailed(f"{listed} is not on the opt-out list of {ledger.store}.")
        click.echo(f"{listed} is not on the opt-out list any more.")


@optout.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@settings_options("database")
def list_numbers(as_json: bool, database: str | None) -> None:
    """Print the opt-out list.

    \b
    Example:
      telnyx-conferencing optout list
    """
    with open_ledger(database) as ledger:
        entries = ledger.call(Ledger.optouts)
        for entry in entries:
            click.echo(_line(entry, as_json=as_json))
        if not entries and not as_json:
            click.echo("The opt-out list is empty.")


def _line(entry: OptOut, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"number": entry.number, "at": iso(entry.at), "by": entry.by})
    return f"{clean(entry.number, 200)}  {iso(entry.at)[:16].replace('T', ' ')} UTC  by {clean(entry.by, 200)}"


def _read(number: str) -> str:
    try:
        return party_key(number)
    except ValueError as problem:
        raise CommandFailed(f"{clean(number, 100)} {problem}.") from None
