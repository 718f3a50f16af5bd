"""Signed webhooks that are not events: the newest ones are kept for the operator."""

from dataclasses import dataclass
from datetime import datetime

from ...database import Transaction, microseconds, moment_of
from .rows import stored_text

_MAX_REJECTED = 100
_MAX_BODY_BYTES = 64 * 1024
_MAX_REASON_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class RejectedWebhook:
    """A signed body that is not an event."""

    received_at: datetime
    reason: str
    size: int
    """Bytes of the whole body."""
    body: bytes
    """Its first 64 KiB."""


def add(transaction: Transaction, body: bytes, reason: str, received_at: datetime) -> None:
    """Keep a body, and delete the oldest beyond 100."""
    transaction.change(
        "INSERT INTO rejected_webhooks (received_at, reason, size, body) VALUES (:received_at, :reason, :size, :body)",
        received_at=microseconds(received_at),
        reason=stored_text(reason[:_MAX_REASON_LENGTH]),
        size=len(body),
        body=body[:_MAX_BODY_BYTES],
    )
    transaction.change(
        "DELETE FROM rejected_webhooks WHERE number <= (SELECT max(number) FROM rejected_webhooks) - :most",
        most=_MAX_REJECTED,
    )


def newest_first(transaction: Transaction) -> list[RejectedWebhook]:
    """All that are kept."""
    rows = transaction.rows("SELECT received_at, reason, size, body FROM rejected_webhooks ORDER BY number DESC")
    return [RejectedWebhook(moment_of(received), reason, size, body) for received, reason, size, body in rows]
