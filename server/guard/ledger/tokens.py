"""Bearer tokens in the store, which has only the hash of each. Every function is part of a transaction."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ...database import Transaction, microseconds, moment_of

_COLUMNS = "id, name, hash, scopes, created_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Token:
    """One token."""

    id: str
    """Its public part."""
    name: str
    """The authenticated name. Several tokens may share a name."""
    hash: str
    """SHA-256 of the whole token, in hex."""
    scopes: str
    """Separated by spaces."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None

    def why_invalid(self, now: datetime) -> str | None:
        """Why the token is not valid now; None when it is valid."""
        if self.revoked_at is not None:
            return "revoked"
        # A clock set back must not make a token last longer.
        if now < self.created_at or (self.expires_at is not None and now >= self.expires_at):
            return "expired"
        return None


def add(session: Transaction, token: Token) -> None:
    """Store a new token."""
    moments = {name: microseconds(value) for name, value in asdict(token).items() if isinstance(value, datetime)}
    session.change(
        f"INSERT INTO tokens ({_COLUMNS}) "  # noqa: S608 - constants
        "VALUES (:id, :name, :hash, :scopes, :created_at, :expires_at, :revoked_at)",
        **asdict(token) | moments,
    )


def by_id(session: Transaction, token_id: str) -> Token | None:
    """The token with this id, also when it is revoked or expired."""
    rows = session.rows(f"SELECT {_COLUMNS} FROM tokens WHERE id = :token_id", token_id=token_id)  # noqa: S608
    return _token(rows[0]) if rows else None


def every(session: Transaction) -> list[Token]:
    """Every token, oldest first."""
    return [_token(row) for row in session.rows(f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at, id")]  # noqa: S608


def revoke(session: Transaction, name: str, now: datetime) -> list[Token]:
    """Revoke the tokens with this name or id; returns those that were not revoked before."""
    session.change(
        "UPDATE tokens SET revoked_at = :now WHERE (name = :name OR id = :name) AND revoked_at IS NULL",
        now=microseconds(now),
        name=name,
    )
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM tokens "  # noqa: S608 - constants
        "WHERE (name = :name OR id = :name) AND revoked_at = :now ORDER BY created_at, id",
        now=microseconds(now),
        name=name,
    )
    return [_token(row) for row in rows]


def _token(row: tuple[Any, ...]) -> Token:
    token_id, name, hashed, scopes, created, expires, revoked = row
    return Token(
        id=token_id,
        name=name,
        hash=hashed,
        scopes=scopes,
        created_at=moment_of(created),
        expires_at=None if expires is None else moment_of(expires),
        revoked_at=None if revoked is None else moment_of(revoked),
    )
