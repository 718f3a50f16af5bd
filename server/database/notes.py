"""Single facts that all processes share. Each function is part of a transaction."""

from functools import cache

from .dialect import Session


def note(session: Session, name: str, value: str) -> None:
    """Keep a value under a name, in place of what was there."""
    session.change(
        "INSERT INTO notes (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value",
        name=name,
        value=value,
    )


def noted(session: Session, name: str) -> str | None:
    """The value under a name."""
    return noted_together(session, name).get(name)


def noted_together(session: Session, *names: str) -> dict[str, str]:
    """The values under those of several names that have one, by one statement."""
    parameters = {f"name{place}": name for place, name in enumerate(names)}
    return dict(session.rows(_statement(len(names)), **parameters))


@cache
def _statement(names: int) -> str:
    named = ", ".join(f":name{place}" for place in range(names))
    return f"SELECT name, value FROM notes WHERE name IN ({named})"  # noqa: S608 - no values
