"""Sign-ins to the operator page, and the codes that start them. Every function is part of a transaction.

The store has only hashes: of the codes, and of both secrets that a browser keeps.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from ...database import Transaction, microseconds, moment_of

SIGN_IN_CODE_TTL = timedelta(minutes=10)
SIGN_IN_IDLE_TIMEOUT = timedelta(hours=24)
"""After the last use. An open page uses its sign-in all the time."""
_MAX_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""Between the machines that share a store."""
_COLUMNS = "id, cookie_hash, key_hash, person, identity, browser, started_at, used_at"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in of one browser."""

    id: str
    cookie_hash: str
    key_hash: str
    person: str
    """Who signed in: the user who made the code, or the name of the token."""
    identity: str | None
    """What the token proved, as JSON; None for a sign-in with a code."""
    browser: str
    """Such as `Firefox on Linux`."""
    started_at: datetime
    used_at: datetime


def add_code(session: Transaction, hashed: str, by: str, now: datetime) -> None:
    """Store the hash of a new code, and delete the codes that have expired."""
    session.change("DELETE FROM sign_in_codes WHERE made_at <= :before", before=microseconds(now - SIGN_IN_CODE_TTL))
    session.change(
        "INSERT INTO sign_in_codes (hash, made_by, made_at) VALUES (:hash, :by, :now)",
        hash=hashed,
        by=by,
        now=microseconds(now),
    )


def use_code(session: Transaction, hashed: str, now: datetime) -> str | None:
    """Use a code up. Returns who made it; None when it is not valid."""
    rows = session.rows("SELECT made_by, made_at FROM sign_in_codes WHERE hash = :hash", hash=hashed)
    session.change("DELETE FROM sign_in_codes WHERE hash = :hash", hash=hashed)
    if not rows or not _is_within(moment_of(rows[0][1]), now, SIGN_IN_CODE_TTL):
        return None
    by: str = rows[0][0]
    return by


def add(session: Transaction, sign_in: SignIn, now: datetime) -> None:
    """Store a sign-in, and delete those that have expired."""
    session.change("DELETE FROM sign_ins WHERE used_at <= :before", before=microseconds(now - SIGN_IN_IDLE_TIMEOUT))
    moments = {"started_at": microseconds(sign_in.started_at), "used_at": microseconds(sign_in.used_at)}
    session.change(
        f"INSERT INTO sign_ins ({_COLUMNS}) VALUES "  # noqa: S608 - constants
        "(:id, :cookie_hash, :key_hash, :person, :identity, :browser, :started_at, :used_at)",
        **asdict(sign_in) | moments,
    )


def by_cookie(session: Transaction, cookie_hash: str, now: datetime) -> SignIn | None:
    """The sign-in of a browser; None when it has ended."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM sign_ins WHERE cookie_hash = :cookie_hash",  # noqa: S608 - constants
        cookie_hash=cookie_hash,
    )
    sign_ins = [sign_in for row in rows if _holds(sign_in := _sign_in(row), now)]
    return sign_ins[0] if sign_ins else None


def every(session: Transaction, now: datetime) -> list[SignIn]:
    """Every sign-in, the last used one first."""
    rows = session.rows(f"SELECT {_COLUMNS} FROM sign_ins ORDER BY used_at DESC, id")  # noqa: S608 - constants
    return [sign_in for row in rows if _holds(sign_in := _sign_in(row), now)]


def touch(session: Transaction, sign_in_id: str, now: datetime) -> None:
    """Note that a sign-in is used now."""
    session.change("UPDATE sign_ins SET used_at = :now WHERE id = :id", id=sign_in_id, now=microseconds(now))


def end(session: Transaction, sign_in_id: str) -> None:
    """End a sign-in."""
    session.change("DELETE FROM sign_ins WHERE id = :id", id=sign_in_id)


def _holds(sign_in: SignIn, now: datetime) -> bool:
    return _is_within(sign_in.used_at, now, SIGN_IN_IDLE_TIMEOUT)


def _is_within(start: datetime, now: datetime, duration: timedelta) -> bool:
    # A clock that is set back must not prolong anything.
    return start - _MAX_CLOCK_DIFFERENCE <= now < start + duration


def _sign_in(row: tuple[Any, ...]) -> SignIn:
    *texts, started_at, used_at = row
    return SignIn(*texts, started_at=moment_of(started_at), used_at=moment_of(used_at))
