"""The switch that stops every write at once, in all processes on a store. Each function is part of a transaction."""

import json
from dataclasses import dataclass
from datetime import datetime

from ...database import Transaction, note, noted

NAME = "stopped"
"""The note that says so."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Writes are stopped."""

    at: datetime
    by: str
    reason: str | None


def stop(session: Transaction, by: str, reason: str | None, now: datetime) -> Stopped:
    """Stop writes; if they are stopped already, that stands."""
    found = stopped(session)
    if found is not None:
        return found
    note(session, NAME, json.dumps({"at": now.isoformat(), "by": by, "reason": reason}))
    return Stopped(now, by, reason)


def resume(session: Transaction) -> bool:
    """Let writes go on; False: they were not stopped."""
    was = stopped(session) is not None
    note(session, NAME, "")
    return was


def stopped(session: Transaction) -> Stopped | None:
    """Who stopped writes, if somebody did."""
    return said_by(noted(session, NAME))


def said_by(text: str | None) -> Stopped | None:
    """Who stopped writes by what is noted, if somebody did."""
    if not text:
        return None
    found = json.loads(text)
    return Stopped(datetime.fromisoformat(found["at"]), found["by"], found["reason"])
