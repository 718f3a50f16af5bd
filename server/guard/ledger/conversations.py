"""Where each conversation stands, for whichever process answers it next. Each function is part of a transaction."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from ...database import Session, microseconds, moment_of

_KEPT = timedelta(days=1)
_NOW_AND_THEN = 50
"""One command in so many takes away what is older."""


class Command(NamedTuple):
    """The last write of a conversation."""

    at: datetime
    newest_event: int
    """The number of the newest event before it: what it brings about comes after."""


def note_command(session: Session, conversation: str, newest_event: int, now: datetime) -> None:
    """Keep a write as the last one of its conversation."""
    session.change(
        "INSERT INTO conversations (session, at, newest_event) VALUES (:conversation, :at, :newest_event) "
        "ON CONFLICT (session) DO UPDATE SET at = excluded.at, newest_event = excluded.newest_event",
        conversation=conversation,
        at=microseconds(now),
        newest_event=newest_event,
    )
    if secrets.randbelow(_NOW_AND_THEN) == 0:
        session.change("DELETE FROM conversations WHERE at < :before", before=microseconds(now - _KEPT))


def last_command(session: Session, conversation: str) -> Command | None:
    """The last write of a conversation; None: there was none, or it is long ago."""
    rows = session.rows(
        "SELECT at, newest_event FROM conversations WHERE session = :conversation", conversation=conversation
    )
    return Command(moment_of(rows[0][0]), rows[0][1]) if rows else None
