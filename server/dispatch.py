"""A tool call, from the model to Telnyx and back: parse, policy, approval, send, result."""

import json
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams

from ..tools import TOOLS
from ..tools.base import Command, Tool
from ..tools.participants import ParticipantFilter
from ..tools.words import say
from .arguments import parse
from .asking import Elicitation, QuestionPending
from .catalog import Catalog
from .errors import CallFailed, Refused
from .events.service import EventService
from .guard import Asker, Level, Policy, approve, compose
from .listing import all_participants
from .telnyx import Telnyx, TelnyxRefused, known_instead

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

_PATIENCE = 300.0
"""Seconds that a question waits for its answer."""


class Dispatcher:
    """Carries out tool calls for one server."""

    def __init__(self, catalog: Catalog, policy: Policy, level: Level, telnyx: Telnyx, events: EventService) -> None:
        self._catalog = catalog
        self._policy = policy
        self._level = level
        self._telnyx = telnyx
        self._events = events

    async def handle(self, context: Context, call: CallToolRequestParams) -> Any:
        """Answer `tools/call`. What goes wrong is a tool error that the model can read, never a stack trace."""
        tool_class = self._find(call.name)
        started = time.monotonic()
        outcome = "failed"
        try:
            tool = parse(tool_class, call.arguments or {})
            result = await self._answer(tool, context, call)
            outcome = "done"
            return result
        except QuestionPending as pending:
            outcome = "asks"
            return pending.result
        except CallFailed as failed:
            outcome = type(failed).__name__
            return _error(str(failed))
        except Exception:
            logger.exception("%s failed unexpectedly", call.name)
            return _error(f"{call.name} failed inside this server, which is a fault of its own. {_LOOK_AGAIN}")
        finally:
            logger.info("%s: %s in %.0f ms", call.name, outcome, (time.monotonic() - started) * 1000)

    def _find(self, name: str) -> type[Tool]:
        tool = self._catalog.get(name)
        if tool is not None:
            return tool
        exists = {known.tool_name(): known for known in TOOLS}.get(name)
        why = self._policy.refusal(exists) if exists else None
        near = self._catalog.nearest(name)
        hint = f" ({why})" if why else f". Did you mean {', '.join(near)}?" if near else ""
        raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name}{hint}")

    async def _answer(self, tool: Tool, context: Context, call: CallToolRequestParams) -> dict[str, Any]:
        if isinstance(tool, Command):
            return await self._carry_out(tool, Elicitation(context, call, _PATIENCE))
        return _content(await self._events.answer(tool, context.session.report_progress))

    async def _carry_out(self, command: Command, asker: Asker) -> dict[str, Any]:
        command = await self._expanded(command)
        await approve(command, self._level, self._question, asker)
        command = _identified(command)
        self._events.before(command)
        try:
            answer = await self._telnyx.send(command)
        except TelnyxRefused as refused:
            raise await self._explained(refused) from None
        self._events.after(command)
        return _result(command, answer.body)

    async def _expanded(self, command: Command) -> Command:
        """Where Telnyx wants a list even for everyone, the list of those it concerns."""
        if command.everyone_is is None or not command.concerns_everyone():
            return command
        conference_id: str = getattr(command, "conference_id")  # noqa: B009 (not every command has one)
        people = await all_participants(self._read, conference_id, ParticipantFilter(**command.everyone_is))
        found = [person["call_control_id"] for person in people if person.get("call_control_id")]
        if not found:
            states = " and ".join(command.everyone_is).replace("_", " ")
            raise Refused(f"Nobody in this conference is {states}. Nothing was sent.")
        return command.model_copy(update={"call_control_ids": found})

    async def _question(self, command: Command) -> str:
        return await compose(command, self._read)

    async def _read(self, command: Command) -> Any:
        try:
            return (await self._telnyx.send(command)).body
        except TelnyxRefused as refused:
            raise await self._explained(refused) from None

    async def _explained(self, refused: TelnyxRefused) -> TelnyxRefused:
        """The refusal of something that is not there, with what is."""
        if refused.status not in (404, 422):
            return refused
        try:
            known = await known_instead(refused.command, self._plain_read)
        except CallFailed:
            return refused
        return TelnyxRefused(refused.command, refused.status, refused.problems, known) if known else refused

    async def _plain_read(self, command: Command) -> Any:
        return (await self._telnyx.send(command)).body


_LOOK_AGAIN = "If it was to change something, look at the state before you repeat it."


def _identified(command: Command) -> Command:
    """With a `command_id`, so that Telnyx can tell a repeat."""
    if not command.is_deduped() or getattr(command, "command_id", None) is not None:
        return command
    return command.model_copy(update={"command_id": str(uuid.uuid4())})


def _result(command: Command, body: Any) -> dict[str, Any]:
    outcome = command.result
    fields = outcome.read(body)
    done = "" if command.is_read() else f"Telnyx accepted: {say(command.does, dict(command))}."
    content: dict[str, Any] = {"summary": outcome.describe(fields, done), **fields}
    if command.is_deduped():
        content["command_id"] = getattr(command, "command_id", None)
    if events := command.expected_events():
        content["expect_events"] = list(events)
    structured = outcome.model_construct(**content).model_dump(mode="json", by_alias=True, exclude_none=True)
    return _content(structured)


def _content(structured: Mapping[str, Any]) -> dict[str, Any]:
    # Some hosts show the model only the text, others only the structured content: both say everything.
    text = json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return {"resultType": "complete", "content": [{"type": "text", "text": text}], "structuredContent": structured}


def _error(message: str) -> dict[str, Any]:
    return {"resultType": "complete", "content": [{"type": "text", "text": message}], "isError": True}
