"""Verifies the audit's hash chain in batches, so that writers do not wait long for the store."""

import json
from dataclasses import dataclass

from ...database import Transaction
from .audit import BATCH_SIZE, GENESIS, digest_of, hash_of, head_of, index_of, parse_head

_BEFORE_ALL = -(2**63)


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a check that found nothing wrong."""

    records: int
    head: str
    """`NUMBER:HASH` of the newest record: a later check with it proves that no record was removed since."""


class AuditTampered(Exception):
    """The hash chain is broken; the message says where and how."""


class AuditVerifier:
    """One check of the chain, from its first record."""

    def __init__(self, known_head: str | None = None) -> None:
        """`known_head`: the head of an earlier check, which must still be in the chain. Raises `AuditTampered`."""
        start = parse_head(known_head) if known_head is not None else (0, GENESIS)
        if start is None:
            raise AuditTampered(f"{known_head} is not a head: it is written NUMBER:HASH, as audit verify prints it.")
        self._known_number, self._known_hash = start
        self._number, self._hash = 0, GENESIS
        self._at = _BEFORE_ALL
        self._compare_known_head()

    def check_batch(self, session: Transaction) -> Verified | None:
        """Check the next batch. Part of a transaction. None while there are more. Raises `AuditTampered`."""
        rows = session.rows(
            "SELECT number, at, entry, hash, session, newest_event FROM audit "
            "WHERE number > :last ORDER BY number LIMIT :most",
            last=self._at,
            most=BATCH_SIZE,
        )
        for row in rows:
            self._check(*row)
        return self._end(session) if len(rows) < BATCH_SIZE else None

    def _check(self, stored_number: int, at: int, text: str, written: str, *filed: str | int | None) -> None:
        number = self._number + 1
        if stored_number < number:
            raise AuditTampered(f"Record {stored_number} was inserted: the first record is number 1.")
        if stored_number > number:
            raise AuditTampered(f"Record {number} is missing: after {number - 1} comes {stored_number}.")
        last = hash_of(self._hash, number, at, digest_of(text))
        if written != last:
            raise AuditTampered(
                f"Record {number} was altered: its hash does not match its content and the record before it."
            )
        if filed != index_of(json.loads(text)):
            raise AuditTampered(f"Record {number} was altered: its indexed session or event differs from its content.")
        self._number, self._hash, self._at = number, last, stored_number
        self._compare_known_head()

    def _compare_known_head(self) -> None:
        if self._number == self._known_number and self._hash != self._known_hash:
            raise AuditTampered(f"Record {self._number} is not the one whose hash was noted: the audit was rewritten.")

    def _end(self, session: Transaction) -> Verified:
        noted_number, noted_hash = head_of(session)
        expected = max(noted_number, self._known_number)
        if expected > self._number:
            raise AuditTampered(f"The newest records are missing: there are {self._number}, and there were {expected}.")
        if (noted_number, noted_hash) != (self._number, self._hash):
            raise AuditTampered(
                f"The note of the newest record was altered: it names {noted_number}, not {self._number}."
            )
        return Verified(self._number, f"{self._number}:{self._hash}")
