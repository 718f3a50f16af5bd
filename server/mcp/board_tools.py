"""The board and its cards over MCP: three tools and a page (extension `io.modelcontextprotocol/ui`)."""

import secrets
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.apps import APP_MIME_TYPE, client_supports_apps

from ...tools.base import Tool
from ...tools.board import SWITCHBOARD, DecideApproval, ShowApproval, ShowSwitchboard
from ...tools.words import clean
from ..auth.random_secrets import hashed
from ..board.board import Board
from ..board.page import html
from ..board.table import summary, table
from ..board.view import approval as shown_approval
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
"""Where in a refusal's `_meta` the code of a question stands that was left for a person."""
CARD = "telnyx-conferencing/card"
"""Where in a result's `_meta` a card's secret travels: a host hands it to the page, and not to the model."""
BY = "approval card"
"""How the audit names who decided on one."""
_MOST_RECORDS = 500
_LONGEST_CODE = 40
_OVER = "This card is not valid, or no longer: nothing was decided. show_approval shows a new one while it waits."


def uri(page: str) -> str:
    """Where a host finds a page."""
    return f"ui://telnyx-conferencing/{page}.html"


def meta_of(tool: type[Tool]) -> dict[str, Any] | None:
    """What a host is told of the page of a tool, in the tool's `_meta`."""
    if tool.page is None:
        return None
    ui: dict[str, Any] = {"resourceUri": uri(tool.page)}
    return {"ui": ui | ({"visibility": ["app"]} if tool.for_page_alone else {})}


def has_cards(context: Context, policy: Policy) -> bool:
    """Whether a person answers by cards here: the host renders pages and cannot be asked to put a question, and whoever
    asks may also be the one who answers."""
    can_ask = can_be_asked(context.session.client_capabilities)
    return client_supports_apps(context) and not can_ask and not policy.by_another


def page_template() -> ResourceKind:
    """The page as a resource."""

    async def read(reader: ResourceReader, given: UriVariables) -> str:
        return html()

    about = "Rooms, people, queues, last events, and what waits for a yes; for hosts that render pages."
    meta = {"ui": {"prefersBorder": True}}
    return ResourceKind(uri(SWITCHBOARD), SWITCHBOARD, "Switchboard", about, APP_MIME_TYPE, read, {}, meta)


class BoardTools:
    """Answers the tools of the board."""

    def __init__(self, board: Board, guard: Guard) -> None:
        self._board = board
        self._guard = guard

    async def answer(self, tool: Tool, context: Context) -> dict[str, Any]:
        """The result of a tool of the toolset `board`. Raises `Refused`."""
        try:
            match tool:
                case ShowSwitchboard():
                    return await self._switchboard(context)
                case ShowApproval():
                    return await self._approval(tool, context)
                case DecideApproval():
                    return await self._decide(tool, context)
                case _:
                    raise TypeError(f"{tool.tool_name()} is no tool of the board")
        except StoreError as problem:
            raise CallRefused(f"The board cannot be read now: {problem}") from None
        except NoSuchApproval as why:
            raise CallRefused(clean(str(why), 500)) from None

    async def _switchboard(self, context: Context) -> dict[str, Any]:
        await self._board.ask()
        policy = self._guard.policy(caller_of(context))
        seen, now = await self._board.look(policy, await self._codes(context)), self._board.now()
        said, drawn = summary(seen), table(seen, now)
        cards = has_cards(context, policy)
        # A code is for a person: the refusal names it once, and only a card's button needs it again.
        asked = [one if cards else {**one, "code": ""} for one in seen["approvals"]]
        shown = {"board": {"now": now, "cards": cards, **seen, "approvals": asked}}
        told = shown if client_supports_apps(context) else {"table": drawn}
        return _result(f"{said}\n\n{drawn}".strip(), {"summary": said, **told})

    async def _codes(self, context: Context) -> frozenset[str]:
        """The codes of the questions that this conversation has left: nobody else's are told."""
        await self._guard.recorder.flush()
        records = await self._guard.ledger.newest(_MOST_RECORDS, caller_of(context).session)
        asked = (record.entry.get("asked", {}) for record in records)
        return frozenset(code for one in asked if isinstance(code := one.get("code"), str))

    async def _approval(self, tool: ShowApproval, context: Context) -> dict[str, Any]:
        if not has_cards(context, self._guard.policy(caller_of(context))):
            raise CallRefused(
                "No card can be shown here: it needs a host that renders pages and cannot put questions, and a policy "
                "by which whoever asks may answer. The person answers as the refusal said."
            )
        waiting = await self._own(tool.approval, context)
        secret = secrets.token_hex(32)  # hex: a mask of numbers finds none in it
        await self._guard.ledger.hand_out_card(waiting.code, caller_of(context).session, hashed(secret).hex())
        about = {"now": self._board.now(), **shown_approval(waiting)}
        said = f"A card for {waiting.code} is before the person: {about['question']} Wait for their answer."
        return _result(said, {"summary": said, "approval": about}) | {
            "_meta": {CARD: {"approval": waiting.code, "secret": secret}}
        }

    async def _own(self, code: str, context: Context) -> PendingApproval:
        """A question that waits and that this conversation has left. Raises `NoSuchApproval`."""
        waiting = await self._guard.ledger.waiting(clean(code, _LONGEST_CODE))
        if waiting.code not in await self._codes(context):
            raise NoSuchApproval(f"There is no question {waiting.code} of this conversation.")
        return waiting

    async def _decide(self, tool: DecideApproval, context: Context) -> dict[str, Any]:
        session = caller_of(context).session
        decided = await self._guard.ledger.decide_by_card(
            clean(tool.approval, _LONGEST_CODE), session, hashed(tool.secret).hex(), Decision(tool.yes, BY)
        )
        if decided is None:
            raise CallRefused(_OVER)
        said = f"A person {'approved' if tool.yes else 'rejected'} {decided.code}."
        return _result(said, {"summary": said})


def _result(text: str, structured: dict[str, Any]) -> dict[str, Any]:
    return {
        "resultType": "complete",
        "content": [{"type": "text", "text": text}],
        "structuredContent": structured,
    }
