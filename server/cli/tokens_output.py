"""Tokens at the command line: made, listed, taken back."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ...tools.words import clean, count, quoted
from ..auth.access_tokens import NAME, new_token
from ..auth.scopes import TokenScope
from ..events.times import iso
from ..guard.ledger import Ledger, Token
from ..settings import SettingsError, read_duration
from .ledger import LedgerClient
from .terminal import CommandFailed, must_be_terminal, someone

_NEVER = "never"
_COLOURS = {"revoked": "red", "expired": "yellow"}


def create(desk: LedgerClient, name: str, scopes: Sequence[str], expires: str, *, as_json: bool) -> None:
    """Make a token and print it. Raises `SettingsError`, `NotDone`."""
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"{quoted(name, 80)} is no name of a token: up to 64 letters, digits and . _ @ -, such as anna or desk-2."
        )
    if TokenScope.APPROVE in scopes:
        must_be_terminal(f"Giving {TokenScope.APPROVE}")
    lasts = _lasts(expires)
    text, token = new_token(name, [TokenScope(scope) for scope in scopes], datetime.now(UTC), lasts)
    desk.call(Ledger.add_token, token, someone())
    if as_json:
        click.echo(json.dumps({"token": text, **_view(token)}))
        return
    click.echo(text)
    click.echo(
        f"It proves {name} {_until(token)}, with {token.scopes.replace(' ', ', ')}. It is not shown again.", err=True
    )


def _lasts(expires: str) -> timedelta | None:
    if expires == _NEVER:
        return None
    try:
        return read_duration(expires)
    except ValueError as wrong:
        raise SettingsError(f"--expires: {wrong}, or {_NEVER}.") from None


def show(desk: LedgerClient, *, as_json: bool) -> None:
    """Print the tokens, oldest first."""
    tokens = desk.call(Ledger.tokens)
    for token in tokens:
        click.echo(json.dumps(_view(token)) if as_json else _in_words(token))
    if not tokens and not as_json:
        click.echo(f"There are no tokens in {desk.store}: telnyx-conferencing tokens create makes one.")


def revoke(desk: LedgerClient, name: str) -> None:
    """Take tokens back. Raises `NotDone`."""
    revoked = desk.call(Ledger.revoke, clean(name, 100), someone())
    if not revoked:
        raise CommandFailed(
            f"{quoted(name, 80)} has no token that could be revoked: telnyx-conferencing tokens lists them."
        )
    click.echo(f"Revoked {count(len(revoked), 'token')} of {revoked[0].name}: {', '.join(one.id for one in revoked)}.")


def _view(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes.split(),
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at) if token.expires_at else None,
        "state": token.why_over(datetime.now(UTC)) or "valid",
    }


def _in_words(token: Token) -> str:
    over = token.why_over(datetime.now(UTC))
    state = click.style(over, fg=_COLOURS[over]) if over else _until(token)
    return f"{token.id}  {click.style(token.name, bold=True)}  {token.scopes}  {state}"


def _until(token: Token) -> str:
    return f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "until it is revoked"
