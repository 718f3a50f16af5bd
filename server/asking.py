"""Questions to a person through MCP elicitation, in both protocol eras."""

import hashlib
from typing import Any

import anyio
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least

from .guard import Reply

_RETURNS_QUESTIONS = "2026-07-28"
"""From this protocol version on a question is returned and the call repeated; before, it is sent mid-call."""

_KEY = "approval"
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Approve", "description": "Yes: go ahead. No: do nothing."},
        "reason": {"type": "string", "title": "Reason", "description": "Optional."},
    },
    "required": ["approve"],
}


class QuestionPending(Exception):
    """The call ends here with a question; the client repeats it with the answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        self.result = result


class Elicitation:
    """One tool call's way to a person. Seconds without an answer count as nobody there."""

    def __init__(self, context: ServerRequestContext[Any, Any], call: CallToolRequestParams, patience: float) -> None:
        self._context = context
        self._call = call
        self._patience = patience

    @property
    def can_ask(self) -> bool:
        capabilities = self._context.session.client_capabilities
        elicitation = capabilities.elicitation if capabilities is not None else None
        # A bare `elicitation: {}` is how form questions were declared before there were other modes.
        return elicitation is not None and (elicitation.form is not None or elicitation.url is None)

    async def ask(self, question: str) -> Reply:
        if is_version_at_least(self._context.protocol_version, _RETURNS_QUESTIONS):
            return self._returned(question)
        return await self._sent(question)

    def _returned(self, question: str) -> Reply:
        """The answer that came with the call, if it answers this very question.

        The state comes back sealed by the server, bound to the tool and its arguments, so that it is this server's
        own word for which question was asked.
        """
        digest = hashlib.sha256(question.encode()).hexdigest()
        answer = (self._call.input_responses or {}).get(_KEY)
        if self._call.request_state == digest and isinstance(answer, ElicitResult):
            return _reply(answer)
        request = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=_FORM))
        raise QuestionPending(InputRequiredResult(input_requests={_KEY: request}, request_state=digest))

    async def _sent(self, question: str) -> Reply:
        with anyio.move_on_after(self._patience):
            try:
                answer = await self._context.session.elicit_form(
                    question, _FORM, related_request_id=self._context.request_id
                )
            except (MCPError, ValueError):
                return Reply.NOBODY
            return _reply(answer)
        return Reply.NOBODY


def _reply(answer: ElicitResult) -> Reply:
    """Only a plain yes in the form is a yes; a host that closes the question (`cancel`) has asked nobody."""
    if answer.action == "cancel":
        return Reply.NOBODY
    approved = (answer.content or {}).get("approve")
    if answer.action == "accept" and not isinstance(approved, bool):
        return Reply.NOBODY
    return Reply.YES if answer.action == "accept" and approved is True else Reply.NO
