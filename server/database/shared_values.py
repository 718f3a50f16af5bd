"""Single values that all processes share, by name. Each function is part of a transaction."""

from .database import Transaction


def set_value(transaction: Transaction, name: str, value: str) -> None:
    """Store a value under a name. It replaces the previous one."""
    transaction.change(
        "INSERT INTO shared_values (name, value) VALUES (:name, :value) "
        "ON CONFLICT (name) DO UPDATE SET value = :value",
        name=name,
        value=value,
    )


def get_value(transaction: Transaction, name: str) -> str | None:
    """Return the value under a name, or None."""
    rows = transaction.rows("SELECT value FROM shared_values WHERE name = :name", name=name)
    return rows[0][0] if rows else None
