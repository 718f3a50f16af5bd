"""The ledger of a store, as a server beside the command line uses it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import anyio

from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import APPROVAL_TTL, ApprovalRequest, Ledger, PendingApproval

P = ParamSpec("P")
T = TypeVar("T")

QUESTION = "End conference 'Standup'? 3 people are in it. Everyone in it is hung up."


def use_ledger(
    database: Path, method: Callable[Concatenate[Ledger, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What a method of the store's ledger returns."""

    async def work() -> T:
        async with Ledger.open(url_of(database)) as ledger:
            return await method(ledger, *args, **kwargs)

    return anyio.run(work)


def approval_request(question: str = QUESTION, **other: str) -> ApprovalRequest:
    """A question about a call; its own words stand for all it is bound to."""
    facts = {"tool": "end_conference", "risk": "destructive", "asked_by": "claude-code 2.1", **other}
    return ApprovalRequest(call=question, binding=question, question=question, **facts)


def leave_question(
    database: Path, question: ApprovalRequest | None = None, lasts: timedelta = APPROVAL_TTL
) -> PendingApproval:
    """A question that a server has left for a person."""

    async def work() -> PendingApproval:
        async with Ledger.open(url_of(database), lasts) as ledger:
            return await ledger.add_pending(question or approval_request())

    return anyio.run(work)
