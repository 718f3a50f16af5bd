"""Who said yes: a person is asked before what cannot be taken back, shown what it will touch."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ...tools.base import Command
from ..errors import CallRefused
from .call_record import CallRecord
from .ledger import ApprovalRequest, Ledger, PendingApproval, State
from .questions import Question

_MOST_ROUNDS = 3


class ApprovalOutcome(Enum):
    """What came back from a question."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """A reply, and what came with it."""

    reply: ApprovalOutcome
    reason: str | None
    """A person's, for the audit; for NOBODY, why nobody could be asked."""
    call: str
    """The call in which the question was put: it names this very answer, however often that is sent. Empty: none."""


class Approver(Protocol):
    """A way to put one yes-or-no question to a person."""

    async def ask(self, question: Question) -> ApprovalAnswer:
        """Put the question to the person. May end the call instead, to be repeated with the answer."""
        ...


class NoApprover:
    """Puts no question: it is left for a person elsewhere."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def ask(self, question: Question) -> ApprovalAnswer:
        return ApprovalAnswer(ApprovalOutcome.NOBODY, self._why, "")


class PersonDeclined(CallRefused):
    """A person said no: final for this call."""

    outcome = "declined"

    def __init__(self, command: Command) -> None:
        super().__init__(
            f"A person was asked and said no to {command.tool_name()}. Nothing was sent. "
            "Do not try it again or another way unless they ask for it."
        )


class ApprovalPending(CallRefused):
    """Nobody could be asked through the client: the question is left for a person."""

    outcome = "pending"

    @property
    def why(self) -> str:
        return "nobody could be asked through the client"

    def __init__(self, command: Command, left: PendingApproval, why: str, where_to_answer: str) -> None:
        super().__init__(
            f"{command.tool_name()} with these arguments is {command.current_risk()} and needs a person's yes, and "
            f"nobody could be asked here: {why}. Nothing was sent. The question waits as {left.code} until "
            f"{left.expires_at:%H:%M:%S} UTC: {left.question} Tell the person, who answers it outside this "
            f"conversation {where_to_answer}. Only they may. Then repeat exactly this call."
        )


class Approvals:
    """Obtains a person's yes: given before outside the conversation, or now through the client."""

    def __init__(self, ledger: Ledger, where_to_answer: Callable[[str], str]) -> None:
        """`where_to_answer` turns a question's code into a clause that says where a person answers it."""
        self._ledger = ledger
        self._where_to_answer = where_to_answer

    async def obtain(
        self, command: Command, compose: Callable[[Command], Awaitable[Question]], asker: Approver, record: CallRecord
    ) -> None:
        """Return once a person has said yes to what the command would do now; that yes is thereby spent.

        `compose` puts the question from live facts. A yes to a question whose facts have changed since does not count:
        the new question is asked. Raises `PersonDeclined`, `Pending`, `Refused`, or what `compose` raises.
        """
        question = await compose(command)
        for _ in range(_MOST_ROUNDS):
            asked = _asked(command, question, record)
            if await self._said_before(command, asked, question, record):
                return
            answer = await asker.ask(question)
            by = "" if answer.reply is ApprovalOutcome.NOBODY else "elicitation"
            record.call = answer.call or record.call
            _note(record, question, by, answer.reply.value, answer.reason)
            if answer.reply is ApprovalOutcome.NO:
                await self._use_up(command, asked, answer)
                raise PersonDeclined(command)
            if answer.reply is ApprovalOutcome.NOBODY:
                await self._leave(command, asked, answer.reason or "", record)
            approved, question = question, await compose(command)
            if question.digest == approved.digest:
                await self._use_up(command, asked, answer)
                return
        raise CallRefused(
            f"What {command.tool_name()} would touch changed each time while a person was being asked. Nothing was "
            "sent. Look at the state again, then decide."
        )

    async def _said_before(
        self, command: Command, asked: ApprovalRequest, question: Question, record: CallRecord
    ) -> bool:
        found = await self._ledger.take(asked)
        if found is None or found.state is State.PENDING:
            return False
        answer = ApprovalOutcome.NO if found.state is State.REJECTED else ApprovalOutcome.YES
        _note(record, question, found.decided_by or "", answer.value, found.reason, found.code)
        if answer is ApprovalOutcome.NO:
            raise PersonDeclined(command)
        return True

    async def _leave(self, command: Command, asked: ApprovalRequest, why: str, record: CallRecord) -> None:
        left = await self._ledger.add_pending(asked)
        record.asked["code"] = left.code
        raise ApprovalPending(command, left, why, self._where_to_answer(left.code))

    async def _use_up(self, command: Command, asked: ApprovalRequest, answer: ApprovalAnswer) -> None:
        """An answer counts once, whichever it was: sent again, it is no answer to anything."""
        if not await self._ledger.use_answer(asked, answer.call, yes=answer.reply is ApprovalOutcome.YES):
            raise CallRefused(
                f"That answer of the person to {command.tool_name()} was used already: it held for one call. Nothing "
                "was sent. Call the tool anew if it is wanted once more, so that they are asked."
            )


def _asked(command: Command, question: Question, record: CallRecord) -> ApprovalRequest:
    given = command.model_dump(mode="json", exclude_none=True)
    bound = [command.tool_name(), given, question.digest, record.caller.identity]
    return ApprovalRequest(
        binding=hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest(),
        tool=command.tool_name(),
        risk=str(command.current_risk()),
        question=question.text,
        asked_by=record.caller.client,
        identity=record.caller.identity,
    )


def _note(  # noqa: PLR0917 (one argument a fact)
    record: CallRecord, question: Question, by: str, answer: str, reason: str | None, code: str | None = None
) -> None:
    words = question.text if record.keep_content else question.discreet
    told = {"question": words, "by": by, "answer": answer, "reason": reason, "code": code}
    record.asked = {name: value for name, value in told.items() if value}
