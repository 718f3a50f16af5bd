"""The stop switch: blocks the writes of all processes on a store. Each function is part of a transaction."""

import json
from dataclasses import dataclass
from datetime import datetime

from ...database import Transaction, get_value, set_value

NOTE_NAME = "stopped"
"""The name of the note that holds the switch."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Writes are stopped."""

    at: datetime
    by: str
    reason: str | None


def stop(session: Transaction, by: str, reason: str | None, now: datetime) -> Stopped:
    """Block writes. An earlier stop stays as it is."""
    earlier = stopped(session)
    if earlier is not None:
        return earlier
    set_value(session, NOTE_NAME, json.dumps({"at": now.isoformat(), "by": by, "reason": reason}))
    return Stopped(now, by, reason)


def resume(session: Transaction) -> bool:
    """Allow writes again. False when they were not stopped."""
    was = stopped(session) is not None
    set_value(session, NOTE_NAME, "")
    return was


def stopped(session: Transaction) -> Stopped | None:
    """Who stopped writes; None when writes are allowed."""
    return parse_note(get_value(session, NOTE_NAME))


def parse_note(text: str | None) -> Stopped | None:
    """Who stopped writes, from the stored note; None when writes are allowed."""
    if not text:
        return None
    fields = json.loads(text)
    return Stopped(datetime.fromisoformat(fields["at"]), fields["by"], fields["reason"])
