"""The guard's tables in the shared store: one transaction a method."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ...database import Database, Transaction, open_database
from ...tracing import span
from ..policy import Limit
from . import (
    admission,
    approval_cards,
    audit,
    grants,
    opt_outs,
    pending_approvals,
    rate_limits,
    sign_ins,
    stop_switch,
    tokens,
)
from .admission import AdmissionState
from .audit import AuditRecord, ChainLink, Entry, LastWrite
from .audit_verifier import AuditVerifier, Verified
from .grants import Grant, GrantTerms, GrantUse
from .opt_outs import OptOut
from .pending_approvals import ApprovalRequest, Decision, PendingApproval, State
from .rate_limits import LimitReached
from .sign_ins import SignIn
from .stop_switch import Stopped
from .tokens import Token

T = TypeVar("T")

APPROVAL_TTL = timedelta(minutes=5)
"""How long a question waits for its answer, and an approval for its call."""


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Approvals, limits, the stop switch and the audit, shared by all processes on a store.

    Every method may raise what `database` raises, and `StoreError`.
    """

    def __init__(
        self,
        database: Callable[[], Awaitable[Database]],
        approval_ttl: timedelta = APPROVAL_TTL,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """`database` returns the open database, and opens it if needed."""
        self._database = database
        self._approval_ttl = approval_ttl
        self._pending_listeners: list[Callable[[], None]] = []
        self.now = now
        """The clock of approvals and limits."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, approval_ttl: timedelta = APPROVAL_TTL, now: Callable[[], datetime] = _now
    ) -> "AsyncGenerator[Ledger]":
        """The ledger in the store at a URL. Raises `StoreError`."""
        async with open_database(url) as database:
            yield cls.on(database, approval_ttl, now)

    @classmethod
    def on(
        cls, database: Database, approval_ttl: timedelta = APPROVAL_TTL, now: Callable[[], datetime] = _now
    ) -> "Ledger":
        """The ledger in a database that is open."""

        async def opened() -> Database:
            return database

        return cls(opened, approval_ttl, now)

    async def _write(self, work: Callable[[Transaction], T], *, wait_for_disk: bool = True) -> T:
        with span("store"):
            return await (await self._database()).write(work, wait_for_disk=wait_for_disk)

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        with span("store"):
            return await (await self._database()).read(work)

    # Approvals

    async def take(self, request: ApprovalRequest, use: GrantUse | None = None) -> PendingApproval | Grant | None:
        """The decision on this request made outside the conversation. Returning an approval uses it up (`SPENT`).

        Without a decision, a grant that covers `use` is counted down and returned.
        """

        def work(session: Transaction) -> PendingApproval | Grant | None:
            now = self.now()
            decided = pending_approvals.take(session, request, now)
            is_open = decided is None or decided.state is State.PENDING
            used = grants.use(session, use, now) if use is not None and is_open else None
            return used or decided

        return await self._write(work)

    async def add_pending(self, request: ApprovalRequest) -> PendingApproval:
        """Store a question for a person. The same question is stored once."""
        added = await self._write(
            lambda session: pending_approvals.add_pending(session, request, self.now(), self._approval_ttl)
        )
        for listener in self._pending_listeners:
            listener()
        return added

    def on_pending(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever this process stores a question."""
        self._pending_listeners.append(listener)

    async def outdated(self, request: ApprovalRequest) -> PendingApproval | None:
        """An open question about the same call, whose facts have changed since."""
        return await self._read(lambda session: pending_approvals.outdated(session, request, self.now()))

    async def use_answer(self, request: ApprovalRequest, name: str, *, yes: bool) -> bool:
        """Use up an answer given through the client. False when it was used before."""
        return await self._write(
            lambda session: pending_approvals.use_answer(session, request, name, yes=yes, now=self.now())
        )

    async def decide(self, code: str, answer: Decision) -> PendingApproval:
        """Answer a pending question and record it in the audit. Raises `NoSuchApproval`."""
        return await self._write(lambda session: self._decide(session, code, answer))

    def _decide(self, session: Transaction, code: str, answer: Decision) -> PendingApproval:
        now = self.now()
        decided = pending_approvals.decide(session, code, answer, now)
        entry = {"outcome": f"{decided.state} by a person", "tool": decided.tool, "code": decided.code}
        entry |= {"by": answer.by, "identity": answer.identity, "reason": answer.reason}
        audit.append(session, [(now, {name: value for name, value in entry.items() if value})])
        return decided

    async def add_card(self, code: str, conversation: str, secret: str) -> None:
        """Store the hash of an approval card's secret, for one conversation. Raises `NoSuchApproval`."""

        def work(session: Transaction) -> None:
            now = self.now()
            approval_cards.add_card(
                session, pending_approvals.pending_by_code(session, code, now), conversation, secret, now
            )

        await self._write(work)

    async def decide_by_card(
        self, code: str, conversation: str, secret: str, answer: Decision
    ) -> PendingApproval | None:
        """Answer a pending question with its card. `secret` is the hash; None when it is not this question's card.

        Raises `NoSuchApproval`.
        """

        def work(session: Transaction) -> PendingApproval | None:
            waiting = pending_approvals.pending_by_code(session, code, self.now())
            if not approval_cards.use_up(session, waiting, conversation, secret):
                return None
            return self._decide(session, waiting.code, answer)

        return await self._write(work)

    async def waiting(self, code: str) -> PendingApproval:
        """The pending question under a code. Raises `NoSuchApproval`."""
        return await self._read(lambda session: pending_approvals.pending_by_code(session, code, self.now()))

    async def pending(self) -> list[PendingApproval]:
        """The pending questions, oldest first, without those that were asked again since the facts changed."""
        return await self._read(lambda session: pending_approvals.pending(session, self.now()))

    async def asked_again(self) -> list[tuple[PendingApproval, PendingApproval]]:
        """The unanswered questions that were asked again since the facts changed, each with the newest one."""
        return await self._read(lambda session: pending_approvals.asked_again(session, self.now()))

    async def decided_since(self, since: datetime) -> list[PendingApproval]:
        """The questions that a person has answered since this time, the last one first."""
        return await self._read(lambda session: pending_approvals.decided_since(session, since, self.now()))

    async def approvals_of(self, conference_id: str) -> list[PendingApproval]:
        """The questions that name a conference, oldest first, in any state."""
        return await self._read(lambda session: pending_approvals.of_conference(session, conference_id, self.now()))

    async def approval(self, code: str) -> PendingApproval | None:
        """The question under a code, in any state."""
        return await self._read(lambda session: pending_approvals.by_code(session, code, self.now()))

    # Grants

    async def add_grant(self, terms: GrantTerms, asker: tuple[str | None, str], by: str, granted_at: datetime) -> Grant:
        """Store what a person has granted, from this time on, and record it in the audit.

        `asker`: the caller's authenticated name, and the client.
        """

        def work(session: Transaction) -> Grant:
            grant = grants.add(session, terms, asker, by, granted_at)
            entry = {"outcome": "granted by a person", "grant": grant.code, "tool": terms.tool, "by": by}
            entry |= {"identity": grant.identity} if grant.identity else {}
            audit.append(session, [(self.now(), entry)])
            return grant

        return await self._write(work)

    async def grants(self) -> list[Grant]:
        """The grants that can be used, the first to end first."""
        return await self._read(lambda session: grants.open_grants(session, self.now()))

    async def revoke_grant(self, code: str, by: str) -> Grant:
        """End a grant and record it in the audit. Raises `NoSuchGrant`."""

        def work(session: Transaction) -> Grant:
            now = self.now()
            grant = grants.revoke(session, code, by, now)
            entry = {"outcome": "grant revoked by a person", "grant": grant.code, "tool": grant.terms.tool, "by": by}
            audit.append(session, [(now, entry)])
            return grant

        return await self._write(work)

    # Sign-ins to the operator page

    async def add_sign_in_code(self, hashed: str, by: str) -> None:
        """Store the hash of a code for the operator page, and who made it at a terminal."""
        await self._write(lambda session: sign_ins.add_code(session, hashed, by, self.now()))

    async def use_sign_in_code(self, hashed: str) -> str | None:
        """Use a code up. Returns who made it; None when it is not valid."""
        return await self._write(lambda session: sign_ins.use_code(session, hashed, self.now()))

    async def add_sign_in(self, sign_in: SignIn) -> None:
        """Store a sign-in, and delete those that have expired."""
        await self._write(lambda session: sign_ins.add(session, sign_in, self.now()))

    async def sign_in(self, cookie_hash: str) -> SignIn | None:
        """The sign-in of a browser; None when it has ended."""
        return await self._read(lambda session: sign_ins.by_cookie(session, cookie_hash, self.now()))

    async def sign_ins(self) -> list[SignIn]:
        """Every sign-in, the last used one first."""
        return await self._read(lambda session: sign_ins.every(session, self.now()))

    async def touch_sign_in(self, sign_in_id: str) -> None:
        """Note that a sign-in is used now."""
        await self._write(lambda session: sign_ins.touch(session, sign_in_id, self.now()))

    async def end_sign_in(self, sign_in_id: str) -> None:
        """End a sign-in."""
        await self._write(lambda session: sign_ins.end(session, sign_in_id))

    # The stop switch

    async def stop(self, by: str, reason: str | None = None) -> Stopped:
        """Block writes of every process on this store. An earlier stop stays as it is."""

        def work(session: Transaction) -> Stopped:
            now = self.now()
            stopped = stop_switch.stop(session, by, reason, now)
            audit.append(session, [(now, {"outcome": "writes stopped by a person", "by": by, "reason": reason})])
            return stopped

        return await self._write(work)

    async def resume(self, by: str) -> bool:
        """Allow writes again. False when they were not stopped."""

        def work(session: Transaction) -> bool:
            was = stop_switch.resume(session)
            if was:
                audit.append(session, [(self.now(), {"outcome": "writes resumed by a person", "by": by})])
            return was

        return await self._write(work)

    async def stopped(self) -> Stopped | None:
        """Who stopped writes; None when writes are allowed."""
        return await self._read(stop_switch.stopped)

    # Opt-outs

    async def add_optout(self, number: str, by: str, how: str, session_id: str | None = None) -> bool:
        """Put a number, in the spelling of `party_key`, on the opt-out list. False when it was on it already.

        `how`: the outcome in the audit. `session_id`: the conversation, for an agent.
        """

        def work(session: Transaction) -> bool:
            now = self.now()
            is_new = opt_outs.add(session, number, by, now)
            if is_new:
                entry = {"session": session_id, "outcome": how, "number": number, "by": by}
                audit.append(session, [(now, {name: value for name, value in entry.items() if value})])
            return is_new

        return await self._write(work)

    async def remove_optout(self, number: str, by: str) -> bool:
        """Take a number off the opt-out list. False when it was not on it."""

        def work(session: Transaction) -> bool:
            was = opt_outs.remove(session, number)
            if was:
                entry = {"outcome": "opt-out removed by a person", "number": number, "by": by}
                audit.append(session, [(self.now(), entry)])
            return was

        return await self._write(work)

    async def optouts(self) -> list[OptOut]:
        """The opt-out list."""
        return await self._read(opt_outs.every)

    async def look_up_callees(
        self, numbers: Collection[str], attempts: Mapping[str, Sequence[Limit]]
    ) -> tuple[dict[str, LimitReached], dict[str, datetime]]:
        """Which of these limits on attempts are reached, and which numbers have opted out, and when."""

        def work(session: Transaction) -> tuple[dict[str, LimitReached], dict[str, datetime]]:
            now = self.now()
            reached: dict[str, LimitReached] = {}
            for number, limits in attempts.items():
                used = admission.read(session, limits, now).used
                if (full := rate_limits.first_limit_reached(session, limits, now, used)) is not None:
                    reached[number] = full
            return reached, {entry.number: entry.at for entry in opt_outs.among(session, numbers)}

        return await self._read(work)

    # Tokens

    async def add_token(self, token: Token, by: str) -> None:
        """Store a new token's hash, and record it in the audit."""

        def work(session: Transaction) -> None:
            tokens.add(session, token)
            entry = {"outcome": "token made by a person", "token": token.id, "of": token.name, "by": by}
            audit.append(session, [(self.now(), entry | {"scopes": token.scopes})])

        await self._write(work)

    async def token(self, token_id: str) -> Token | None:
        """The token with this public id, also when it is revoked or expired."""
        return await (await self._database()).read(lambda session: tokens.by_id(session, token_id))

    async def tokens(self) -> list[Token]:
        """Every token, oldest first."""
        return await self._read(tokens.every)

    async def revoke(self, name: str, by: str) -> list[Token]:
        """Revoke the tokens with this name or id; returns those that were not revoked before."""

        def work(session: Transaction) -> list[Token]:
            now = self.now()
            revoked = tokens.revoke(session, name, now)
            entry = {"outcome": "token revoked by a person", "by": by}
            audit.append(session, [(now, entry | {"token": token.id, "of": token.name}) for token in revoked])
            return revoked

        return await self._write(work)

    # Limits and the audit

    async def look(self, limits: Sequence[Limit]) -> Stopped | LimitReached | None:
        """Why a write is blocked now, without counting it. None when it is not blocked."""

        def work(session: Transaction) -> Stopped | LimitReached | None:
            now = self.now()
            state = admission.read(session, limits, now)
            return state.stopped or rate_limits.first_limit_reached(session, limits, now, state.used)

        return await self._read(work)

    async def admit(self, limits: Sequence[Limit], entry: Entry) -> Stopped | LimitReached | None:
        """Count a write and record its start in the audit, unless it is blocked; returns why."""

        def work(session: Transaction) -> Stopped | LimitReached | None:
            now = self.now()
            state = admission.read(session, limits, now)
            return state.stopped or _count(session, limits, entry, now, state)

        return await self._write(work, wait_for_disk=False)

    async def last_write(self, of_session: str) -> LastWrite | None:
        """The last write of a conversation that was admitted, by any process."""
        return await (await self._database()).read(lambda session: audit.last_write(session, of_session))

    async def admit_read(self, limits: Sequence[Limit], entry: Entry) -> LimitReached | None:
        """Count a read that has a limit. The stop switch does not block reads."""

        def work(session: Transaction) -> LimitReached | None:
            now = self.now()
            return _count(session, limits, entry, now, admission.read(session, limits, now))

        return await self._write(work, wait_for_disk=False)

    async def record(self, entries: Sequence[tuple[datetime, Entry]]) -> None:
        """Append records to the audit."""
        database = await self._database()
        await database.write(lambda session: audit.append(session, entries), wait_for_disk=False)

    async def newest(self, most: int, of_session: str | None = None) -> list[AuditRecord]:
        """The newest records of the audit, newest first."""
        return await self._read(lambda session: audit.newest(session, most, of_session))

    async def before(self, number: int) -> list[AuditRecord]:
        """A batch of the records before a number, newest first; empty after the oldest."""
        return await self._read(lambda session: audit.before(session, number))

    async def back_to(self, since: datetime | None) -> AsyncGenerator[AuditRecord]:
        """The records of the audit, newest first, back to this time and somewhat beyond. None: back to the oldest."""
        number = audit.MAX_NUMBER
        while records := await self.before(number):
            for record in records:
                yield record
            number = records[-1].number
            if since is not None and records[-1].at < since - audit.MAX_CLOCK_DISORDER:
                return

    async def after(self, number: int) -> list[AuditRecord]:
        """A batch of the records after a number, oldest first; empty after the newest."""
        return await self._read(lambda session: audit.after(session, number))

    async def links_after(self, number: int) -> list[ChainLink]:
        """A batch of the records after a number as they are chained, oldest first; empty after the newest."""
        return await self._read(lambda session: audit.links_after(session, number))

    async def number_before(self, at: datetime) -> int:
        """The number of the last record before a time, 0 if there is none. See `audit.number_before`."""
        return await self._read(lambda session: audit.number_before(session, at))

    async def approvals(self, codes: Collection[str]) -> list[PendingApproval]:
        """The questions with these codes in any state, in the order of their codes."""
        return await self._read(lambda session: pending_approvals.by_codes(session, codes, self.now()))

    async def verify(self, known_head: str | None = None) -> Verified:
        """Prove that no record of the audit was altered or removed. Raises `AuditTampered`.

        `known_head`: the head that an earlier check printed. Without it, a person who can write to the store could have
        removed the newest records together with the note that counts them.
        """
        verifier = AuditVerifier(known_head)
        while (verified := await self._write(verifier.check_batch, wait_for_disk=False)) is None:
            pass
        return verified


def _count(
    session: Transaction, limits: Sequence[Limit], entry: Entry, now: datetime, state: AdmissionState
) -> LimitReached | None:
    full = rate_limits.spend(session, limits, now, state.used)
    if full is None:
        audit.append(session, [(now, entry)], state.head)
    return full
