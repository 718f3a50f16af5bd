"""The opt-out list in the store: people who are not called again. Every function is part of a transaction.

A person is listed by a telephone number or SIP address in the one spelling of `tools.numbers.party_key`.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ...database import Transaction, get_value, set_value

_KIND = "optout"


@dataclass(frozen=True, slots=True)
class OptOut:
    """One entry of the list."""

    number: str
    at: datetime
    by: str
    """Who added it: a person, an agent, or the caller with a key."""


def add(session: Transaction, number: str, by: str, now: datetime) -> bool:
    """Add a number. False when it was on the list already."""
    if get_value(session, _name(number)) is not None:
        return False
    set_value(session, _name(number), json.dumps({"at": now.isoformat(), "by": by}))
    return True


def remove(session: Transaction, number: str) -> bool:
    """Remove a number. False when it was not on the list."""
    return bool(session.change("DELETE FROM shared_values WHERE name = :name", name=_name(number)))


def every(session: Transaction) -> list[OptOut]:
    """The whole list, by number."""
    rows = session.rows(
        "SELECT name, value FROM shared_values WHERE name >= :first AND name < :last ORDER BY name",
        first=f"{_KIND} ",
        last=f"{_KIND}!",
    )
    return [_entry(name, value) for name, value in rows]


def among(session: Transaction, numbers: Collection[str]) -> list[OptOut]:
    """The entries of these numbers."""
    named = {f"name{place}": _name(number) for place, number in enumerate(sorted(numbers))}
    if not named:
        return []
    places = ", ".join(f":{name}" for name in named)
    rows = session.rows(f"SELECT name, value FROM shared_values WHERE name IN ({places})", **named)  # noqa: S608
    return [_entry(name, value) for name, value in rows]


def _name(number: str) -> str:
    return f"{_KIND} {number}"


def _entry(name: str, value: str) -> OptOut:
    fields = json.loads(value)
    return OptOut(name.removeprefix(f"{_KIND} "), datetime.fromisoformat(fields["at"]), fields["by"])
