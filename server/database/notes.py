"""Single facts that all processes share. Each function is part of a transaction."""

from .dialect import Transaction


def note(session: Transaction, name: str, value: str) -> None:
    """Keep a value under a name, in place of what was there."""
    session.change(
        "INSERT INTO notes (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value",
        name=name,
        value=value,
    )


def noted(session: Transaction, name: str) -> str | None:
    """The value under a name."""
    rows = session.rows("SELECT value FROM notes WHERE name = :name", name=name)
    return rows[0][0] if rows else None
