"""The board and its approval cards over MCP: three tools and a page (extension `io.modelcontextprotocol/ui`)."""

import secrets
from collections.abc import Callable
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.apps import APP_MIME_TYPE, client_supports_apps

from ...tools.base import Tool
from ...tools.board import SWITCHBOARD, DecideApproval, ShowApproval, ShowSwitchboard
from ...tools.text import clean
from ..auth.random_secrets import hashed
from ..board.board import Board
from ..board.page import html
from ..board.table import summary, table
from ..board.view import approval_view
from ..database import StoreError
from ..errors import CallRefused
from ..guard import Guard, Policy
from ..guard.ledger import Decision, NoSuchApproval, PendingApproval
from .elicitation import can_be_asked
from .event_resources import ResourceKind, ResourceReader, UriVariables
from .sessions import caller_of

Context = ServerRequestContext[Any, Any]

BOARD = ShowSwitchboard.toolset()
PENDING = "telnyx-conferencing/pending"
"""Key in a refusal's `_meta` for the code of a pending approval."""
FOR_PERSON = "telnyx-conferencing/for-person"
"""Key in an error's `_meta` for its text to a person who pressed a button: the text of an error is for a model."""
CARD = "telnyx-conferencing/card"
"""Key in a result's `_meta` for a card's secret: a host gives it to the page, not to the model."""
BY = "approval card"
"""Who decided, for the audit."""
_MAX_RECORDS = 500
_MAX_CODE_LENGTH = 40
_CARD_EXPIRED = (
    "This card is not valid or has expired: nothing was decided. show_approval shows a new one while the approval is "
    "pending."
)


def uri(page: str) -> str:
    """The URI of a page."""
    return f"ui://telnyx-conferencing/{page}.html"


def meta_of(tool: type[Tool]) -> dict[str, Any] | None:
    """A tool's `_meta`: the page that a host shows with its result."""
    if tool.page is None:
        return None
    ui: dict[str, Any] = {"resourceUri": uri(tool.page)}
    return {"ui": ui | ({"visibility": ["app"]} if tool.page_only else {})}


def has_cards(context: Context, policy: Policy) -> bool:
    """Whether approvals are answered on cards: the host renders pages, has no elicitation, and the policy lets the
    caller's own user approve."""
    can_ask = can_be_asked(context.session.client_capabilities)
    return client_supports_apps(context) and not can_ask and not policy.by_another


def page_template() -> ResourceKind:
    """The board's page as a resource."""

    async def read(reader: ResourceReader, variables: UriVariables) -> str:
        return html()

    about = "Conferences, participants, queues, latest events and pending approvals; for hosts that render pages."
    meta = {"ui": {"prefersBorder": True}}
    return ResourceKind(uri(SWITCHBOARD), SWITCHBOARD, "Switchboard", about, APP_MIME_TYPE, read, {}, meta)


class BoardTools:
    """Answers the tools of the toolset `board`."""

    def __init__(self, board: Board, guard: Guard, page: Callable[[], str | None]) -> None:
        """`page` returns the address of the operator page, if there is one."""
        self._board = board
        self._guard = guard
        self._page = page

    async def answer(self, tool: Tool, context: Context) -> dict[str, Any]:
        """The result of a tool. Raises `CallRefused`."""
        try:
            match tool:
                case ShowSwitchboard():
                    return await self._switchboard(context)
                case ShowApproval():
                    return await self._approval(tool, context)
                case DecideApproval():
                    return await self._decide(tool, context)
                case _:
                    raise TypeError(f"{tool.tool_name()} is not a tool of the board")
        except StoreError as problem:
            raise CallRefused(f"The board cannot be read now: {problem}") from None
        except NoSuchApproval as problem:
            raise CallRefused(clean(str(problem), 500)) from None

    async def _switchboard(self, context: Context) -> dict[str, Any]:
        await self._board.refresh()
        policy = self._guard.policy(caller_of(context))
        view, now = await self._board.read(policy, await self._codes(context)), self._board.now()
        headline, text_table = summary(view), table(view, now)
        if (page := self._page()) is not None:
            view["page"] = page
            text_table = f"{text_table}\n\nOperator page: {page}".strip()
        cards = has_cards(context, policy)
        # A code is for a person: only the refusal and a card's button contain it.
        approvals = [approval if cards else {**approval, "code": ""} for approval in view["approvals"]]
        page_data = {"board": {"now": now, "cards": cards, **view, "approvals": approvals}}
        content = page_data if client_supports_apps(context) else {"table": text_table}
        return _result(f"{headline}\n\n{text_table}".strip(), {"summary": headline, **content})

    async def _codes(self, context: Context) -> frozenset[str]:
        """The codes of this conversation's own pending approvals."""
        await self._guard.audit_writer.flush()
        records = await self._guard.ledger.newest(_MAX_RECORDS, caller_of(context).session)
        approvals = (record.entry.get("asked", {}) for record in records)
        return frozenset(code for fields in approvals if isinstance(code := fields.get("code"), str))

    async def _approval(self, tool: ShowApproval, context: Context) -> dict[str, Any]:
        if not has_cards(context, self._guard.policy(caller_of(context))):
            raise CallRefused(
                "No card can be shown here: cards need a host that renders pages and has no elicitation, and a policy "
                "that lets the same person ask and approve. Tell the person to answer as the refusal describes."
            )
        pending = await self._own_pending(tool.approval, context)
        secret = secrets.token_hex(32)  # hex, in which the number mask finds no phone number
        await self._guard.ledger.add_card(pending.code, caller_of(context).session, hashed(secret).hex())
        approval = {"now": self._board.now(), **approval_view(pending)}
        text = (
            f"The card for {pending.code} is shown to the person: {approval['question']} Wait for their answer. "
            "If they see no card, they answer as the refusal says."
        )
        return _result(text, {"summary": text, "approval": approval}) | {
            "_meta": {CARD: {"approval": pending.code, "secret": secret}}
        }

    async def _own_pending(self, code: str, context: Context) -> PendingApproval:
        """A pending approval of this conversation. Raises `NoSuchApproval`."""
        pending = await self._guard.ledger.waiting(clean(code, _MAX_CODE_LENGTH))
        if pending.code not in await self._codes(context):
            raise NoSuchApproval(f"There is no pending approval {pending.code} in this conversation.")
        return pending

    async def _decide(self, tool: DecideApproval, context: Context) -> dict[str, Any]:
        session = caller_of(context).session
        if self._guard.policy(caller_of(context)).by_another:
            raise CallRefused(_CARD_EXPIRED)
        decided = await self._guard.ledger.decide_by_card(
            clean(tool.approval, _MAX_CODE_LENGTH), session, hashed(tool.secret).hex(), Decision(tool.yes, BY)
        )
        if decided is None:
            raise CallRefused(_CARD_EXPIRED)
        text = f"A person {'approved' if tool.yes else 'rejected'} {decided.code}."
        return _result(text, {"summary": text})


def _result(text: str, structured: dict[str, Any]) -> dict[str, Any]:
    return {
        "resultType": "complete",
        "content": [{"type": "text", "text": text}],
        "structuredContent": structured,
    }
