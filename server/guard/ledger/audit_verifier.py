"""Proves that the audit is whole: record after record, some at a time, so that no writer waits long for the store."""

import json
from dataclasses import dataclass

from ...database import Transaction
from .audit import BATCH, GENESIS, filed_under, hash_of, head_of, parsed

_BEFORE_ALL = -(2**63)


@dataclass(frozen=True, slots=True)
class Verified:
    """The whole chain holds."""

    records: int
    head: str
    """`NUMBER:HASH` of the newest record, by which a later check can prove that nothing was taken away since."""


class AuditTampered(Exception):
    """The chain does not hold; the message says where and how."""


class AuditVerifier:
    """One walk along the chain, from its beginning."""

    def __init__(self, known_head: str | None = None) -> None:
        """`known_head`: the head of an earlier check, which must still be in the chain. Raises `Broken`."""
        known = parsed(known_head) if known_head is not None else (0, GENESIS)
        if known is None:
            raise AuditTampered(f"{known_head} is not a head: it is written NUMBER:HASH, as audit verify prints it.")
        self._known_number, self._known_hash = known
        self._number, self._hash = 0, GENESIS
        self._at = _BEFORE_ALL
        self._meet()

    def some(self, session: Transaction) -> Verified | None:
        """Check the next records, as a part of a transaction; None: there are more. Raises `Broken`."""
        rows = session.rows(
            "SELECT number, at, entry, hash, session, newest_event FROM audit "
            "WHERE number > :last ORDER BY number LIMIT :most",
            last=self._at,
            most=BATCH,
        )
        for row in rows:
            self._one(*row)
        return self._end(session) if len(rows) < BATCH else None

    def _one(self, found: int, at: int, text: str, written: str, *filed: str | int | None) -> None:
        number = self._number + 1
        if found < number:
            raise AuditTampered(f"Record {found} was slipped in: the first is number 1.")
        if found > number:
            raise AuditTampered(f"Record {number} is missing: after {number - 1} comes {found}.")
        last = hash_of(self._hash, number, at, text)
        if written != last:
            raise AuditTampered(
                f"Record {number} was altered: its hash is not that of what it says and what came before it."
            )
        if filed != filed_under(json.loads(text)):
            raise AuditTampered(
                f"Record {number} was altered: it is filed under another session or event than it names."
            )
        self._number, self._hash, self._at = number, last, found
        self._meet()

    def _meet(self) -> None:
        if self._number == self._known_number and self._hash != self._known_hash:
            raise AuditTampered(f"Record {self._number} is not the one whose hash was noted: the audit was rewritten.")

    def _end(self, session: Transaction) -> Verified:
        noted_number, noted_hash = head_of(session)
        were = max(noted_number, self._known_number)
        if were > self._number:
            raise AuditTampered(f"The newest records are missing: there are {self._number}, and there were {were}.")
        if (noted_number, noted_hash) != (self._number, self._hash):
            raise AuditTampered(
                f"The note of the newest record was altered: it names {noted_number}, not {self._number}."
            )
        return Verified(self._number, f"{self._number}:{self._hash}")
