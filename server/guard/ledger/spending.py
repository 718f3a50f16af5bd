"""What was used of each limit, in a sliding window. Each function is part of a transaction."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from ...database import Session, microseconds, moment_of
from ..policy import Limit

_LONGEST = timedelta(hours=2)
"""Longer than any window: what is older goes."""
_NOW_AND_THEN = 50
"""One call in so many takes away what is older."""


class Full(NamedTuple):
    """A limit that a call would go beyond."""

    limit: Limit
    until: datetime | None
    """When there is room for it; None: there never is."""


def full(session: Session, limits: Sequence[Limit], now: datetime) -> Full | None:
    """The limit that stands in the way longest."""
    found = [Full(limit, until) for limit in limits for until in _until(session, limit, now)]
    return max(found, key=lambda one: (one.until is None, one.until or now)) if found else None


def spend(session: Session, limits: Sequence[Limit], now: datetime) -> None:
    """Note what a call uses."""
    for limit in limits:
        session.change(
            "INSERT INTO spending (key, at, amount) VALUES (:key, :at, :amount) "
            "ON CONFLICT (key, at) DO UPDATE SET amount = spending.amount + excluded.amount",
            key=limit.key,
            at=microseconds(now),
            amount=limit.amount,
        )
        if secrets.randbelow(_NOW_AND_THEN) == 0:
            session.change(
                "DELETE FROM spending WHERE key = :key AND at < :before",
                key=limit.key,
                before=microseconds(now - _LONGEST),
            )


_USED = "SELECT coalesce(sum(amount), 0) FROM spending WHERE key = :key AND at > :since"
_EACH = "SELECT at, amount FROM spending WHERE key = :key AND at > :since ORDER BY at"


def _until(session: Session, limit: Limit, now: datetime) -> list[datetime | None]:
    """Empty when there is room now; otherwise when there is."""
    window = timedelta(seconds=limit.seconds)
    since = microseconds(now - window)
    ((used,),) = session.rows(_USED, key=limit.key, since=since)
    if used + limit.amount <= limit.most:
        return []
    for at, amount in session.rows(_EACH, key=limit.key, since=since):
        used -= amount
        if used + limit.amount <= limit.most:
            return [moment_of(at) + window]
    return [None]
