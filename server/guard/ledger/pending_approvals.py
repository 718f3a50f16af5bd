"""Questions that a person answers outside the conversation. An approval holds for one call with the same facts.

Every function is part of a transaction.
"""

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from ...database import Transaction, microseconds, moment_of
from ...errors import CallRefused

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's alphabet: no two characters look alike
_LETTERS = _ALPHABET[10:]
_GROUP = 4
_COLUMNS = (
    "code, tool, risk, question, asked_by, identity, asked_at, expires_at, decision, decided_at, decided_by, reason, "
    "spent_at, call, facts, conference_id"
)
_INSERTED = "code, call, binding, facts, tool, risk, question, asked_by, identity, conference_id, asked_at, expires_at"
_NEWER = "SELECT 1 FROM approvals AS newer WHERE newer.call = approvals.call AND newer.number > approvals.number"
_ELICITED = "elicitation"
_MAX_DECIDED = 50
_MAX_OF_CONFERENCE = 200
MAX_QUESTION_LENGTH = 8_000
"""Characters of a question. A person must see everything they decide on, so a longer question is refused."""
MAX_PENDING = 20
"""Pending questions of one authenticated name, or of all callers without a name."""


class State(StrEnum):
    """The state of a question."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    SPENT = "spent"
    EXPIRED = "expired"


class TooManyPending(CallRefused):
    """A caller has too many pending questions."""


class NoSuchApproval(Exception):
    """No question can be decided under this code; the message says why."""


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """One question and its state."""

    code: str
    tool: str
    risk: str
    question: str
    asked_by: str
    """Name and version of the client, as it gives them."""
    identity: str | None
    """The authenticated name of the caller, if there is one."""
    asked_at: datetime
    expires_at: datetime
    state: State
    answer: State | None
    """What a person answered, `approved` or `rejected`, also when that has been used or has expired."""
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    call: str
    """Identifies the call: its tool, its arguments and its caller."""
    facts: Mapping[str, Any]
    """What was true when it was asked."""
    conference_id: str | None
    """The conference that the question names, if it names one."""

    @property
    def asker(self) -> str:
        """Who asked, for display."""
        return f"{self.identity} ({self.asked_by})" if self.identity else self.asked_by


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A question about one call, and the facts that an approval is bound to."""

    call: str
    """A hash of the call: its tool, its arguments and its caller."""
    binding: str
    """A hash of the call and of every fact that decides its effect."""
    tool: str
    risk: str
    question: str
    asked_by: str
    identity: str | None = None
    facts: str = "{}"
    """The facts as JSON, to say later what has changed."""
    conference_id: str | None = None


class Decision(NamedTuple):
    """A person's answer to a question."""

    yes: bool
    by: str
    """Who answered, for the audit."""
    reason: str | None = None
    identity: str | None = None
    """Their authenticated name. Nobody can approve a call made in their own name."""


def take(session: Transaction, request: ApprovalRequest, now: datetime) -> PendingApproval | None:
    """The decision on this request. Returning an approval uses it up (`SPENT`)."""
    current = _current(session, request.binding, now)
    if current is None or current.state is not State.APPROVED:
        return current
    session.change("UPDATE approvals SET spent_at = :now WHERE code = :code", now=microseconds(now), code=current.code)
    return _by_code(session, current.code, now)


def add_pending(session: Transaction, request: ApprovalRequest, now: datetime, ttl: timedelta) -> PendingApproval:
    """Store a question for a person. The same question is stored once."""
    current = _current(session, request.binding, now)
    if current is not None and not _was_asked_again(session, current):
        return current
    _check_not_too_many(session, request, now)
    code = new_code()
    session.change(
        f"INSERT INTO approvals ({_INSERTED}) VALUES (:code, :call, :binding, :facts, :tool, :risk, :question, "  # noqa: S608
        ":asked_by, :identity, :conference_id, :asked_at, :expires_at)",
        code=code,
        asked_at=microseconds(now),
        expires_at=microseconds(now + ttl),
        **asdict(request),
    )
    return _by_code(session, code, now)


def outdated(session: Transaction, request: ApprovalRequest, now: datetime) -> PendingApproval | None:
    """The newest open question about the same call with other facts, whether answered or not."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals "  # noqa: S608 - constants
        "WHERE call = :call AND binding <> :binding AND spent_at IS NULL ORDER BY number DESC LIMIT 1",
        call=request.call,
        binding=request.binding,
    )
    approvals = [_approval(row, now) for row in rows]
    return approvals[0] if approvals and approvals[0].state in {State.PENDING, State.APPROVED} else None


def _check_not_too_many(session: Transaction, request: ApprovalRequest, now: datetime) -> None:
    """Raises `TooManyPending` when the caller has too many pending questions: a person could not read them all."""
    same_caller = "identity IS NULL" if request.identity is None else "identity = :identity"
    named = {} if request.identity is None else {"identity": request.identity}
    rows = session.rows(
        f"SELECT count(*) FROM approvals WHERE decision IS NULL AND expires_at > :now AND {same_caller}",  # noqa: S608
        now=microseconds(now),
        **named,
    )
    if rows[0][0] >= MAX_PENDING:
        raise TooManyPending(
            f"{MAX_PENDING} questions of this caller wait for a person already. Nothing was sent. Wait until they are "
            "answered or have expired."
        )


def use_answer(session: Transaction, request: ApprovalRequest, name: str, *, yes: bool, now: datetime) -> bool:
    """Note that the answer to a question put through the client is used now. False: the same answer was used before.

    This also ends the stored questions about the same call, answered or not.
    """
    decision = State.APPROVED if yes else State.REJECTED
    new = session.change(
        f"INSERT INTO approvals ({_INSERTED}, decision, decided_at, decided_by, spent_at) "  # noqa: S608
        "VALUES (:name, :call, :binding, :facts, :tool, :risk, :question, :asked_by, :identity, :conference_id, :now, "
        ":now, :decision, :now, :by, :now) ON CONFLICT DO NOTHING",
        name=name,
        now=microseconds(now),
        decision=decision,
        by=_ELICITED,
        **asdict(request),
    )
    if new:
        session.change(
            "UPDATE approvals SET decision = coalesce(decision, :decision), decided_at = coalesce(decided_at, :now), "
            "decided_by = coalesce(decided_by, :by), spent_at = :now WHERE call = :call AND spent_at IS NULL",
            decision=decision,
            now=microseconds(now),
            by=_ELICITED,
            call=request.call,
        )
    return bool(new)


def decide(session: Transaction, code: str, answer: Decision, now: datetime) -> PendingApproval:
    """Answer a pending question. An approval holds for the time that the question may wait. Raises `NoSuchApproval`."""
    approval = pending_by_code(session, code, now)
    if answer.yes and answer.identity is not None and answer.identity == approval.identity:
        raise NoSuchApproval(f"{approval.code} was asked by {approval.identity}: another person must approve it.")
    session.change(
        "UPDATE approvals SET decision = :decision, decided_at = :now, decided_by = :by, reason = :reason, "
        "expires_at = :expires WHERE code = :code",
        decision=State.APPROVED if answer.yes else State.REJECTED,
        now=microseconds(now),
        by=answer.by,
        reason=answer.reason,
        # The time to live of the server that asked: the answering process may have other settings.
        expires=microseconds(now + (approval.expires_at - approval.asked_at)),
        code=approval.code,
    )
    return _by_code(session, approval.code, now)


def pending_by_code(session: Transaction, code: str, now: datetime) -> PendingApproval:
    """The pending question under a code. Raises `NoSuchApproval`."""
    approval = _by_code(session, normalized_code(code), now)
    if approval.state is not State.PENDING:
        raise NoSuchApproval(f"{approval.code} is {approval.state} already: {approval.question}")
    return approval


def pending(session: Transaction, now: datetime) -> list[PendingApproval]:
    """The pending questions, oldest first, without those that were asked again since the facts changed."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals "  # noqa: S608 - constants
        f"WHERE decision IS NULL AND expires_at > :now AND NOT EXISTS ({_NEWER}) ORDER BY number",
        now=microseconds(now),
    )
    return [approval for row in rows if (approval := _approval(row, now)).state is State.PENDING]


def asked_again(session: Transaction, now: datetime) -> list[tuple[PendingApproval, PendingApproval]]:
    """The unanswered questions that were asked again since the facts changed, each with the newest one."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals "  # noqa: S608 - constants
        f"WHERE decision IS NULL AND expires_at > :now AND EXISTS ({_NEWER}) ORDER BY number",
        now=microseconds(now),
    )
    return [(_approval(row, now), _newest(session, row[_COLUMNS.split(", ").index("call")], now)) for row in rows]


def _newest(session: Transaction, call: str, now: datetime) -> PendingApproval:
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals WHERE call = :call ORDER BY number DESC LIMIT 1",  # noqa: S608 - constants
        call=call,
    )
    return _approval(rows[0], now)


def _was_asked_again(session: Transaction, question: PendingApproval) -> bool:
    rows = session.rows(
        f"SELECT 1 FROM approvals WHERE code = :code AND EXISTS ({_NEWER})",  # noqa: S608 - constants
        code=question.code,
    )
    return question.state is State.PENDING and bool(rows)


def by_codes(session: Transaction, codes: Collection[str], now: datetime) -> list[PendingApproval]:
    """The questions with these codes in any state. An unknown code is left out."""
    rows = (
        session.rows(f"SELECT {_COLUMNS} FROM approvals WHERE code = :code", code=code)  # noqa: S608 - constants
        for code in sorted(codes)
    )
    return [_approval(row, now) for rows_of_code in rows for row in rows_of_code]


def decided_since(session: Transaction, since: datetime, now: datetime) -> list[PendingApproval]:
    """The questions that a person has answered since this time, the last one first."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals WHERE decided_at >= :since ORDER BY decided_at DESC LIMIT :most",  # noqa: S608
        since=microseconds(since),
        most=_MAX_DECIDED,
    )
    return [_approval(row, now) for row in rows]


def of_conference(session: Transaction, conference_id: str, now: datetime) -> list[PendingApproval]:
    """The questions that name a conference, oldest first, in any state."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals WHERE conference_id = :conference_id ORDER BY number LIMIT :most",  # noqa: S608
        conference_id=conference_id,
        most=_MAX_OF_CONFERENCE,
    )
    return [_approval(row, now) for row in rows]


def by_code(session: Transaction, code: str, now: datetime) -> PendingApproval | None:
    """The question under a code, in any state."""
    rows = session.rows(f"SELECT {_COLUMNS} FROM approvals WHERE code = :code", code=normalized_code(code))  # noqa: S608
    return _approval(rows[0], now) if rows else None


def normalized_code(code: str) -> str:
    """A code in its stored form, from any spelling of a person."""
    letters = "".join(code.upper().split()).replace("-", "").translate(str.maketrans("OIL", "011"))
    return "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))


def _current(session: Transaction, binding: str, now: datetime) -> PendingApproval | None:
    """The newest question with this binding that is neither used nor expired."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM approvals "  # noqa: S608 - constants
        "WHERE binding = :binding AND spent_at IS NULL ORDER BY number DESC LIMIT 1",
        binding=binding,
    )
    approvals = [_approval(row, now) for row in rows]
    return approvals[0] if approvals and approvals[0].state is not State.EXPIRED else None


def _by_code(session: Transaction, code: str, now: datetime) -> PendingApproval:
    approval = by_code(session, code, now)
    if approval is None:
        raise NoSuchApproval(f"There is no request {code}. `telnyx-conferencing approvals` lists those that wait.")
    return approval


def new_code(groups: int = 2) -> str:
    """A random code, such as `R7KQ-M2XA`, which a person can read out and type. Each group has 19 bits."""
    # Each group begins with a letter, so that a code never looks like a number.
    return "-".join(_new_group() for _ in range(groups))


def _new_group() -> str:
    return secrets.choice(_LETTERS) + "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP - 1))


def _approval(row: tuple[Any, ...], now: datetime) -> PendingApproval:
    code, tool, risk, question, asked_by, identity, asked_at, expires, *others = row
    decision, decided, decided_by, reason, spent, call, facts, conference_id = others
    return PendingApproval(
        code=code,
        tool=tool,
        risk=risk,
        question=question,
        asked_by=asked_by,
        identity=identity,
        asked_at=moment_of(asked_at),
        expires_at=moment_of(expires),
        state=_state(decision, moment_of(decided or asked_at), moment_of(expires), spent, now),
        answer=State(decision) if decision else None,
        decided_at=None if decided is None else moment_of(decided),
        decided_by=decided_by,
        reason=reason,
        call=call,
        facts=json.loads(facts),
        conference_id=conference_id,
    )


def _state(decision: str | None, starts: datetime, ends: datetime, spent: int | None, now: datetime) -> State:
    if spent is not None:
        return State.SPENT
    # A clock set back must not extend an approval: it does not hold before its start either.
    if not starts <= now < ends:
        return State.EXPIRED
    return State(decision) if decision else State.PENDING
