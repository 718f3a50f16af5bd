"""Approval cards: a person answers a question in a page of the host, with a one-time secret.

Only the hash of a secret is stored. Every function is part of a transaction.
"""

from datetime import datetime

from ...database import Transaction, microseconds, set_value
from .pending_approvals import PendingApproval

_KIND = "card"


def add_card(session: Transaction, approval: PendingApproval, conversation: str, secret: str, now: datetime) -> None:
    """Store the hash of a card's secret for one conversation. It replaces an earlier card of the question."""
    session.change(
        "DELETE FROM shared_values WHERE name >= :first AND name < :last AND value < :now",
        first=f"{_KIND} ",
        last=f"{_KIND}!",
        now=_sortable(now),
    )
    set_value(session, _name(approval.code, conversation), f"{_sortable(approval.expires_at)} {secret}")


def use_up(session: Transaction, approval: PendingApproval, conversation: str, secret: str) -> bool:
    """Whether `secret` is the hash of the card's secret. The card is void afterwards."""
    return bool(
        session.change(
            "DELETE FROM shared_values WHERE name = :name AND value = :value",
            name=_name(approval.code, conversation),
            value=f"{_sortable(approval.expires_at)} {secret}",
        )
    )


def _name(code: str, conversation: str) -> str:
    return f"{_KIND} {code} {conversation}"


def _sortable(moment: datetime) -> str:
    """A sortable text: an earlier moment sorts first."""
    return f"{microseconds(moment):020}"
