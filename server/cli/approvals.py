"""`approvals`: the requests that wait for a person, listed and answered at a terminal."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ...tools.text import clean, quoted
from ..events.projection.sanitize import format_duration
from ..events.times import iso
from ..guard.ledger import MAX_QUESTION_LENGTH, Decision, Ledger, NoSuchApproval, PendingApproval
from .ledger import LedgerClient, open_ledger
from .options import settings_options, share_database
from .terminal import (
    CommandFailed,
    ask_text,
    ask_yes_no,
    confirm,
    current_user,
    is_terminal,
    program,
    require_terminal,
)

_MAX_REASON_LENGTH = 500
_MAX_CODE_LENGTH = 40
_COLOURS = {"destructive": "red", "disruptive": "yellow"}

_reason_option = click.option("--reason", metavar="TEXT", help="Reason to record in the audit.")


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.pass_context
def approvals(context: click.Context, database: str | None, as_json: bool) -> None:
    """List and answer approval requests.

    A server leaves a request here when the client cannot ask a person. Each request is about one call. After the
    approval the agent repeats that call.

    \b
    Examples:
      telnyx-conferencing approvals
      telnyx-conferencing approvals approve K7QF-2M9X
      telnyx-conferencing approvals watch
    """
    share_database(context, database)
    if context.invoked_subcommand is None:
        with open_ledger(database) as ledger:
            _list(ledger, as_json=as_json)


@approvals.command()
@settings_options("database")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Time between two checks of the store.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, and take no answers.")
def watch(database: str | None, every: float, as_json: bool) -> None:
    """Print each request as it arrives, and ask for an answer.

    It takes answers only if both stdin and stdout are a terminal. Runs until interrupted.

    \b
    Example:
      telnyx-conferencing approvals watch
    """
    with open_ledger(database) as ledger:
        _watch(ledger, every, as_json=as_json)


@approvals.command()
@click.argument("code")
@_reason_option
@settings_options("database")
def approve(code: str, reason: str | None, database: str | None) -> None:
    """Show the request CODE and approve it.

    Works only at a terminal, where a person types the answer. Otherwise an agent that can run commands could approve
    its own requests.

    \b
    Example:
      telnyx-conferencing approvals approve K7QF-2M9X --reason "everyone has left"
    """
    with open_ledger(database) as ledger:
        require_terminal("Approving")
        request = ledger.call(Ledger.waiting, clean(code, _MAX_CODE_LENGTH))
        _print(request, as_json=False)
        click.echo("Approving allows exactly this call, once, and only while everything stated above is still true.")
        if not confirm("Approve?"):
            raise CommandFailed(
                f"{request.code} was not approved. The request stays open. To reject it: "
                f"{program()} approvals reject {request.code}{ledger.option}"
            )
        _decide(ledger, request.code, yes=True, reason=reason)


@approvals.command()
@click.argument("code")
@_reason_option
@settings_options("database")
def reject(code: str, reason: str | None, database: str | None) -> None:
    """Reject the request CODE.

    \b
    Example:
      telnyx-conferencing approvals reject K7QF-2M9X --reason "wrong conference"
    """
    with open_ledger(database) as ledger:
        _decide(ledger, clean(code, _MAX_CODE_LENGTH), yes=False, reason=reason)


def _list(ledger: LedgerClient, *, as_json: bool) -> None:
    """Print the waiting requests, oldest first."""
    requests = ledger.call(Ledger.pending)
    for request in requests:
        _print(request, as_json=as_json)
    if as_json:
        return
    if requests:
        click.echo(f"\nTo answer a request: {program()} approvals approve {requests[0].code}{ledger.option}")
    else:
        click.echo("No approval request is waiting.")


def _watch(ledger: LedgerClient, interval: float, *, as_json: bool) -> None:
    can_answer = is_terminal() and not as_json
    if can_answer:
        click.echo(f"Watching {ledger.store} for approval requests. Press Ctrl-C to stop.")
    printed: set[str] = set()
    while True:
        waiting = ledger.call(Ledger.pending)
        # A person takes a while to answer. The next request may be gone by then, so it is looked up again.
        unseen = [request for request in waiting if request.code not in printed]
        for request in unseen[:1]:
            printed.add(request.code)
            _print(request, as_json=as_json)
            if can_answer:
                _ask(ledger, request)
        if not unseen:
            printed &= {request.code for request in waiting}
            time.sleep(interval)


def _ask(ledger: LedgerClient, request: PendingApproval) -> None:
    answer = ask_yes_no("Approve? [y = yes, n = no, Enter = decide later]")
    if answer is None:
        click.echo(f"{request.code} stays open.")
        return
    reason = ask_text("Reason (optional)")
    try:
        _decide(ledger, request.code, yes=answer, reason=reason)
    except NoSuchApproval as error:
        click.echo(clean(str(error), MAX_QUESTION_LENGTH))


def _decide(ledger: LedgerClient, code: str, *, yes: bool, reason: str | None) -> None:
    reason = clean(reason, _MAX_REASON_LENGTH) if reason else None
    decided = ledger.call(Ledger.decide, code, Decision(yes, current_user(), reason or None))
    time_left = format_duration(_remaining(decided))
    if yes:
        click.echo(f"Approved {decided.code}. Ask the agent to repeat its call within {time_left}.")
    else:
        click.echo(f"Rejected {decided.code}. The agent sees the rejection if it repeats its call within {time_left}.")


def _print(request: PendingApproval, *, as_json: bool) -> None:
    # JSON is ASCII: text that callers chose cannot control the terminal.
    click.echo(json.dumps(_fields(request)) if as_json else _text(request))


def _text(request: PendingApproval) -> str:
    parts = (
        click.style(request.code, bold=True),
        f"{format_duration(_remaining(request))} left",
        click.style(clean(request.risk, 40), fg=_COLOURS.get(request.risk)),
        clean(request.tool, 80),
        f"requested by {quoted(request.asker, 200)}",
    )
    return f"{'  '.join(parts)}\n  {clean(request.question, MAX_QUESTION_LENGTH)}"


def _fields(request: PendingApproval) -> dict[str, Any]:
    return {
        "code": request.code,
        "tool": request.tool,
        "risk": request.risk,
        "question": request.question,
        "asked_by": request.asked_by,
        "identity": request.identity,
        "asked_at": iso(request.asked_at),
        "expires_at": iso(request.expires_at),
        "seconds_left": int(_remaining(request).total_seconds()),
    }


def _remaining(request: PendingApproval) -> timedelta:
    return max(request.expires_at - datetime.now(UTC), timedelta())
