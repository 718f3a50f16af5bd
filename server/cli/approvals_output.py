"""Questions that wait for a person, on a terminal: shown, and answered."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ...tools.words import clean, quoted
from ..events.times import iso
from ..guard.ledger import Decision, Ledger, NoSuchApproval, PendingApproval
from .ledger import LedgerClient
from .terminal import CommandFailed, agrees, answer, is_terminal, must_be_terminal, someone, words

_LONGEST_QUESTION = 5_000
_LONGEST_REASON = 500
_LONGEST_CODE = 40
_COLOURS = {"destructive": "red", "disruptive": "yellow"}


def show_waiting(desk: LedgerClient, *, as_json: bool) -> None:
    """Print the questions that wait, oldest first."""
    waiting = desk.call(Ledger.pending)
    for one in waiting:
        _show(one, as_json=as_json)
    if as_json:
        return
    if waiting:
        click.echo("\nTo answer one: telnyx-conferencing approvals approve CODE, or reject CODE.")
    else:
        click.echo("No question waits for an answer.")


def approve(desk: LedgerClient, code: str, reason: str | None) -> None:
    """Show a question and say yes to it, if a person at the terminal agrees. Raises `NotDone`, `NoSuchApproval`."""
    must_be_terminal("Approving")
    one = desk.call(Ledger.waiting, clean(code, _LONGEST_CODE))
    _show(one, as_json=False)
    click.echo("A yes lets exactly this call through, once, and only while all that is said here is still so.")
    if not agrees("Approve?"):
        raise CommandFailed(
            f"{one.code} was not approved. It waits on; `telnyx-conferencing approvals reject` says no."
        )
    _decide(desk, one.code, yes=True, reason=reason)


def reject(desk: LedgerClient, code: str, reason: str | None) -> None:
    """Say no to a question. Raises `NoSuchApproval`."""
    _decide(desk, clean(code, _LONGEST_CODE), yes=False, reason=reason)


def watch(desk: LedgerClient, every: float, *, as_json: bool) -> None:
    """Print each question as it comes, and on a terminal ask for its answer, until interrupted."""
    answers = is_terminal() and not as_json
    if answers:
        click.echo(f"Watching {desk.store} for questions; Ctrl-C ends it.")
    shown: set[str] = set()
    while True:
        waiting = desk.call(Ledger.pending)
        # Answering takes a while, so that what was second in line may be gone: then it is looked up anew.
        fresh = [one for one in waiting if one.code not in shown]
        for one in fresh[:1]:
            shown.add(one.code)
            _show(one, as_json=as_json)
            if answers:
                _offer(desk, one)
        if not fresh:
            shown &= {one.code for one in waiting}
            time.sleep(every)


def _offer(desk: LedgerClient, one: PendingApproval) -> None:
    said = answer("Approve? [y = yes, n = no, Enter = not now]")
    if said is None:
        click.echo(f"{one.code} waits on.")
        return
    reason = words("Reason, if you like")
    try:
        _decide(desk, one.code, yes=said, reason=reason)
    except NoSuchApproval as gone:
        click.echo(clean(str(gone), _LONGEST_QUESTION))


def _decide(desk: LedgerClient, code: str, *, yes: bool, reason: str | None) -> None:
    why = clean(reason, _LONGEST_REASON) if reason else None
    decided = desk.call(Ledger.decide, code, Decision(yes, someone(), why or None))
    if yes:
        click.echo(f"Approved {decided.code}. Tell the agent to repeat its call within {_left(decided)}.")
    else:
        click.echo(f"Rejected {decided.code}. The agent is told so if it repeats its call within {_left(decided)}.")


def _show(one: PendingApproval, *, as_json: bool) -> None:
    click.echo(json.dumps(_view(one)) if as_json else _in_words(one))


def _in_words(one: PendingApproval) -> str:
    parts = (
        click.style(one.code, bold=True),
        f"{_left(one)} left",
        click.style(clean(one.risk, 40), fg=_COLOURS.get(one.risk)),
        clean(one.tool, 80),
        f"asked by {quoted(one.asker, 200)}",
    )
    return f"{'  '.join(parts)}\n  {clean(one.question, _LONGEST_QUESTION)}"


def _view(one: PendingApproval) -> dict[str, Any]:
    """JSON, in ASCII when it is written: what callers chose cannot steer a terminal."""
    return {
        "code": one.code,
        "tool": one.tool,
        "risk": one.risk,
        "question": one.question,
        "asked_by": one.asked_by,
        "identity": one.identity,
        "asked_at": iso(one.asked_at),
        "expires_at": iso(one.expires_at),
        "seconds_left": int(_until_end(one).total_seconds()),
    }


def _left(one: PendingApproval) -> str:
    minutes, seconds = divmod(int(_until_end(one).total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


def _until_end(one: PendingApproval) -> timedelta:
    return max(one.expires_at - datetime.now(UTC), timedelta())
