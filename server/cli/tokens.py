"""`tokens`: access tokens for HTTP clients, created, listed and revoked."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ...tools.text import clean, count, quoted, read_duration
from ..auth.access_tokens import NAME, new_token
from ..auth.scopes import SCOPES, TokenScope
from ..events.times import iso
from ..guard.ledger import Ledger, Token
from ..settings import SettingsError
from .ledger import open_ledger
from .options import settings_options, share_database
from .terminal import CommandFailed, current_user, program, require_terminal

_NEVER = "never"
_COLOURS = {"revoked": "red", "expired": "yellow"}


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.pass_context
def tokens(context: click.Context, database: str | None, as_json: bool) -> None:
    """List, create and revoke access tokens for HTTP clients.

    A token proves a name and carries scopes: conferences:read, conferences:control (which includes reading) and
    conferences:approve (the operator page).

    \b
    Examples:
      telnyx-conferencing tokens create anna --scope conferences:control
      telnyx-conferencing tokens revoke anna
    """
    share_database(context, database)
    if context.invoked_subcommand is None:
        _list(database, as_json=as_json)


@tokens.command("list")
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_tokens(database: str | None, as_json: bool) -> None:
    """List the tokens with their names, scopes and expiry.

    \b
    Example:
      telnyx-conferencing tokens list
    """
    _list(database, as_json=as_json)


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="A scope of the token. Repeatable.",
)
@click.option(
    "--expires",
    default="90d",
    show_default=True,
    metavar="DURATION",
    help=f"How long the token is valid, such as 12h or 30d, or {_NEVER}.",
)
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(name: str, scopes: tuple[str, ...], expires: str, database: str | None, as_json: bool) -> None:
    """Create a token for NAME and print it, once.

    NAME is a person or a program. Several tokens with the same name are one identity, so that you can replace a token
    before it expires. A token with conferences:approve can be created only at a terminal: otherwise an agent that can
    run commands could approve its own requests.

    \b
    Example:
      telnyx-conferencing tokens create anna --scope conferences:control --expires 30d
    """
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"{quoted(name, 80)} is not a valid name: use up to 64 letters, digits and . _ @ -, such as anna or desk-2."
        )
    if TokenScope.APPROVE in scopes:
        require_terminal(f"Creating a token with {TokenScope.APPROVE}")
    text, token = new_token(name, [TokenScope(scope) for scope in scopes], datetime.now(UTC), _lifetime(expires))
    with open_ledger(database) as ledger:
        ledger.call(Ledger.add_token, token, current_user())
    if as_json:
        click.echo(json.dumps({"token": text, **_fields(token)}))
        return
    click.echo(text)
    click.echo(
        f"This token proves the name {name}. It is valid {_validity(token)}, for {token.scopes.replace(' ', ', ')}. "
        "It is not shown again.",
        err=True,
    )


@tokens.command()
@click.argument("name")
@settings_options("database")
def revoke(name: str, database: str | None) -> None:
    """Revoke every token of NAME, or the token with this id.

    \b
    Example:
      telnyx-conferencing tokens revoke anna
    """
    with open_ledger(database) as ledger:
        revoked = ledger.call(Ledger.revoke, clean(name, 100), current_user())
    if not revoked:
        raise CommandFailed(
            f"{quoted(name, 80)} has no token to revoke. To list the tokens: {program()} tokens{ledger.option}"
        )
    ids = ", ".join(token.id for token in revoked)
    click.echo(f"Revoked {count(len(revoked), 'token')} of {revoked[0].name}: {ids}.")


def _list(database: str | None, *, as_json: bool) -> None:
    """Print the tokens, oldest first."""
    with open_ledger(database) as ledger:
        tokens = ledger.call(Ledger.tokens)
        for token in tokens:
            click.echo(json.dumps(_fields(token)) if as_json else _line(token))
        if not tokens and not as_json:
            click.echo(
                f"There are no tokens in {ledger.store}. To create one: "
                f"{program()} tokens create NAME --scope {TokenScope.READ}{ledger.option}"
            )


def _lifetime(expires: str) -> timedelta | None:
    if expires == _NEVER:
        return None
    try:
        return read_duration(expires)
    except ValueError as error:
        raise SettingsError(f"--expires: {error}, or {_NEVER}.") from None


def _fields(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes.split(),
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at) if token.expires_at else None,
        "state": token.why_invalid(datetime.now(UTC)) or "valid",
    }


def _line(token: Token) -> str:
    invalid = token.why_invalid(datetime.now(UTC))
    state = click.style(invalid, fg=_COLOURS[invalid]) if invalid else _validity(token)
    return f"{token.id}  {click.style(token.name, bold=True)}  {token.scopes}  {state}"


def _validity(token: Token) -> str:
    return f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "until it is revoked"
