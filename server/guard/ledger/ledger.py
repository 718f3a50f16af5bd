"""The guard's part of the store, one transaction a call."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ...database import Dialect, Transaction, open_database
from ...tracing import span
from ..policy import Limit
from . import (
    admission as standing,
)
from . import (
    approval_cards as cards,
)
from . import (
    audit,
    tokens,
)
from . import (
    pending_approvals as approvals,
)
from . import (
    rate_limits as spending,
)
from . import (
    stop_switch as switch,
)
from .admission import Standing
from .audit import AuditRecord, Entry, Sent
from .audit_verifier import AuditVerifier, Verified
from .pending_approvals import ApprovalRequest, Decision, PendingApproval
from .rate_limits import LimitReached
from .stop_switch import Stopped
from .tokens import Token

T = TypeVar("T")

LASTS = timedelta(minutes=5)
"""How long a question waits for its answer, and a yes for its call."""


_FEW = 20
"""Records: written sooner than another thread would have woken to do it."""


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """What all processes on a store know of approvals, limits, the stop switch and the audit.

    Every method may raise what `dialect` raises, and `StoreError`.
    """

    def __init__(
        self, dialect: Callable[[], Awaitable[Dialect]], lasts: timedelta = LASTS, now: Callable[[], datetime] = _now
    ) -> None:
        """`dialect` gives the open database, opening it if need be."""
        self._dialect = dialect
        self._lasts = lasts
        self._now = now

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, lasts: timedelta = LASTS, now: Callable[[], datetime] = _now
    ) -> "AsyncGenerator[Ledger]":
        """The ledger in the store at a URL. Raises `StoreError`."""
        async with open_database(url) as database:

            async def opened() -> Dialect:
                return database

            yield cls(opened, lasts, now)

    async def _do(self, work: Callable[[Transaction], T], outlives: str = "power") -> T:
        with span("store"):
            return await (await self._dialect()).transaction(work, outlives=outlives)

    async def _at_once(self, work: Callable[[Transaction], T]) -> T:
        with span("store"):
            return await (await self._dialect()).at_once(work)

    # Approvals

    async def take(self, asked: ApprovalRequest) -> PendingApproval | None:
        """What a person has said to this outside the conversation. A yes is spent by being returned, as `SPENT`."""
        return await self._do(lambda session: approvals.take(session, asked, self._now()))

    async def leave(self, asked: ApprovalRequest) -> PendingApproval:
        """Leave a question for a person; if it is left already, that one stands."""
        return await self._do(lambda session: approvals.leave(session, asked, self._now(), self._lasts))

    async def use_answer(self, asked: ApprovalRequest, name: str, *, yes: bool) -> bool:
        """Note that the answer to a question put through the client is used now; False: it was used before."""
        return await self._do(lambda session: approvals.use_answer(session, asked, name, yes=yes, now=self._now()))

    async def decide(self, code: str, answer: Decision) -> PendingApproval:
        """Answer a pending question, and note it in the audit. Raises `NoSuchApproval`."""
        return await self._do(lambda session: self._decide(session, code, answer))

    def _decide(self, session: Transaction, code: str, answer: Decision) -> PendingApproval:
        now = self._now()
        decided = approvals.decide(session, code, answer, now)
        told = {"outcome": f"{decided.state} by a person", "tool": decided.tool, "code": decided.code}
        told |= {"by": answer.by, "identity": answer.identity, "reason": answer.reason}
        audit.append(session, [(now, {name: value for name, value in told.items() if value})])
        return decided

    async def hand_out_card(self, code: str, conversation: str, secret: str) -> None:
        """Keep the hash of a card's secret, with which one conversation may answer. Raises `NoSuchApproval`."""

        def work(session: Transaction) -> None:
            now = self._now()
            cards.hand_out(session, approvals.waiting(session, code, now), conversation, secret, now)

        await self._do(work)

    async def decide_by_card(
        self, code: str, conversation: str, secret: str, answer: Decision
    ) -> PendingApproval | None:
        """Answer a pending question by its card, whose secret's hash this is; None: it is no card of it.

        Raises `NoSuchApproval`.
        """

        def work(session: Transaction) -> PendingApproval | None:
            waiting = approvals.waiting(session, code, self._now())
            if not cards.use_up(session, waiting, conversation, secret):
                return None
            return self._decide(session, waiting.code, answer)

        return await self._do(work)

    async def waiting(self, code: str) -> PendingApproval:
        """The pending question under a code. Raises `NoSuchApproval`."""
        return await self._do(lambda session: approvals.waiting(session, code, self._now()), "process")

    async def pending(self) -> list[PendingApproval]:
        """The questions that wait for an answer, oldest first."""
        return await self._do(lambda session: approvals.pending(session, self._now()), "process")

    # The stop switch

    async def stop(self, by: str, reason: str | None = None) -> Stopped:
        """Stop every write of every process on this store; if that is so already, it stands."""

        def work(session: Transaction) -> Stopped:
            now = self._now()
            stopped = switch.stop(session, by, reason, now)
            audit.append(session, [(now, {"outcome": "writes stopped by a person", "by": by, "reason": reason})])
            return stopped

        return await self._do(work)

    async def resume(self, by: str) -> bool:
        """Let writes go on; False: they were not stopped."""

        def work(session: Transaction) -> bool:
            was = switch.resume(session)
            if was:
                audit.append(session, [(self._now(), {"outcome": "writes resumed by a person", "by": by})])
            return was

        return await self._do(work)

    async def stopped(self) -> Stopped | None:
        """Who stopped writes, if somebody did."""
        return await self._do(switch.stopped, "process")

    # Tokens

    async def add_token(self, token: Token, by: str) -> None:
        """Keep a new token, by its hash, and note it in the audit."""

        def work(session: Transaction) -> None:
            tokens.add(session, token)
            told = {"outcome": "token made by a person", "token": token.id, "of": token.name, "by": by}
            audit.append(session, [(self._now(), told | {"scopes": token.scopes})])

        await self._do(work)

    async def token(self, token_id: str) -> Token | None:
        """The token with this public id, whatever became of it."""
        return await (await self._dialect()).look(lambda session: tokens.by_id(session, token_id))

    async def tokens(self) -> list[Token]:
        """Every token, oldest first."""
        return await self._do(tokens.every, "process")

    async def revoke(self, name: str, by: str) -> list[Token]:
        """Take back the tokens of a name, or the one with this id; returns those that were not taken back before."""

        def work(session: Transaction) -> list[Token]:
            now = self._now()
            revoked = tokens.revoke(session, name, now)
            told = {"outcome": "token revoked by a person", "by": by}
            audit.append(session, [(now, told | {"token": one.id, "of": one.name}) for one in revoked])
            return revoked

        return await self._do(work)

    # Limits and the audit

    async def look(self, limits: Sequence[Limit]) -> Stopped | LimitReached | None:
        """What stands in the way of a write now, without using anything up."""

        def work(session: Transaction) -> Stopped | LimitReached | None:
            now = self._now()
            found = standing.read(session, limits, now)
            return found.stopped or spending.full(session, limits, now, found.used)

        return await self._do(work, "process")

    async def admit(self, limits: Sequence[Limit], entry: Entry) -> Stopped | LimitReached | None:
        """What stands in the way of a write. None: nothing; then it is counted, and noted in the audit, as begun."""

        def work(session: Transaction) -> Stopped | LimitReached | None:
            now = self._now()
            found = standing.read(session, limits, now)
            return found.stopped or _count(session, limits, entry, now, found)

        return await self._at_once(work)

    async def last_sent(self, of_session: str) -> Sent | None:
        """The last write of a conversation that was let through, by whichever process."""
        return await (await self._dialect()).look(lambda session: audit.last_sent(session, of_session))

    async def admit_read(self, limits: Sequence[Limit], entry: Entry) -> LimitReached | None:
        """The same of a read, which no stop concerns."""

        def work(session: Transaction) -> LimitReached | None:
            now = self._now()
            return _count(session, limits, entry, now, standing.read(session, limits, now))

        return await self._at_once(work)

    async def record(self, entries: Sequence[tuple[datetime, Entry]]) -> None:
        """Add to the audit."""
        database = await self._dialect()
        if len(entries) <= _FEW:
            await database.at_once(lambda session: audit.append(session, entries))
        else:
            await database.transaction(lambda session: audit.append(session, entries), outlives="process")

    async def newest(self, most: int, of_session: str | None = None) -> list[AuditRecord]:
        """The newest records of the audit, newest first."""
        return await self._do(lambda session: audit.newest(session, most, of_session), "process")

    async def before(self, number: int) -> list[AuditRecord]:
        """Some of the records before a number, newest first; none: that was the oldest."""
        return await self._do(lambda session: audit.before(session, number), "process")

    async def after(self, number: int) -> list[AuditRecord]:
        """Some of the records after a number, oldest first; none: that was the newest."""
        return await self._do(lambda session: audit.after(session, number), "process")

    async def verify(self, known_head: str | None = None) -> Verified:
        """Prove that nothing in the audit was altered or removed. Raises `Broken`.

        `known_head`: as an earlier check printed it. Without one, whoever can write the store's file could have removed
        the newest records together with the note of how many there were.
        """
        verifier = AuditVerifier(known_head)
        while (verified := await self._do(verifier.some, "process")) is None:
            pass
        return verified


def _count(
    session: Transaction, limits: Sequence[Limit], entry: Entry, now: datetime, found: Standing
) -> LimitReached | None:
    full = spending.spend(session, limits, now, found.used)
    if full is None:
        audit.append(session, [(now, entry)], found.head)
    return full
