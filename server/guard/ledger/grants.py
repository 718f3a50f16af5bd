"""Grants: one yes of a person for several calls of a tool, within limits. Every function is part of a transaction.

A grant is bound to the authenticated name that asked for it, or to all callers without one. Nothing ever widens it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from ...database import Transaction, get_value, set_value
from .pending_approvals import new_code, normalized_code

_KIND = "grant"
_KEEP_FOR = timedelta(days=1)
"""How long a grant is listed after its end."""
ANYTHING = "*"
"""The value of a limit that allows every value but that for the whole room."""


class NoSuchGrant(Exception):
    """No grant that is still open has this code; the message says why."""


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What a person is asked to grant."""

    tool: str
    limits: Mapping[str, Sequence[Any]]
    """The values that each argument may have, and each item of a list; an argument that is not named may not be given.
    `ANYTHING` stands for every value."""
    room: str | None
    """Only in this conference, by its id."""
    room_name: str | None
    count: int
    """How many people the calls may concern: a list counts each of its items."""
    minutes: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant, and what is left of it."""

    code: str
    terms: GrantTerms
    left: int
    identity: str | None
    asked_by: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime
    revoked_by: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it can be used: from when it was granted until it expires, it is used up or revoked."""
        return self.left > 0 and self.revoked_by is None and self.granted_at <= now < self.expires_at


@dataclass(frozen=True, slots=True)
class GrantUse:
    """A call that a grant may cover."""

    tool: str
    identity: str | None
    arguments: Mapping[str, Any]
    """Those that were given, without the conference."""
    rooms: frozenset[str | None]
    """The conferences that the call concerns, by id; None for what is in no conference."""
    amount: int
    everyone: str
    """The value that stands for the whole room: `ANYTHING` does not allow it."""

    def is_covered_by(self, terms: GrantTerms) -> bool:
        """Whether the call is within these limits."""
        if self.tool != terms.tool or (terms.room is not None and self.rooms != frozenset((terms.room,))):
            return False
        return all(
            name in terms.limits and all(self._allowed(item, terms.limits[name]) for item in _items(value))
            for name, value in self.arguments.items()
        )

    def _allowed(self, value: Any, allowed: Sequence[Any]) -> bool:
        is_listed = any(_same(value, allowed_value) for allowed_value in allowed)
        return is_listed or (ANYTHING in allowed and value != self.everyone)


def _items(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _same(value: Any, allowed: Any) -> bool:
    # In Python, True equals 1.
    return value == allowed and isinstance(value, bool) is isinstance(allowed, bool)


def add(session: Transaction, terms: GrantTerms, asker: tuple[str | None, str], by: str, granted_at: datetime) -> Grant:
    """Store a new grant, which is valid from `granted_at`. `asker`: the authenticated name and the client."""
    identity, asked_by = asker
    for old in every(session):
        if old.expires_at < granted_at - _KEEP_FOR:
            session.change("DELETE FROM shared_values WHERE name = :name", name=_name(old.code))
    expires_at = granted_at + timedelta(minutes=terms.minutes)
    grant = Grant(new_code(), terms, terms.count, identity, asked_by, by, granted_at, expires_at)
    _store(session, grant)
    return grant


def use(session: Transaction, use: GrantUse, now: datetime) -> Grant | None:
    """Count a call down from the open grant that covers it and ends first. None if there is none."""
    covering = [
        grant
        for grant in every(session)
        if grant.is_open(now)
        and grant.identity == use.identity
        and grant.left >= use.amount
        and use.is_covered_by(grant.terms)
    ]
    if not covering:
        return None
    grant = min(covering, key=lambda candidate: (candidate.expires_at, candidate.code))
    used = replace(grant, left=grant.left - use.amount)
    _store(session, used)
    return used


def revoke(session: Transaction, code: str, by: str, now: datetime) -> Grant:
    """End a grant. Raises `NoSuchGrant`."""
    code = normalized_code(code)
    stored = get_value(session, _name(code))
    grant = None if stored is None else _grant(stored)
    if grant is None or not grant.is_open(now):
        raise NoSuchGrant(f"There is no open grant {code}. `telnyx-conferencing grants` lists those that are open.")
    revoked = replace(grant, revoked_by=by)
    _store(session, revoked)
    return revoked


def open_grants(session: Transaction, now: datetime) -> list[Grant]:
    """The grants that can be used, the first to end first."""
    return sorted((grant for grant in every(session) if grant.is_open(now)), key=lambda grant: grant.expires_at)


def every(session: Transaction) -> list[Grant]:
    """All stored grants."""
    rows = session.rows(
        "SELECT value FROM shared_values WHERE name >= :first AND name < :last", first=f"{_KIND} ", last=f"{_KIND}!"
    )
    return [_grant(value) for (value,) in rows]


def _name(code: str) -> str:
    return f"{_KIND} {code}"


def _store(session: Transaction, grant: Grant) -> None:
    fields = asdict(grant)
    fields |= {name: fields[name].isoformat() for name in ("granted_at", "expires_at")}
    set_value(session, _name(grant.code), json.dumps(fields))


def _grant(text: str) -> Grant:
    fields = json.loads(text)
    fields |= {name: datetime.fromisoformat(fields[name]) for name in ("granted_at", "expires_at")}
    return Grant(**fields | {"terms": GrantTerms(**fields["terms"])})
