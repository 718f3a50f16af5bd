"""Stored events as they arrived: their raw bodies, and how those were signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ...database import Transaction, moment_of
from ..event import Signature, Via

_BATCH = 200


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event as it arrived."""

    number: int
    id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    via: Via
    body: bytes
    signature: Signature | None
    """None: it was not a webhook, or nobody verified it."""


def raw_events(transaction: Transaction, numbers: Sequence[int]) -> list[RawEvent]:
    """The events with these numbers, in their order. Those that are no longer stored are left out."""
    raw: list[RawEvent] = []
    for first in range(0, len(numbers), _BATCH):
        batch = sorted(numbers)[first : first + _BATCH]
        rows = transaction.rows(
            "SELECT number, id, type, occurred_at, received_at, via, signature, signed_at, body FROM events "  # noqa: S608
            f"WHERE number IN ({', '.join(str(int(number)) for number in batch)}) ORDER BY number"
        )
        for number, id_, event_type, occurred, received, via, value, timestamp, body in rows:
            signature = None if value is None or timestamp is None else Signature(value, timestamp)
            raw.append(
                RawEvent(
                    number=number,
                    id=id_,
                    type=event_type,
                    occurred_at=moment_of(occurred),
                    received_at=moment_of(received),
                    via=Via(via),
                    body=bytes(body),
                    signature=signature,
                )
            )
    return raw
