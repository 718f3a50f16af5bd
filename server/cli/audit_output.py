"""The audit on a terminal: what was done, found, exported and proved."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, cast

import click

from ...tools.words import clean, quoted
from ..events.times import iso
from ..guard.ledger import AuditRecord, Ledger
from .ledger import LedgerClient
from .terminal import working

_AFTER_ALL = 2**63 - 1
_DISORDER = timedelta(hours=1)
"""Records are numbered as they are committed: one may stand after others that are this much younger."""

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
    """Which records. What is empty does not matter."""

    tools: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    session: str = ""
    """How its id begins."""
    identities: frozenset[str] = frozenset()
    since: datetime | None = None

    def matches(self, record: AuditRecord) -> bool:
        """Whether a record is wanted."""
        entry = record.entry
        return (
            (not self.tools or entry.get("tool") in self.tools)
            and (not self.outcomes or entry.get("outcome") in self.outcomes)
            and (not self.identities or entry.get("identity") in self.identities)
            and str(entry.get("session", "")).startswith(self.session)
            and (self.since is None or record.at >= self.since)
        )


def show(desk: LedgerClient, wanted: AuditFilter, last: int | None, *, as_json: bool) -> None:
    """Print the last of the wanted records, or all of them, oldest first."""
    shown = 0
    for record in _all(desk, wanted) if last is None else _last(desk, wanted, last):
        click.echo(_as_json(record) if as_json else _line(record))
        shown += 1
    if not shown and not as_json:
        click.echo("The audit has no such record." if _is_used(desk) else "The audit is empty.")


def _is_used(desk: LedgerClient) -> bool:
    return bool(desk.call(Ledger.newest, 1))


def verify(desk: LedgerClient, known_head: str | None, *, as_json: bool) -> None:
    """Print that the audit is whole, and how to prove later that it stayed so. Raises `Broken`."""
    with working("checking"):
        verified = desk.call(Ledger.verify, known_head)
    if as_json:
        click.echo(json.dumps({"records": verified.records, "head": verified.head}))
        return
    if not verified.records:
        click.echo(f"The audit in {desk.store} is empty.")
        return
    since = " Nothing was taken away since the head you gave." if known_head else ""
    many = "The one record is" if verified.records == 1 else f"All {verified.records} records are"
    click.echo(f"{many} as written, and none is missing between them.{since}")
    click.echo(f"Head: {verified.head}")
    click.echo(
        "Keep the head where whoever can write the store cannot change it. A later `telnyx-conferencing audit verify "
        "--head HEAD` then proves that nothing up to it was altered or taken away."
    )


def _last(desk: LedgerClient, wanted: AuditFilter, most: int) -> Iterable[AuditRecord]:
    """Read from the newest on, so that it costs what it shows."""
    found = islice(filter(wanted.matches, _backwards(desk, wanted.since)), most)
    return reversed(list(found))


def _all(desk: LedgerClient, wanted: AuditFilter) -> Iterator[AuditRecord]:
    """Read from the oldest on, never more than a batch in hand, however many there are."""
    before = deque(_backwards(desk, wanted.since), maxlen=1) if wanted.since else None
    number = before[0].number - 1 if before else 0
    while records := desk.call(Ledger.after, number):
        yield from filter(wanted.matches, records)
        number = records[-1].number


def _backwards(desk: LedgerClient, since: datetime | None) -> Iterator[AuditRecord]:
    """Every record from the newest back to this time, and some that are older."""
    number = _AFTER_ALL
    while records := desk.call(Ledger.before, number):
        yield from records
        number = records[-1].number
        if since is not None and records[-1].at < since - _DISORDER:
            return


def _as_json(record: AuditRecord) -> str:
    """A record as it is kept, so that its hash can be computed from it: see `hash_of`. In ASCII, so that what callers
    chose cannot steer a terminal."""
    at = record.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"number": record.number, "at": at, "hash": record.hash, **record.entry})


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
        _who(entry),
        _took(entry),
        _why(entry),
    )
    return "  ".join(part for part in parts if part)


def _who(entry: Mapping[str, Any]) -> str:
    session = _text(entry, "session", 12)
    parts = (
        f"by {_text(entry, 'by')}" if _text(entry, "by") else "",
        f"for {quoted(_text(entry, 'identity', 200))}" if entry.get("identity") else "",
        f"through {quoted(_text(entry, 'client'))}" if entry.get("client") else "",
        f"session {session}" if session else "",
    )
    return " ".join(part for part in parts if part)


def _took(entry: Mapping[str, Any]) -> str:
    ms = entry.get("ms")
    if not isinstance(ms, int | float):
        return ""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _why(entry: Mapping[str, Any]) -> str:
    asked, telnyx = _table(entry, "asked"), _table(entry, "telnyx")
    said = f"{_text(asked, 'by', 200)} said {_text(asked, 'answer')}" if asked.get("answer") else ""
    parts = (
        _text(entry, "why", 400),
        _text(entry, "reason", 400),
        " ".join(part for part in (said, _text(asked, "code")) if part),
        quoted(_text(asked, "reason", 400), 400) if asked.get("reason") else "",
        f"Telnyx answered {_text(telnyx, 'status')}" if telnyx.get("status") else "",
    )
    told = "; ".join(part for part in parts if part)
    return f"({told})" if told else ""


def _text(entry: Mapping[str, Any], name: str, longest: int = 80) -> str:
    value = entry.get(name)
    return "" if value is None else clean(str(value), longest)


def _table(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = entry.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
