"""Asks a person through MCP elicitation, at both protocol versions."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least

from ...tools.text import clean
from ..guard import ApprovalAnswer, ApprovalOutcome, Question
from ..guard.ledger import PendingApproval
from ..lifecycle import Shutdown

logger = logging.getLogger(__name__)

_RETURNS_QUESTIONS = "2026-07-28"
"""From this protocol version on, a question is returned and the call repeated; before, it is sent during the call."""
_FASTEST_PERSON_S = 0.7
"""No person reads a question and declines it faster: a host did."""
_SLOWEST_HOST_S = 3.0
"""A host that declines without a person does so faster, on a busy machine too; a person at a terminal is slower."""
_DECLINES_BY_ITSELF = ("codex", "copilot")
"""How the names of hosts begin, or are found in them, that decline without asking anyone when run by a script."""
_SHOWS_DIALOGS = ("claude-code", "codex-mcp-client")
"""Names of hosts that do not count the time of a dialog into that of the call."""
_DIALOG_TIMEOUT_S = 300.0
"""How long a host that is known to show dialogs is waited for."""
DEFAULT_TIMEOUT_S = 45.0
"""Shorter than the 60 s after which many hosts give a call up."""

_KEY = "approval"
_PAGE_KEY = "operator_page"
_MAX_REASON_LENGTH = 300
_APPROVE, _REJECT = "approve", "reject"

AnswerListener = Callable[[ApprovalAnswer], Awaitable[None]]

_late_answers: set[asyncio.Task[None]] = set()
"""Keeps tasks alive that wait for an answer after their call has ended."""


@cache
def _form() -> dict[str, Any]:
    """The form: one required choice, so that choosing and Enter are enough. Its words are in `prompts/questions`.

    The harmless choice is first: some hosts preselect the first one, and a person who types a message when the question
    appears would approve with its Enter.
    """
    from ...prompts.questions import form  # noqa: PLC0415 (a template engine, for calls that ask)

    return {
        "type": "object",
        "properties": {"decision": {"type": "string", "enum": [_REJECT, _APPROVE], **form().decision.model_dump()}},
        "required": ["decision"],
    }


def can_be_asked(capabilities: ClientCapabilities | None) -> bool:
    """Whether a client with these capabilities shows forms to a person."""
    elicitation = capabilities.elicitation if capabilities is not None else None
    # A bare `elicitation: {}` declares form mode, from before there were other modes.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def opens_pages(capabilities: ClientCapabilities | None) -> bool:
    """Whether a client with these capabilities opens pages for a person."""
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and elicitation.url is not None


class QuestionPending(Exception):
    """The call ends here with a question; the client repeats it with the answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        self.result = result


class Elicitation:
    """Asks a person on behalf of one tool call."""

    def __init__(
        self,
        context: ServerRequestContext[Any, Any],
        call: CallToolRequestParams,
        call_id: str,
        *,
        timeout_s: float | None,
        shutdown: Shutdown,
        page: str | None = None,
    ) -> None:
        """`call_id` identifies the call, and so the answer to its question.

        `timeout_s`: how long an answer is awaited at 2025-11-25; None: as long as suits the host. A shutdown ends it.
        `page`: the address of the running operator page, offered to clients that open pages and show no forms.
        """
        self._context = context
        self._call_id = call_id
        self._call = call
        params = context.session.client_params
        self._host = params.client_info.name.lower() if params is not None else ""
        self._timeout_s = timeout_s or (_DIALOG_TIMEOUT_S if self._host in _SHOWS_DIALOGS else DEFAULT_TIMEOUT_S)
        self._shutdown = shutdown
        self._page = page
        self._offers_page = False
        self._unanswered: asyncio.Task[ElicitResult] | None = None

    async def ask(self, question: Question) -> ApprovalAnswer:
        if not can_be_asked(self._context.session.client_capabilities):
            self._offers_page = self._page is not None and opens_pages(self._context.session.client_capabilities)
            if self._offers_page:
                return ApprovalAnswer(ApprovalOutcome.NOBODY, _ON_PAGE, self._call_id)
            return ApprovalAnswer(ApprovalOutcome.NOBODY, _CANNOT_ASK, self._call_id)
        if self._returns_questions:
            return self._returned(question)
        return await self._sent(question.text)

    def _returned(self, question: Question) -> ApprovalAnswer:
        """The answer that came with the call, if it answers this very question.

        The client returns the state that this server sealed for this tool and these arguments. It proves which question
        was asked, when, and in which call, which identifies the answer: an answer is used once.
        """
        answer = (self._call.input_responses or {}).get(_KEY)
        digest, call_id, asked_at = ((self._call.request_state or "") + "::").split(":")[:3]
        if digest == question.digest and call_id and isinstance(answer, ElicitResult):
            taken_s = time.time() - float(asked_at) if asked_at else _FASTEST_PERSON_S
            return self._interpret(answer, call_id, taken_s)
        request = ElicitRequest(params=ElicitRequestFormParams(message=question.text, requested_schema=_form()))
        state = f"{question.digest}:{self._call_id}:{time.time():.3f}"
        raise QuestionPending(InputRequiredResult(input_requests={_KEY: request}, request_state=state))

    async def _sent(self, question: str) -> ApprovalAnswer:
        asked_at = time.monotonic()
        elicit = self._context.session.elicit_form(question, _form(), related_request_id=self._context.request_id)
        request = asyncio.ensure_future(elicit)
        try:
            with self._shutdown.cancel_scope(), anyio.move_on_after(self._timeout_s):
                answer = await asyncio.shield(request)
                return self._interpret(answer, self._call_id, time.monotonic() - asked_at)
        except (MCPError, ValueError):
            return ApprovalAnswer(ApprovalOutcome.NOBODY, _UNANSWERED, self._call_id)
        except BaseException:
            request.cancel()  # the client gave the call up
            raise
        self._unanswered = request
        return ApprovalAnswer(ApprovalOutcome.NOBODY, _UNANSWERED, self._call_id)

    @property
    def _returns_questions(self) -> bool:
        return is_version_at_least(self._context.protocol_version, _RETURNS_QUESTIONS)

    async def offer_page(self, pending: PendingApproval) -> None:
        """Offer the operator page for a pending question. The answer is given there: it does not come back here.

        May end the call instead; the client then repeats it.
        """
        if not self._offers_page or self._page is None or _PAGE_KEY in (self._call.input_responses or {}):
            return
        message = f"{pending.question} Answer it on the operator page, where it waits as {pending.code}."
        if self._returns_questions:
            request = ElicitRequest(params=ElicitRequestURLParams(message=message, url=self._page))
            raise QuestionPending(InputRequiredResult(input_requests={_PAGE_KEY: request}))
        session, request_id = self._context.session, self._context.request_id
        with suppress(MCPError), self._shutdown.cancel_scope(), anyio.move_on_after(self._timeout_s):
            await session.elicit_url(message, self._page, f"{self._call_id}-page", related_request_id=request_id)

    def on_late_answer(self, listener: AnswerListener) -> None:
        """Call `listener` if a person answers after the timeout."""
        if self._unanswered is None:
            return
        task = asyncio.create_task(self._wait_for_late_answer(self._unanswered, listener))
        _late_answers.add(task)
        task.add_done_callback(_late_answers.discard)

    async def _wait_for_late_answer(self, request: asyncio.Task[ElicitResult], listener: AnswerListener) -> None:
        try:
            with self._shutdown.cancel_scope():
                await listener(self._interpret(await request, self._call_id, self._timeout_s))
        except (MCPError, ValueError):
            pass  # the client closed the question, or is gone
        except Exception:
            logger.exception("A person's answer that came after its call had ended could not be stored")
        finally:
            request.cancel()

    def _interpret(self, answer: ElicitResult, call_id: str, taken_s: float) -> ApprovalAnswer:
        """What an answer means. Only an explicit choice in the form is a yes."""
        content = answer.content or {}
        if answer.action == "accept":
            outcome = _CHOICES.get(content.get("decision", content.get("approve")), ApprovalOutcome.NOBODY)
            reason = content.get("reason")
            reason = clean(reason, _MAX_REASON_LENGTH) if isinstance(reason, str) and reason else None
            return ApprovalAnswer(outcome, _UNANSWERED if outcome is ApprovalOutcome.NOBODY else reason, call_id)
        if answer.action == "cancel":
            return ApprovalAnswer(ApprovalOutcome.NOBODY, _UNANSWERED, call_id)
        declines_by_itself = any(name in self._host for name in _DECLINES_BY_ITSELF)
        if taken_s < (_SLOWEST_HOST_S if declines_by_itself else _FASTEST_PERSON_S):
            return ApprovalAnswer(ApprovalOutcome.NOBODY, _DECLINED_BY_HOST, call_id)
        return ApprovalAnswer(ApprovalOutcome.NO, None, call_id)


_CHOICES: dict[Any, ApprovalOutcome] = {
    _APPROVE: ApprovalOutcome.YES,
    True: ApprovalOutcome.YES,
    _REJECT: ApprovalOutcome.NO,
    False: ApprovalOutcome.NO,
}
"""Values of `decision`, and the flag that some hosts send."""
_CANNOT_ASK = "this client has not declared that it can put questions to a person (elicitation)"
_ON_PAGE = "this client shows no forms, and the person was offered the operator page"
_UNANSWERED = "the question was cancelled or not answered"
_DECLINED_BY_HOST = "the client declined by itself, without asking a person"
