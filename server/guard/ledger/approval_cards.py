"""Cards by which a person answers a question: each has a secret, of which only the hash is kept, and counts once.

Every function is part of a transaction.
"""

from datetime import datetime

from ...database import Transaction, microseconds
from ...database.notes import note
from .pending_approvals import PendingApproval

_KIND = "card"


def hand_out(session: Transaction, waiting: PendingApproval, conversation: str, secret: str, now: datetime) -> None:
    """Keep the hash of the secret of a question's card, for one conversation; an earlier card of it is void."""
    session.change(
        "DELETE FROM notes WHERE name >= :first AND name < :last AND value < :now",
        first=f"{_KIND} ",
        last=f"{_KIND}!",
        now=_written(now),
    )
    note(session, _name(waiting.code, conversation), f"{_written(waiting.expires_at)} {secret}")


def use_up(session: Transaction, waiting: PendingApproval, conversation: str, secret: str) -> bool:
    """Whether this is the secret of the card; it is none any more."""
    return bool(
        session.change(
            "DELETE FROM notes WHERE name = :name AND value = :value",
            name=_name(waiting.code, conversation),
            value=f"{_written(waiting.expires_at)} {secret}",
        )
    )


def _name(code: str, conversation: str) -> str:
    return f"{_KIND} {code} {conversation}"


def _written(moment: datetime) -> str:
    """So that what is earlier is less."""
    return f"{microseconds(moment):020}"
