"""Obtains a person's approval before a risky command: now through the client, or earlier outside the conversation."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from ...tools.base import Risk, Tool
from ..errors import CallRefused
from .call_record import ApprovalRecord, CallRecord
from .changes import changes
from .ledger import MAX_QUESTION_LENGTH, ApprovalRequest, Grant, GrantUse, Ledger, PendingApproval, State
from .questions import Question

_MAX_ROUNDS = 3
_UNBOUND = frozenset({"command_id"})
"""Arguments that change nothing about the effect: calls that differ only in them share one question."""


class ApprovalOutcome(Enum):
    """The result of asking a person."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"
    """Nobody answered, or nobody could be asked."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """A person's answer."""

    reply: ApprovalOutcome
    reason: str | None
    """The person's reason, for the audit; for NOBODY, why nobody could be asked."""
    call: str
    """Identifies the answer, so that it counts once: the call in which the question was asked. May be empty."""
    by: str = "elicitation"
    """Who gave it, for the audit."""


class Approver(Protocol):
    """A way to ask a person one yes-or-no question."""

    async def ask(self, question: Question) -> ApprovalAnswer:
        """Ask the person. May end the call instead; the client then repeats it with the answer."""
        ...


class NoApprover:
    """Asks nobody: the question is stored for a person elsewhere."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def ask(self, question: Question) -> ApprovalAnswer:
        return ApprovalAnswer(ApprovalOutcome.NOBODY, self._reason, "")


class ApprovedByCaller:
    """Asks nobody: the call itself is the decision of a person who may approve."""

    def __init__(self, person: str, call: str) -> None:
        self._answer = ApprovalAnswer(ApprovalOutcome.YES, None, call, person)

    async def ask(self, question: Question) -> ApprovalAnswer:
        return self._answer


class PersonDeclined(CallRefused):
    """A person declined this call."""

    outcome = "declined"

    def __init__(self, command: Tool, because: str = "") -> None:
        """`because`: why they were asked, if it is a rule that they did not override."""
        super().__init__(
            f"A person was asked and said no to {command.tool_name()}. Nothing was sent. "
            f"{because}Do not try it again or another way unless they ask for it.",
            "Nothing was done: a person rejected this.",
        )


class ApprovalPending(CallRefused):
    """Nobody could be asked through the client: the question is stored for a person."""

    outcome = "pending"

    @property
    def why(self) -> str:
        return "nobody could be asked through the client"

    def __init__(self, command: Tool, pending: PendingApproval, reason: str, where_to_answer: str) -> None:
        self.pending = pending
        super().__init__(
            f"{command.tool_name()} with these arguments is {pending.risk} and needs a person's yes, and nobody could "
            f"be asked here: {reason}. Nothing was sent. The question waits as {pending.code} until "
            f"{pending.expires_at:%H:%M:%S} UTC: {pending.question} Tell the person, who answers it outside this "
            f"conversation {where_to_answer}. Only they may. Then repeat exactly this call."
        )


class Approvals:
    """Obtains approvals, and uses each one up."""

    def __init__(self, ledger: Ledger, where_to_answer: Callable[[str], str]) -> None:
        """`where_to_answer` turns a question's code into a clause that says where a person answers it."""
        self._ledger = ledger
        self._where_to_answer = where_to_answer

    async def obtain(
        self,
        command: Tool,
        compose: Callable[[], Awaitable[tuple[Question, Risk]]],
        approver: Approver,
        record: CallRecord,
        grant_use: Callable[[], Awaitable[GrantUse | None]] | None = None,
    ) -> tuple[ApprovalRecord, datetime]:
        """Have a person approve what the command would do now, and use that approval up.

        Returns the approval as it is recorded, and when they gave it.

        `compose` makes the question from live facts. An approval of a question whose facts have changed since does not
        count: the new question is asked. `grant_use` returns the use of a grant that the call would be, or None if no
        grant may cover it. Raises `PersonDeclined`, `ApprovalPending`, `CallRefused`, or what `compose` raises.
        """
        question, risk = await compose()
        for _ in range(_MAX_ROUNDS):
            request = _request(command, question, risk, record)
            use = await grant_use() if grant_use is not None else None
            if (approved := await self._earlier_approval(command, request, question, record, use)) is not None:
                return approved
            if (outdated := await self._ledger.outdated(request)) is not None:
                changed = changes(outdated.facts, question.facts)
                question = question.replacing(outdated.code, changed)
                request = _request(command, question, risk, record)
            answer, approval = await self._ask(command, request, question, approver, record)
            digest = question.digest
            question, risk = await compose()
            if question.digest == digest:
                await self._use_up(command, request, answer)
                return approval, self._ledger.now()
        raise CallRefused(
            f"What {command.tool_name()} would touch changed each time while a person was being asked. Nothing was "
            "sent. Look at the state again, then decide."
        )

    async def _ask(
        self,
        command: Tool,
        request: ApprovalRequest,
        question: Question,
        approver: Approver,
        record: CallRecord,
    ) -> tuple[ApprovalAnswer, ApprovalRecord]:
        """Ask a person. Returns their yes. Raises `PersonDeclined`, and `ApprovalPending` if nobody answers."""
        answer = await approver.ask(question)
        by = "" if answer.reply is ApprovalOutcome.NOBODY else answer.by
        record.call = answer.call or record.call
        approval = _record(record, question, by, answer.reply, answer.reason)
        if answer.reply is ApprovalOutcome.NO:
            await self._use_up(command, request, answer)
            raise PersonDeclined(command)
        if answer.reply is ApprovalOutcome.NOBODY:
            pending = await self._ledger.add_pending(request)
            approval.code = pending.code
            raise ApprovalPending(command, pending, answer.reason or "", self._where_to_answer(pending.code))
        return answer, approval

    async def _earlier_approval(
        self,
        command: Tool,
        request: ApprovalRequest,
        question: Question,
        record: CallRecord,
        use: GrantUse | None,
    ) -> tuple[ApprovalRecord, datetime] | None:
        """The approval that a person gave outside the conversation, or by a grant. Raises `PersonDeclined`."""
        decided = await self._ledger.take(request, use)
        if isinstance(decided, Grant):
            approval = _record(record, question, decided.granted_by, ApprovalOutcome.YES)
            approval.grant = decided.code
            return approval, decided.granted_at
        if decided is None or decided.state is State.PENDING:
            return None
        answer = ApprovalOutcome.NO if decided.state is State.REJECTED else ApprovalOutcome.YES
        approval = _record(record, question, decided.decided_by or "", answer, decided.reason)
        approval.code = decided.code
        if answer is ApprovalOutcome.NO:
            raise PersonDeclined(command)
        return approval, decided.decided_at or self._ledger.now()

    async def _use_up(self, command: Tool, request: ApprovalRequest, answer: ApprovalAnswer) -> None:
        """An answer counts once, whether it was yes or no."""
        if not await self._ledger.use_answer(request, answer.call, yes=answer.reply is ApprovalOutcome.YES):
            raise CallRefused(
                f"The person's answer to {command.tool_name()} was used already: it holds for one call. Nothing was "
                "sent. If it is still needed, call the tool again, so that the person is asked."
            )


def _request(command: Tool, question: Question, risk: Risk, record: CallRecord) -> ApprovalRequest:
    """Raises `CallRefused` if the question is longer than a person is shown."""
    if len(question.text) > MAX_QUESTION_LENGTH:
        raise CallRefused(
            f"{command.tool_name()} needs a person's yes, and the question would have {len(question.text)} characters. "
            f"A person is asked at most {MAX_QUESTION_LENGTH}: give fewer or shorter values. Nothing was sent."
        )
    arguments = command.model_dump(mode="json", exclude_none=True, exclude=set(_UNBOUND))
    call = [command.tool_name(), arguments, record.caller.identity]
    return ApprovalRequest(
        call=_hash(call),
        binding=_hash([*call, question.digest]),
        facts=json.dumps(question.facts),
        tool=command.tool_name(),
        risk=str(risk),
        question=question.text,
        asked_by=record.caller.client,
        identity=record.caller.identity,
        conference_id=question.conference_id,
    )


def _hash(value: list[Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _record(
    record: CallRecord, question: Question, by: str, answer: ApprovalOutcome, reason: str | None = None
) -> ApprovalRecord:
    """Record the question and its answer in the record of the call."""
    text = question.text if record.keep_content else question.record_text
    record.approval = ApprovalRecord(text, by, answer.value, reason)
    return record.approval
