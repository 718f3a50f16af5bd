"""`audit`: the record of calls and decisions, printed, exported and verified."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import click

from ...tools.text import clean, quoted
from ..events.times import iso
from ..guard.ledger import MAX_CLOCK_DISORDER, MAX_NUMBER, AuditRecord, Ledger, export_line
from ..json_text import object_at
from .ledger import LedgerClient, open_ledger
from .options import read_since, settings_options, share_database, since_option
from .terminal import program, progress

_DEFAULT_RECORDS = 50

_OUTCOMES = (
    "done",
    "dry run",
    "asks",
    "sends",
    "pending",
    "refused",
    "declined",
    "invalid arguments",
    "refused by Telnyx",
    "failed",
    "unknown outcome",
    "given up",
    "unreadable",
    "approved by a person",
    "rejected by a person",
    "granted by a person",
    "grant revoked by a person",
    "opt-out removed by a person",
    "writes stopped by a person",
    "writes resumed by a person",
    "token made by a person",
    "token revoked by a person",
)
_COLOURS = {
    "done": "green",
    "refused": "yellow",
    "declined": "yellow",
    "pending": "yellow",
    "failed": "red",
    "unknown outcome": "red",
    "unreadable": "red",
}


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records to print. An empty field matches every record."""

    tools: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    session: str = ""
    """A prefix of the session's id."""
    identities: frozenset[str] = frozenset()
    since: datetime | None = None

    def matches(self, record: AuditRecord) -> bool:
        """Whether a record passes the filter."""
        entry = record.entry
        return (
            (not self.tools or entry.get("tool") in self.tools)
            and (not self.outcomes or entry.get("outcome") in self.outcomes)
            and (not self.identities or entry.get("identity") in self.identities)
            and str(entry.get("session", "")).startswith(self.session)
            and (self.since is None or record.at >= self.since)
        )


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option(
    "--tool", "tools", multiple=True, metavar="NAME", help="Only this tool, such as end_conference. Repeatable."
)
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice(_OUTCOMES),
    metavar="OUTCOME",
    help=f"Only this outcome. Repeatable. One of: {', '.join(_OUTCOMES)}.",
)
@click.option(
    "--identity", "identities", multiple=True, metavar="NAME", help="Only calls of this token's name. Repeatable."
)
@click.option("--session", default="", metavar="ID", help="Only the session whose id begins like this.")
@since_option
@click.option(
    "--last",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help=f"Only the last N records.  [default: {_DEFAULT_RECORDS}, or all with --since]",
)
@click.option("--all", "every", is_flag=True, help="Print all records.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, for export.")
@click.pass_context
def audit(  # noqa: PLR0917 (one argument per option)
    context: click.Context,
    database: str | None,
    tools: tuple[str, ...],
    outcomes: tuple[str, ...],
    identities: tuple[str, ...],
    session: str,
    begin: str | None,
    last: int | None,
    every: bool,
    as_json: bool,
) -> None:
    """Print the audit: what was done, refused or failed.

    The oldest record comes first.

    \b
    Examples:
      telnyx-conferencing audit --since 2h --outcome refused
      telnyx-conferencing audit --all --json > audit.jsonl
      telnyx-conferencing audit verify
    """
    share_database(context, database)
    if context.invoked_subcommand is not None:
        return
    if every and last:
        raise click.UsageError("Give --last or --all, not both.", context)
    since = read_since(begin)
    record_filter = AuditFilter(frozenset(tools), frozenset(outcomes), session, frozenset(identities), since)
    limit = last or (None if every or since else _DEFAULT_RECORDS)
    with open_ledger(database) as ledger:
        _print_records(ledger, record_filter, limit, as_json=as_json)


@audit.command()
@click.option("--head", metavar="NUMBER:HASH", help="The head that an earlier `audit verify` printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options("database")
def verify(head: str | None, as_json: bool, database: str | None) -> None:
    """Verify that no record was changed or removed.

    The exit code is 1 if a record was changed or removed. Without --head, a person who can write to the store could
    have removed the newest records, or replaced all of them, unnoticed.

    \b
    Examples:
      telnyx-conferencing audit verify
      telnyx-conferencing audit verify --head NUMBER:HASH
    """
    with open_ledger(database) as ledger:
        _verify(ledger, head, as_json=as_json)


def _print_records(ledger: LedgerClient, record_filter: AuditFilter, last: int | None, *, as_json: bool) -> None:
    records = _all(ledger, record_filter) if last is None else _last(ledger, record_filter, last)
    printed = 0
    for record in records:
        click.echo(export_line(record) if as_json else _line(record))
        printed += 1
    if not printed and not as_json:
        click.echo("No audit record matches." if ledger.call(Ledger.newest, 1) else "The audit is empty.")


def _verify(ledger: LedgerClient, head: str | None, *, as_json: bool) -> None:
    with progress("checking"):
        verified = ledger.call(Ledger.verify, head)
    if as_json:
        click.echo(json.dumps({"records": verified.records, "head": verified.head}))
        return
    if not verified.records:
        click.echo(f"The audit in {ledger.store} is empty.")
        return
    since_head = " Nothing was removed since the head you gave." if head else ""
    number = "The only record is" if verified.records == 1 else f"All {verified.records} records are"
    click.echo(f"{number} unchanged, and none is missing.{since_head}")
    click.echo(f"Head: {verified.head}")
    click.echo(
        "Keep the head in a place that people who can write to the store cannot change. Later, "
        f"`{program()} audit verify --head {verified.head}{ledger.option}` proves that no record up to it was "
        "changed or removed."
    )


def _last(ledger: LedgerClient, record_filter: AuditFilter, limit: int) -> Iterable[AuditRecord]:
    """The last matching records. Reads backwards, so that the cost depends on what is printed."""
    matching = islice(filter(record_filter.matches, _backwards(ledger, record_filter.since)), limit)
    return reversed(list(matching))


def _all(ledger: LedgerClient, record_filter: AuditFilter) -> Iterator[AuditRecord]:
    """All matching records. Reads forwards, one batch in memory at a time."""
    since = record_filter.since
    number = ledger.call(Ledger.number_before, since - MAX_CLOCK_DISORDER) if since is not None else 0
    while records := ledger.call(Ledger.after, number):
        yield from filter(record_filter.matches, records)
        number = records[-1].number


def _backwards(ledger: LedgerClient, since: datetime | None) -> Iterator[AuditRecord]:
    """Every record from the newest back to this time, and some older ones."""
    number = MAX_NUMBER
    while records := ledger.call(Ledger.before, number):
        yield from records
        number = records[-1].number
        if since is not None and records[-1].at < since - MAX_CLOCK_DISORDER:
            return


def _line(record: AuditRecord) -> str:
    entry = record.entry
    outcome = _text(entry, "outcome") or "?"
    parts = (
        f"{record.number:>6}",
        click.style(iso(record.at)[:19].replace("T", " "), dim=True),
        click.style(f"{outcome:<8}", fg=_COLOURS.get(outcome)),
        _text(entry, "tool"),
        _text(entry, "code"),
        _text(entry, "does", 400),
        _caller(entry),
        _duration(entry),
        _reason(entry),
    )
    return "  ".join(part for part in parts if part)


def _caller(entry: Mapping[str, Any]) -> str:
    session = _text(entry, "session", 12)
    parts = (
        f"by {_text(entry, 'by')}" if _text(entry, "by") else "",
        f"for {quoted(_text(entry, 'identity', 200))}" if entry.get("identity") else "",
        f"through {quoted(_text(entry, 'client'))}" if entry.get("client") else "",
        f"session {session}" if session else "",
    )
    return " ".join(part for part in parts if part)


def _duration(entry: Mapping[str, Any]) -> str:
    ms = entry.get("ms")
    if not isinstance(ms, int | float):
        return ""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _reason(entry: Mapping[str, Any]) -> str:
    approval, telnyx = object_at(entry, "asked"), object_at(entry, "telnyx")
    is_answered = approval.get("answer") not in (None, "nobody")
    answer = f"{_text(approval, 'by', 200)} answered {_text(approval, 'answer')}" if is_answered else ""
    parts = (
        _text(entry, "why", 400),
        _text(entry, "reason", 400),
        " ".join(
            part for part in (answer or ("request" if approval.get("code") else ""), _text(approval, "code")) if part
        ),
        quoted(_text(approval, "reason", 400), 400) if approval.get("reason") else "",
        f"Telnyx answered {_text(telnyx, 'status')}" if telnyx.get("status") else "",
    )
    reason = "; ".join(part for part in parts if part)
    return f"({reason})" if reason else ""


def _text(entry: Mapping[str, Any], name: str, max_length: int = 80) -> str:
    value = entry.get(name)
    return "" if value is None else clean(str(value), max_length)
