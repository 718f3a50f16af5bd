"""The audit: a hash chain of records. Every function is part of a transaction."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from ...database import Transaction, get_value, microseconds, moment_of, set_value
from ...json_text import compact_json, object_at, text_at

HEAD = "audit.head"
"""The name of the note that holds the newest record's number and hash."""
GENESIS = "0" * 64
BATCH_SIZE = 1_000
MAX_CLOCK_DISORDER = timedelta(hours=1)
"""A record may follow others that are this much younger: records are numbered when they are committed, by machines
whose clocks may differ."""
MAX_NUMBER = 2**63 - 1
"""Above the number of every record."""
_WRITTEN_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")

Entry = Mapping[str, Any]
"""One record as JSON. `session` is its conversation. The record of an admitted write has `newest_event`, the number of
the newest event before it."""

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
    """When the record was made, by this machine's clock."""
    entry: dict[str, Any]
    hash: str

    @property
    def tool(self) -> str:
        """The name of the called tool; empty for a record that is not about a call."""
        return text_at(self.entry, "tool") or ""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The call's arguments as the client gave them."""
        return object_at(self.entry, "arguments")

    @property
    def is_done(self) -> bool:
        """Whether the call succeeded: Telnyx accepted the command."""
        return self.entry.get("outcome") == "done"

    @property
    def telnyx_time(self) -> datetime:
        """When the record was made, by Telnyx's clock: that of a sandbox can be moved."""
        try:
            at = datetime.fromisoformat(text_at(object_at(self.entry, "telnyx"), "at") or "")
            return self.at if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            return self.at


class ChainLink(NamedTuple):
    """One record as it is stored and chained."""

    number: int
    at: int
    """Microseconds since 1970, UTC."""
    text: str
    hash: str


class LastWrite(NamedTuple):
    """The last admitted write of a conversation."""

    at: datetime
    newest_event: int
    """The number of the newest event before the write: its effects have higher numbers."""


def export_line(record: AuditRecord) -> str:
    """A record as it is stored, as JSON on one line, so that its hash can be computed from it: see `hash_of`.

    ASCII, so that text that callers chose cannot control a terminal.
    """
    at = record.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"number": record.number, "at": at, "hash": record.hash, **record.entry})


def append(session: Transaction, entries: Sequence[tuple[datetime, Entry]], head: str | None = None) -> None:
    """Append records. `head`: the stored head, if this transaction has read it already."""
    number, last = head_of(session) if head is None else read_head(head)
    for at, entry in entries:
        text = _text(entry)
        number += 1
        moment = microseconds(at)
        last = hash_of(last, number, moment, digest_of(text))
        of_session, newest_event = index_of(entry)
        session.change(
            _INSERT,
            number=number,
            at=moment,
            session=of_session,
            entry=text,
            hash=last,
            newest_event=newest_event,
        )
    set_value(session, HEAD, f"{number}:{last}")


def index_of(entry: Entry) -> tuple[str, int | None]:
    """The indexed columns of a record: its session, and the newest event before an admitted write."""
    return str(entry.get("session", "")), entry.get("newest_event")


def newest(session: Transaction, limit: int, of_session: str | None = None) -> list[AuditRecord]:
    """At most `limit` records, newest first, of one session or of all."""
    where = "" if of_session is None else "WHERE session = :of_session "
    named = {} if of_session is None else {"of_session": of_session}
    rows = session.rows(
        f"SELECT number, at, entry, hash FROM audit {where}ORDER BY number DESC LIMIT :most",  # noqa: S608 - constants
        most=limit,
        **named,
    )
    return [_record(row) for row in rows]


def last_write(session: Transaction, of_session: str) -> LastWrite | None:
    """The last admitted write of a session."""
    rows = session.rows(
        "SELECT at, newest_event FROM audit WHERE session = :of_session AND newest_event IS NOT NULL "
        "ORDER BY number DESC LIMIT 1",
        of_session=of_session,
    )
    return LastWrite(moment_of(rows[0][0]), rows[0][1]) if rows else None


def before(session: Transaction, number: int) -> list[AuditRecord]:
    """A batch of the records before a number, newest first."""
    rows = session.rows(
        "SELECT number, at, entry, hash FROM audit WHERE number < :number ORDER BY number DESC LIMIT :most",
        number=number,
        most=BATCH_SIZE,
    )
    return [_record(row) for row in rows]


def after(session: Transaction, number: int) -> list[AuditRecord]:
    """A batch of the records after a number, oldest first."""
    return [_record(row) for row in _rows_after(session, number)]


def links_after(session: Transaction, number: int) -> list[ChainLink]:
    """A batch of the records after a number as they are chained, oldest first."""
    return [ChainLink(*row) for row in _rows_after(session, number)]


def _rows_after(session: Transaction, number: int) -> Sequence[tuple[Any, ...]]:
    return session.rows(
        "SELECT number, at, entry, hash FROM audit WHERE number > :number ORDER BY number LIMIT :most",
        number=number,
        most=BATCH_SIZE,
    )


def number_before(session: Transaction, at: datetime) -> int:
    """The number of the last record before a time, 0 if there is none.

    Times rise with the numbers, but for `MAX_CLOCK_DISORDER`: ask for a time that is so much earlier.
    """
    low, high = 0, head_of(session)[0]
    while low < high:
        middle = (low + high + 1) // 2
        rows = session.rows("SELECT at FROM audit WHERE number >= :number ORDER BY number LIMIT 1", number=middle)
        if rows and rows[0][0] < microseconds(at):
            low = middle
        else:
            high = middle - 1
    return low


def _record(row: tuple[Any, ...]) -> AuditRecord:
    number, at, text, written = row
    try:
        entry = json.loads(text)
        if isinstance(entry, dict):
            return AuditRecord(number, moment_of(at), cast("dict[str, Any]", entry), written)
    except (TypeError, ValueError, OverflowError):
        pass
    return AuditRecord(number, moment_of(0), dict(_UNREADABLE), str(written))  # it was altered: `verify` reports it


def head_of(session: Transaction) -> tuple[int, str]:
    """The stored number and hash of the newest record."""
    return read_head(get_value(session, HEAD) or "")


def read_head(noted: str) -> tuple[int, str]:
    """Number and hash from a stored head, which is empty before the first record."""
    return parse_head(noted) or (0, GENESIS)


def parse_head(head: str) -> tuple[int, str] | None:
    """Number and hash of a head written `NUMBER:HASH`; None for any other text."""
    match = _WRITTEN_HEAD.fullmatch(head.strip())
    return (int(match[1]), match[2]) if match else None


def _text(entry: Entry) -> str:
    return compact_json(entry).encode(errors="replace").decode()


def digest_of(text: str) -> str:
    """The hash of an entry as stored, by which a record can be proved without showing its entry."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def hash_of(before: str, number: int, at: int, digest: str) -> str:
    """The hash of a record, over the previous hash, its number, its time, and the hash of its entry."""
    return hashlib.sha256(f"{before}\n{number}\n{at}\n{digest}".encode()).hexdigest()
