"""The alert events that wait to be sent to the operator's webhook. Each function is part of a transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..database import Transaction, get_value, microseconds, set_value
from ..events.event import OWN_TYPES, EventFilter, StoredEvent, Via
from ..events.store import query

_QUEUED = "alerts.queued"
"""The name of the note that holds the number of the newest event that was queued, or needed not be."""
RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1_800, 3_600, 7_200))
"""Between attempts. After the last attempt a delivery has failed for good, some four hours after its alert."""
LEASE = timedelta(seconds=60)
"""How long an attempt is left to the process that makes it: then another process may make the next one."""
_BATCH = 500
MAX_DUE = 10
"""Deliveries that one process sends at a time."""
_MAX_FAILED = 100
SHOWN_FOR = timedelta(days=7)
"""How long a delivery that failed for good is reported."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt that is due."""

    event_id: str
    body: str
    attempts: int
    """Including this one."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The deliveries that have not succeeded."""

    waiting: int = 0
    retried: int = 0
    """How many of those that wait have failed at least once."""
    failed: int = 0
    """For good, in the last seven days."""
    problem: str = ""
    """Of the last attempt that failed."""


def queue_new(transaction: Transaction, body_of: Callable[[StoredEvent], str], now: datetime) -> int:
    """Queue the alert events that were stored since the last call, by any process. Returns how many.

    The first call on a store queues none: a webhook that is set up later gets no old alerts.
    """
    queued, newest = get_value(transaction, _QUEUED), query.latest_number(transaction)
    if queued is None:
        set_value(transaction, _QUEUED, str(newest))
        return 0
    new_alerts = EventFilter(types=OWN_TYPES, after_number=int(queued))
    events = query.find(transaction, new_alerts, _BATCH, newest_first=False)
    for event in events:
        if event.via is Via.SERVER:
            transaction.change(
                "INSERT INTO alert_deliveries (event_id, body, attempts, due_at) VALUES (:id, :body, 0, :now) "
                "ON CONFLICT DO NOTHING",
                id=event.id,
                body=body_of(event),
                now=microseconds(now),
            )
    set_value(transaction, _QUEUED, str(events[-1].number if len(events) == _BATCH else newest))
    return len(events)


def due(transaction: Transaction, now: datetime) -> list[str]:
    """The ids of some events whose next attempt is due, the longest due first."""
    rows = transaction.rows(
        "SELECT event_id FROM alert_deliveries WHERE due_at <= :now ORDER BY due_at LIMIT :most",
        now=microseconds(now),
        most=MAX_DUE,
    )
    return [event_id for (event_id,) in rows]


def claim(transaction: Transaction, event_ids: list[str], now: datetime) -> list[Delivery]:
    """Take on the attempts that are still due, so that no other process makes them for the time of the lease."""
    claimed: list[Delivery] = []
    for event_id in event_ids:
        is_claimed = transaction.change(
            "UPDATE alert_deliveries SET attempts = attempts + 1, due_at = :later "
            "WHERE event_id = :id AND due_at <= :now",
            id=event_id,
            now=microseconds(now),
            later=microseconds(now + LEASE),
        )
        if is_claimed:
            [(body, attempts)] = transaction.rows(
                "SELECT body, attempts FROM alert_deliveries WHERE event_id = :id", id=event_id
            )
            claimed.append(Delivery(event_id, body, attempts))
    return claimed


def record_success(transaction: Transaction, delivery: Delivery) -> None:
    """The receiver has accepted it."""
    transaction.change("DELETE FROM alert_deliveries WHERE event_id = :id", id=delivery.event_id)


def record_failure(
    transaction: Transaction, delivery: Delivery, problem: str, now: datetime, *, for_good: bool
) -> bool:
    """An attempt has failed. Returns whether the delivery has failed for good: also after the last attempt."""
    is_over = for_good or delivery.attempts > len(RETRY_DELAYS)
    delay = timedelta() if is_over else RETRY_DELAYS[delivery.attempts - 1]
    transaction.change(
        "UPDATE alert_deliveries SET problem = :problem, due_at = :due, failed_at = :failed WHERE event_id = :id",
        id=delivery.event_id,
        problem=problem,
        due=None if is_over else microseconds(now + delay),
        failed=microseconds(now) if is_over else None,
    )
    if is_over:
        transaction.change(
            "DELETE FROM alert_deliveries WHERE due_at IS NULL AND event_id NOT IN "
            "(SELECT event_id FROM alert_deliveries WHERE due_at IS NULL ORDER BY failed_at DESC LIMIT :most)",
            most=_MAX_FAILED,
        )
    return is_over


def backlog(transaction: Transaction, now: datetime) -> Backlog:
    """What has not been accepted."""
    since = microseconds(now - SHOWN_FOR)
    [(waiting, retried, failed_count)] = transaction.rows(
        "SELECT count(due_at), count(CASE WHEN due_at IS NOT NULL AND problem IS NOT NULL THEN 1 END), "
        "count(CASE WHEN failed_at >= :since THEN 1 END) FROM alert_deliveries",
        since=since,
    )
    problems = transaction.rows(
        "SELECT problem FROM alert_deliveries WHERE problem IS NOT NULL "
        "AND (due_at IS NOT NULL OR failed_at >= :since) ORDER BY coalesce(failed_at, due_at) DESC LIMIT 1",
        since=since,
    )
    return Backlog(waiting, retried, failed_count, problems[0][0] if problems else "")
