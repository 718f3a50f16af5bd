"""A tool call, from the model to Telnyx and back: parse, policy, approval, send, result."""

import logging
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, RequestId
from pydantic_core import to_jsonable_python

from ...tools.account import Whoami
from ...tools.base import Command, Tool
from ...tools.pagination import all_participants
from ...tools.participants import ParticipantFilter
from ...tools.words import say
from ..compact_json import compact_json
from ..errors import CallFailed, CallRefused, LookupFailed
from ..events.service import EventService
from ..guard import ApprovalPending, Caller, CallRecord, Guard, Policy
from ..observability.logs import log_call
from ..shutdown import Shutdown
from ..telnyx import TelnyxClient, TelnyxRefused, known_instead
from ..tracing import span
from .board_tools import BOARD, PENDING, BoardTools, has_cards
from .call_context import CallContext, McpCallContext
from .default_arguments import DefaultArguments
from .elicitation import QuestionPending
from .tool_definitions import Catalog
from .validation import parse
from .whoami import WhoamiReport

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
Ended = Callable[[CallRecord, RequestId | None], None]

_RECENT = timedelta(hours=5)
"""Where nothing else tells where a conversation begins, a command that is older is of an earlier one."""


class Dispatcher:
    """Carries out tool calls for one server."""

    def __init__(
        self,
        catalog: Catalog,
        guard: Guard,
        telnyx: TelnyxClient,
        events: EventService,
        *,
        defaults: DefaultArguments,
        where: WhoamiReport,
        boarding: BoardTools,
        leaving: Shutdown | None = None,
    ) -> None:
        self._catalog = catalog
        self._defaults = defaults
        self._where = where
        self._boarding = boarding
        self._guard = guard
        self._telnyx = telnyx
        self._events = events
        self._leaving = leaving or Shutdown()
        self._ended: list[Ended] = [log_call]

    def on_ended(self, told: Ended) -> None:
        """Be told of every call that has ended, and of the id of its request."""
        self._ended.append(told)

    async def handle(self, context: Context, call: CallToolRequestParams) -> Any:
        """Answer `tools/call`. What goes wrong is a tool error that the model can read, never a stack trace."""
        return await self.answer(call, McpCallContext(context, call, self._leaving))

    async def answer(self, call: CallToolRequestParams, way: CallContext) -> Any:
        """Answer a call that came by this way. Raises `MCPError` for a tool that there is not."""
        tool_class = self._find(call.name)
        journal = self._guard.journal(way.caller, tool_class, call.arguments or {})
        try:
            policy = self._guard.policy(journal.caller)
            _exists(tool_class, policy)
            journal.parsed = tool = self._defaults.fill(parse(tool_class, call.arguments or {}))
            result = await self._answer(tool, way, journal, policy)
            journal.ended("dry run" if self._guard.dry_run and not tool.is_read() else "done")
            return result
        except QuestionPending as pending:
            journal.ended("asks")
            return pending.result
        except MCPError as unknown:
            journal.ended("refused", unknown.message)
            raise
        except CallFailed as failed:
            journal.ended(failed.outcome, failed.why)
            policy = self._guard.policy(journal.caller)
            return _failed(failed, journal, cards=way.context is not None and has_cards(way.context, policy))
        except Exception:
            journal.ended("failed", "a fault of this server")
            logger.exception("%s failed unexpectedly", call.name)
            return _error(f"{call.name} failed inside this server, which is a fault of its own. {_LOOK_AGAIN}")
        finally:
            journal.close()
            self._guard.recorder.add(journal.entry)
            for told in self._ended:
                told(journal, way.request_id)

    def _find(self, name: str) -> type[Tool]:
        tool = self._catalog.get(name)
        if tool is not None:
            return tool
        near = self._catalog.nearest(name)
        raise _unknown(name, f". Did you mean {', '.join(near)}?" if near else "")

    async def _answer(self, tool: Tool, way: CallContext, journal: CallRecord, policy: Policy) -> Any:
        """`policy`: the one that held when the call came."""
        if tool.is_read():
            await self._guard.gate.admit_read(tool, policy, journal)
        if not isinstance(tool, Command):
            return await self._answer_here(tool, way)
        if tool.is_read():
            return await self._carry_out(tool, journal, policy)
        with _looking_into(tool):
            command = await self._expanded(tool)
            if self._guard.dry_run:
                return _would(command, await self._guard.gate.dry_run(tool, command, policy, self._read))
            asker = way.asker(journal.call)
            # Judged as it was asked for: "everyone" is more than a list of all that it happens to be.
            with span("policy"):
                await self._guard.gate.admit(tool, policy, self._read, asker, journal)
            command = await self._expanded(tool)
        return await self._carry_out(command, journal, policy)

    async def _answer_here(self, tool: Tool, way: CallContext) -> dict[str, Any]:
        """What this server answers itself."""
        if way.context is None:
            raise CallRefused(f"{tool.tool_name()} is for MCP clients.")
        if isinstance(tool, Whoami):
            return _content(await self._where.answer(way.context, way.caller))
        if tool.toolset() == BOARD:
            return await self._boarding.answer(tool, way.context)
        before = partial(self._before, way.caller)
        return _content(await self._events.answer(tool, way.context.session.report_progress, before))

    async def _before(self, caller: Caller) -> int:
        """The number of the newest event before a caller's last command, or before the conversation."""
        last = await self._guard.ledger.last_sent(caller.session)
        if caller.is_alone:
            return last.newest_event if last else self._events.begun
        return last.newest_event if last and last.at > self._events.now() - _RECENT else self._events.newest

    async def _carry_out(self, command: Command, journal: CallRecord, policy: Policy) -> dict[str, Any]:
        command = _identified(command)
        try:
            answer = await self._telnyx.send(command)
        except TelnyxRefused as refused:
            journal.telnyx = _told({"status": refused.status, "request_id": refused.request_id})
            raise await self._explained(refused) from None
        told = {"status": answer.status, "request_id": answer.request_id}
        journal.telnyx = _told(told | ({"attempts": answer.attempts} if answer.attempts > 1 else {}))
        self._events.after(command)
        return _result(command, answer.body, lambda name: self._catalog.allows(name, policy))

    async def _expanded(self, command: Command) -> Command:
        """Where Telnyx wants a list even for everyone, the list of those it concerns."""
        if command.everyone_is is None or not command.concerns_everyone():
            return command
        conference_id: str = getattr(command, "conference_id")  # noqa: B009 (not every command has one)
        people = await all_participants(self._read, conference_id, ParticipantFilter(**command.everyone_is))
        found = [person["call_control_id"] for person in people if person.get("call_control_id")]
        if not found:
            states = " and ".join(command.everyone_is).replace("_", " ")
            raise CallRefused(f"Nobody in this conference is {states}. Nothing was sent.")
        return command.model_copy(update={"call_control_ids": found})

    async def _read(self, command: Command) -> Any:
        try:
            return await self._telnyx.read(command)
        except TelnyxRefused as refused:
            raise await self._explained(refused) from None

    async def _explained(self, refused: TelnyxRefused) -> TelnyxRefused:
        """The refusal of something that is not there, with what is."""
        if refused.status not in (404, 422):
            return refused
        try:
            known = await known_instead(refused.command, self._telnyx.read, self._defaults.values)
        except CallFailed:
            return refused
        return TelnyxRefused(refused.command, refused.status, refused.problems, known) if known else refused


@contextmanager
def _looking_into(command: Command) -> Generator[None]:
    """Before a command is sent: whatever fails here, it was not."""
    try:
        yield
    except CallRefused:
        raise
    except CallFailed as failed:
        raise LookupFailed(command.tool_name(), failed) from None


_LOOK_AGAIN = "If it was to change something, look at the state before you repeat it."


def _exists(tool: type[Tool], policy: Policy) -> None:
    if why := policy.refusal(tool):
        raise _unknown(tool.tool_name(), f" ({why})")


def _unknown(name: str, hint: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name}{hint}")


def _told(of_telnyx: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in of_telnyx.items() if value}


def _identified(command: Command) -> Command:
    """With a `command_id`, so that Telnyx can tell a repeat."""
    if not command.is_deduped() or getattr(command, "command_id", None) is not None:
        return command
    return command.model_copy(update={"command_id": str(uuid.uuid4())})


def _result(command: Command, body: Any, exists: Callable[[str], bool]) -> dict[str, Any]:
    outcome = command.result
    fields = command.read(body)
    done = "" if command.is_read() else f"Telnyx accepted: {say(command.does, vars(command))}."
    content: dict[str, Any] = {"summary": outcome.describe(fields, done)}
    if command.is_deduped():
        content["command_id"] = getattr(command, "command_id", None)
    if events := command.expected_events():
        content["expect_events"] = list(events)
    if (undo := command.taken_back_by(fields)) and exists(undo["tool"]):
        content["undo"] = undo
    return _content(_as_json(content | fields))


def _would(command: Command, would: Mapping[str, Any]) -> dict[str, Any]:
    summary = f"Dry run, nothing was sent: this would {say(command.does, vars(command))}."
    return _content(_as_json({"summary": summary, "would_send": would, **command.read(None)}))


def _as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in content.items() if value is not None}
    return to_jsonable_python(given, by_alias=True, exclude_none=True)


def _content(structured: Mapping[str, Any]) -> dict[str, Any]:
    # Some hosts show the model only the text, others only the structured content: both say everything.
    content = [{"type": "text", "text": compact_json(structured)}]
    return {"resultType": "complete", "content": content, "structuredContent": structured}


def _failed(failed: CallFailed, journal: CallRecord, *, cards: bool) -> dict[str, Any]:
    """What went wrong; of a question left for a person its code by itself too, and how they see it as a card."""
    code = journal.asked.get("code") if isinstance(failed, ApprovalPending) else None
    if code is None:
        return _error(str(failed))
    card = f" Or better, show it to them as a card: call show_approval with approval {code}, then wait."
    return _error(f"{failed}{card if cards else ''}") | {"_meta": {PENDING: code}}


def _error(message: str) -> dict[str, Any]:
    return {"resultType": "complete", "content": [{"type": "text", "text": message}], "isError": True}
