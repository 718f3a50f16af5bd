"""What was used of each limit, in a sliding window. Each function is part of a transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

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
    if not limits:
        return None
    at = microseconds(now)
    parameters: dict[str, Any] = {}
    for place, limit in enumerate(limits):
        parameters |= {f"key{place}": limit.key, f"since{place}": at - _window(limit)}
    used = session.rows(_used_statement(len(limits)), **parameters)
    found = [
        Full(limit, _until(session, limit, at - _window(limit), amount))
        for limit, (_, amount) in zip(limits, used, strict=True)
        if amount + limit.amount > limit.most
    ]
    return max(found, key=lambda one: (one.until is None, one.until or now)) if found else None


def spend(session: Session, limits: Sequence[Limit], now: datetime) -> None:
    """Note what a call uses."""
    if not limits:
        return
    at = microseconds(now)
    parameters: dict[str, Any] = {"at": at}
    for place, limit in enumerate(limits):
        parameters |= {f"key{place}": limit.key, f"amount{place}": limit.amount}
    session.change(_spend_statement(len(limits)), **parameters)
    if at % _NOW_AND_THEN == 0:
        for limit in limits:
            session.change(_FORGET, key=limit.key, before=microseconds(now - _LONGEST))


# Each part of a call's transaction is one statement for all of its limits: others wait for it.


@cache
def _used_statement(limits: int) -> str:
    one = "SELECT {0} AS place, coalesce(sum(amount), 0) FROM spending WHERE key = :key{0} AND at > :since{0}"
    return " UNION ALL ".join(one.format(place) for place in range(limits)) + " ORDER BY place"


@cache
def _spend_statement(limits: int) -> str:
    rows = ", ".join(f"(:key{place}, :at, :amount{place})" for place in range(limits))
    return (
        f"INSERT INTO spending (key, at, amount) VALUES {rows} "  # noqa: S608 - constants
        "ON CONFLICT (key, at) DO UPDATE SET amount = spending.amount + excluded.amount"
    )


_EACH = "SELECT at, amount FROM spending WHERE key = :key AND at > :since ORDER BY at"
_FORGET = "DELETE FROM spending WHERE key = :key AND at < :before"


def _window(limit: Limit) -> int:
    """In microseconds."""
    return round(limit.seconds * 1_000_000)


def _until(session: Session, limit: Limit, since: int, used: int) -> datetime | None:
    """When there is room, of which there is none now."""
    for at, amount in session.rows(_EACH, key=limit.key, since=since):
        used -= amount
        if used + limit.amount <= limit.most:
            return moment_of(at + _window(limit))
    return None
