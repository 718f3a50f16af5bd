"""What was done, record after record: each carries the hash of the one before. Functions are parts of transactions."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

from ...compact_json import compact_json
from ...database import Transaction, microseconds, moment_of, note, noted

HEAD = "audit.head"
"""The note of the newest record."""
GENESIS = "0" * 64
BATCH = 1_000
_WRITTEN_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")

Entry = Mapping[str, Any]
"""One record as JSON. `session` names the conversation it belongs to; `newest_event`, in the record of a write that is
let through, is the number of the newest event before it."""

_INSERT = (
    "INSERT INTO audit (number, at, session, entry, hash, newest_event) "
    "VALUES (:number, :at, :session, :entry, :hash, :newest_event)"
)

_UNREADABLE: Entry = {"outcome": "unreadable", "why": "this is not what was recorded"}


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record of the audit."""

    number: int
    at: datetime
    entry: dict[str, Any]
    hash: str


class Sent(NamedTuple):
    """A write that was let through."""

    at: datetime
    newest_event: int
    """The number of the newest event before it: what it brings about comes after."""


def append(session: Transaction, entries: Sequence[tuple[datetime, Entry]], head: str | None = None) -> None:
    """Add records after the newest. `head`: what is noted of that, where it has been read in this transaction."""
    number, last = head_of(session) if head is None else read_head(head)
    for at, entry in entries:
        text = _text(entry)
        number += 1
        moment = microseconds(at)
        last = hash_of(last, number, moment, text)
        of_session, newest_event = filed_under(entry)
        session.change(
            _INSERT,
            number=number,
            at=moment,
            session=of_session,
            entry=text,
            hash=last,
            newest_event=newest_event,
        )
    note(session, HEAD, f"{number}:{last}")


def filed_under(entry: Entry) -> tuple[str, int | None]:
    """What a record is found by: its session, and the newest event before a write that was let through."""
    return str(entry.get("session", "")), entry.get("newest_event")


def newest(session: Transaction, most: int, of_session: str | None = None) -> list[AuditRecord]:
    """The newest records, of one session or of all, newest first."""
    where = "" if of_session is None else "WHERE session = :of_session "
    named = {} if of_session is None else {"of_session": of_session}
    rows = session.rows(
        f"SELECT number, at, entry, hash FROM audit {where}ORDER BY number DESC LIMIT :most",  # noqa: S608 - constants
        most=most,
        **named,
    )
    return [_record(row) for row in rows]


def last_sent(session: Transaction, of_session: str) -> Sent | None:
    """The last write of a session that was let through."""
    rows = session.rows(
        "SELECT at, newest_event FROM audit WHERE session = :of_session AND newest_event IS NOT NULL "
        "ORDER BY number DESC LIMIT 1",
        of_session=of_session,
    )
    return Sent(moment_of(rows[0][0]), rows[0][1]) if rows else None


def before(session: Transaction, number: int) -> list[AuditRecord]:
    """Some of the records before a number, newest first."""
    rows = session.rows(
        "SELECT number, at, entry, hash FROM audit WHERE number < :number ORDER BY number DESC LIMIT :most",
        number=number,
        most=BATCH,
    )
    return [_record(row) for row in rows]


def after(session: Transaction, number: int) -> list[AuditRecord]:
    """Some of the records after a number, oldest first."""
    rows = session.rows(
        "SELECT number, at, entry, hash FROM audit WHERE number > :number ORDER BY number LIMIT :most",
        number=number,
        most=BATCH,
    )
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> AuditRecord:
    number, at, text, written = row
    try:
        entry = json.loads(text)
        if isinstance(entry, dict):
            return AuditRecord(number, moment_of(at), cast("dict[str, Any]", entry), written)
    except (TypeError, ValueError, OverflowError):
        pass
    return AuditRecord(number, moment_of(0), dict(_UNREADABLE), str(written))  # somebody altered it: `verify` says so


def head_of(session: Transaction) -> tuple[int, str]:
    """Number and hash of the newest record, as noted when it was added."""
    return read_head(noted(session, HEAD) or "")


def read_head(noted: str) -> tuple[int, str]:
    """Number and hash of the newest record by what is noted of it, which is nothing before the first."""
    return parsed(noted) or (0, GENESIS)


def parsed(head: str) -> tuple[int, str] | None:
    """Number and hash of a head written `NUMBER:HASH`; None: that is none."""
    found = _WRITTEN_HEAD.fullmatch(head.strip())
    return (int(found[1]), found[2]) if found else None


def _text(entry: Entry) -> str:
    return compact_json(entry).encode(errors="replace").decode()


def hash_of(before: str, number: int, at: int, text: str) -> str:
    """The hash of a record: of the hash before it, its number, its time as stored, and its entry as stored."""
    return hashlib.sha256(f"{before}\n{number}\n{at}\n{text}".encode()).hexdigest()
