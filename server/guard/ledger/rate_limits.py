"""The usage of each limit in a sliding window. Each function is part of a transaction.

Each row holds a running total, so that the usage since any moment is the difference of two rows. A call dated before
others, because a clock was set back, is added to their totals too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from ...database import Transaction, microseconds, moment_of
from ..policy import Limit

_KEEP_FOR = timedelta(hours=2)
"""Longer than the windows of all limits but those on attempts. Older rows are deleted."""
_KEEP_ATTEMPTS_FOR = timedelta(days=2)
_ATTEMPTS = "attempts:"
"""How the keys of the limits on attempts begin."""
_CALLS_PER_CLEANUP = 50
"""About one call in this many deletes old rows."""


class LimitReached(NamedTuple):
    """A limit that a call would exceed."""

    limit: Limit
    until: datetime | None
    """When the call fits again; None when it never does."""


class WindowUsage(NamedTuple):
    """The usage of a limit."""

    at: int
    """The time of the last use, in microseconds."""
    total: int
    """The running total."""
    within: int
    """The usage within the current window."""


NEVER_USED = WindowUsage(-(2**63), 0, 0)


def first_limit_reached(
    session: Transaction, limits: Sequence[Limit], now: datetime, used: Sequence[WindowUsage]
) -> LimitReached | None:
    """The exceeded limit that blocks longest; None when none is exceeded. `used` has the order of `limits`."""
    at = microseconds(now)
    reached = [
        LimitReached(limit, _until(session, limit, at - _window(limit), usage.within))
        for limit, usage in zip(limits, used, strict=True)
        if usage.within + limit.amount > limit.most
    ]
    return max(reached, key=lambda limit: (limit.until is None, limit.until or now)) if reached else None


def spend(
    session: Transaction, limits: Sequence[Limit], now: datetime, used: Sequence[WindowUsage]
) -> LimitReached | None:
    """Count a call, unless a limit is exceeded; returns that limit. `used` has the order of `limits`."""
    reached = first_limit_reached(session, limits, now, used)
    if reached is None and limits:
        _note(session, limits, microseconds(now), used)
    return reached


def _note(session: Transaction, limits: Sequence[Limit], at: int, used: Sequence[WindowUsage]) -> None:
    parameters: dict[str, Any] = {"at": at}
    for place, (limit, usage) in enumerate(zip(limits, used, strict=True)):
        before = usage.total if usage.at <= at else _insert_before(session, limit, at)
        parameters |= {
            f"key{place}": limit.key,
            f"amount{place}": limit.amount,
            f"total{place}": before + limit.amount,
        }
    session.change(_spend_statement(len(limits)), **parameters)
    if at % _CALLS_PER_CLEANUP == 0:
        for limit in limits:
            if not limit.key.startswith(_ATTEMPTS):
                session.change(_FORGET, key=limit.key, before=at - _KEEP_FOR // timedelta(microseconds=1))
        # The limits on attempts have a key for each number: most of them are never used again.
        session.change(_FORGET_ATTEMPTS, before=at - _KEEP_ATTEMPTS_FOR // timedelta(microseconds=1))


def _insert_before(session: Transaction, limit: Limit, at: int) -> int:
    """Raise the totals of later rows; returns the total before the new row."""
    session.change(_RAISE, key=limit.key, at=at, amount=limit.amount)
    return session.rows(_BEFORE, key=limit.key, at=at, amount=limit.amount)[0][0]


_BEGINNING = "SELECT total - amount FROM limit_usage WHERE key = :key{0} ORDER BY at LIMIT 1"
"""The total before the oldest stored row."""


_UNTIL = "SELECT total FROM limit_usage WHERE key = :key{0} AND at <= :since{0} ORDER BY at DESC LIMIT 1"
"""The total before the window."""
_LAST = "SELECT at, total FROM limit_usage WHERE key = :key{0} ORDER BY at DESC LIMIT 1"
_NEWEST = f"at, total, total - coalesce(({_UNTIL}), ({_BEGINNING})) FROM ({_LAST}) AS newest{{0}}"


def newest_usage_sql(place: int) -> str:
    """The part of a statement that selects the `WindowUsage` of the limit at a place; no row if it was never used.

    Its parameters come from `usage_parameters`.
    """
    return _NEWEST.format(place)


def usage_parameters(limits: Sequence[Limit], now: datetime) -> dict[str, Any]:
    """The parameters of `newest_usage_sql` for these limits."""
    at = microseconds(now)
    return {
        name: value
        for place, limit in enumerate(limits)
        for name, value in ((f"key{place}", limit.key), (f"since{place}", at - _window(limit)))
    }


@cache
def _spend_statement(limits: int) -> str:
    rows = ", ".join(f"(:key{place}, :at, :amount{place}, :total{place})" for place in range(limits))
    return (
        f"INSERT INTO limit_usage (key, at, amount, total) VALUES {rows} "  # noqa: S608 - constants
        "ON CONFLICT (key, at) DO UPDATE SET amount = limit_usage.amount + excluded.amount, "
        "total = limit_usage.total + excluded.amount"
    )


_RAISE = "UPDATE limit_usage SET total = total + :amount WHERE key = :key AND at > :at"
_BEFORE = (
    "SELECT coalesce((SELECT total FROM limit_usage WHERE key = :key AND at <= :at ORDER BY at DESC LIMIT 1), "
    "(SELECT total - amount FROM limit_usage WHERE key = :key ORDER BY at LIMIT 1) - :amount)"
)
_EACH = "SELECT at, amount FROM limit_usage WHERE key = :key AND at > :since ORDER BY at"
_FORGET_ATTEMPTS = "DELETE FROM limit_usage WHERE key >= 'attempts:' AND key < 'attempts;' AND at < :before"
_FORGET = "DELETE FROM limit_usage WHERE key = :key AND at < :before"


def _window(limit: Limit) -> int:
    """In microseconds."""
    return round(limit.seconds * 1_000_000)


def _until(session: Transaction, limit: Limit, since: int, used: int) -> datetime | None:
    """When the call fits into the window again."""
    for at, amount in session.rows(_EACH, key=limit.key, since=since):
        used -= amount
        if used + limit.amount <= limit.most:
            return moment_of(at + _window(limit))
    return None
