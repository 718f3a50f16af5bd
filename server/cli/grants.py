"""`grants`: what a person has allowed an agent in advance, listed and revoked."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from ...tools.text import clean
from ..events.projection.sanitize import format_duration
from ..events.times import iso
from ..guard.ledger import Grant, Ledger
from .ledger import open_ledger
from .options import settings_options, share_database
from .terminal import current_user, program

_MAX_CODE_LENGTH = 40
_MAX_TEXT_LENGTH = 200


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.pass_context
def grants(context: click.Context, database: str | None, as_json: bool) -> None:
    """List and revoke what a person has allowed beforehand.

    An agent asks for a grant with request_grant: several calls of one tool, within limits, for some minutes.

    \b
    Examples:
      telnyx-conferencing grants
      telnyx-conferencing grants revoke K7QF-2M9X
    """
    share_database(context, database)
    if context.invoked_subcommand is not None:
        return
    with open_ledger(database) as ledger:
        open_grants = ledger.call(Ledger.grants)
        for grant in open_grants:
            click.echo(json.dumps(_fields(grant)) if as_json else _text(grant))
        if not as_json:
            end = (
                f"\nTo end a grant: {program()} grants revoke {open_grants[0].code}{ledger.option}"
                if open_grants
                else ""
            )
            click.echo(end or "No grant is open.")


@grants.command()
@click.argument("code")
@settings_options("database")
def revoke(code: str, database: str | None) -> None:
    """End the grant CODE at once.

    \b
    Example:
      telnyx-conferencing grants revoke K7QF-2M9X
    """
    with open_ledger(database) as ledger:
        grant = ledger.call(Ledger.revoke_grant, clean(code, _MAX_CODE_LENGTH), current_user())
        click.echo(f"Revoked {grant.code}: {grant.terms.tool} needs a person's approval again.")


def _text(grant: Grant) -> str:
    terms = grant.terms
    limits = [f"{name}: {', '.join(map(str, values))}" for name, values in terms.limits.items()]
    where = clean(terms.room_name or terms.room or "anywhere", _MAX_TEXT_LENGTH)
    parts = (
        click.style(grant.code, bold=True),
        terms.tool,
        f"{grant.left} of {terms.count} left",
        f"{format_duration(grant.expires_at - datetime.now(UTC))} left",
        f"in {where}" if terms.room else where,
        f"for {clean(grant.identity or grant.asked_by, _MAX_TEXT_LENGTH)}",
    )
    return "\n".join(["  ".join(parts), *(f"  {clean(limit, 2000)}" for limit in limits)])


def _fields(grant: Grant) -> dict[str, Any]:
    terms = grant.terms
    return {
        "code": grant.code,
        "tool": terms.tool,
        "limits": terms.limits,
        "conference_id": terms.room,
        "count": terms.count,
        "left": grant.left,
        "asked_by": grant.asked_by,
        "identity": grant.identity,
        "granted_by": grant.granted_by,
        "granted_at": iso(grant.granted_at),
        "expires_at": iso(grant.expires_at),
    }
