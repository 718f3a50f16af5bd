"""Questions to a person through MCP elicitation, in both protocol eras."""

from functools import cache
from typing import Any

import anyio
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ClientCapabilities,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least

from ...tools.text import clean
from ..guard import ApprovalAnswer, ApprovalOutcome, Question
from ..lifecycle import Shutdown

_RETURNS_QUESTIONS = "2026-07-28"
"""From this protocol version on a question is returned and the call repeated; before, it is sent mid-call."""

_KEY = "approval"
_LONGEST_REASON = 300


@cache
def _form() -> dict[str, Any]:
    """The form in which a person answers; its words stand in `prompts/questions`."""
    from ...prompts.questions import form  # noqa: PLC0415 (a template engine, for whoever is asked)

    words = form()
    return {
        "type": "object",
        "properties": {
            "approve": {"type": "boolean", **words.approve.model_dump()},
            "reason": {"type": "string", **words.reason.model_dump()},
        },
        "required": ["approve"],
    }


def can_be_asked(capabilities: ClientCapabilities | None) -> bool:
    """Whether a client with these capabilities puts questions to a person."""
    elicitation = capabilities.elicitation if capabilities is not None else None
    # A bare `elicitation: {}` is how form questions were declared before there were other modes.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


class QuestionPending(Exception):
    """The call ends here with a question; the client repeats it with the answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        self.result = result


class Elicitation:
    """Asks a person on behalf of one tool call. No answer within the timeout means that nobody could be asked."""

    def __init__(
        self,
        context: ServerRequestContext[Any, Any],
        call: CallToolRequestParams,
        call_id: str,
        *,
        timeout_s: float,
        shutdown: Shutdown,
    ) -> None:
        """`call_id` identifies the call, and so the answer to its question. A shutdown ends the wait."""
        self._context = context
        self._call_id = call_id
        self._call = call
        self._timeout_s = timeout_s
        self._shutdown = shutdown

    async def ask(self, question: Question) -> ApprovalAnswer:
        if not can_be_asked(self._context.session.client_capabilities):
            return ApprovalAnswer(ApprovalOutcome.NOBODY, _CANNOT_ASK, self._call_id)
        if is_version_at_least(self._context.protocol_version, _RETURNS_QUESTIONS):
            return self._returned(question)
        return await self._sent(question.text)

    def _returned(self, question: Question) -> ApprovalAnswer:
        """The answer that came with the call, if it answers this very question.

        The state comes back sealed by the server, bound to the tool and its arguments, so that it is this server's
        own word for which question was asked, and in which call: that names the answer, which is used once.
        """
        answer = (self._call.input_responses or {}).get(_KEY)
        asked, _, name = (self._call.request_state or "").partition(":")
        if asked == question.digest and name and isinstance(answer, ElicitResult):
            return _answer(answer, name)
        request = ElicitRequest(params=ElicitRequestFormParams(message=question.text, requested_schema=_form()))
        state = f"{question.digest}:{self._call_id}"
        raise QuestionPending(InputRequiredResult(input_requests={_KEY: request}, request_state=state))

    async def _sent(self, question: str) -> ApprovalAnswer:
        with self._shutdown.cancel_scope(), anyio.move_on_after(self._timeout_s):
            try:
                answer = await self._context.session.elicit_form(
                    question, _form(), related_request_id=self._context.request_id
                )
            except (MCPError, ValueError):
                return ApprovalAnswer(ApprovalOutcome.NOBODY, _UNANSWERED, self._call_id)
            return _answer(answer, self._call_id)
        return ApprovalAnswer(ApprovalOutcome.NOBODY, _UNANSWERED, self._call_id)


_CANNOT_ASK = "this client has not declared that it can put questions to a person (elicitation)"
_UNANSWERED = "the question was cancelled or not answered"


def _answer(answer: ElicitResult, name: str) -> ApprovalAnswer:
    reply = _reply(answer)
    if reply is ApprovalOutcome.NOBODY:
        return ApprovalAnswer(reply, _UNANSWERED, name)
    reason = (answer.content or {}).get("reason")
    return ApprovalAnswer(reply, clean(reason, _LONGEST_REASON) if isinstance(reason, str) and reason else None, name)


def _reply(answer: ElicitResult) -> ApprovalOutcome:
    """Only a plain yes in the form is a yes; a host that closes the question (`cancel`) has asked nobody."""
    if answer.action == "cancel":
        return ApprovalOutcome.NOBODY
    approved = (answer.content or {}).get("approve")
    if answer.action == "accept" and not isinstance(approved, bool):
        return ApprovalOutcome.NOBODY
    return ApprovalOutcome.YES if answer.action == "accept" and approved is True else ApprovalOutcome.NO
