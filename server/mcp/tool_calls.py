"""Carries out a tool call: validate, admit (policy, approval, limits), send to Telnyx, audit, return the result."""

import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, RequestId
from mcp_types.version import is_version_at_least
from pydantic_core import to_jsonable_python

from ...tools.account import Whoami
from ...tools.audio import GatherDtmf
from ...tools.base import Command, Tool
from ...tools.calls import Dial, TransferCall
from ...tools.pagination import all_participants
from ...tools.participants import ParticipantFilter
from ...tools.permissions import AddOptout, RequestGrant
from ...tools.queues import AnnouncePositions
from ...tools.recordings import AnnounceRecording
from ...tools.reports import Report
from ...tools.text import describe
from ...tools.transcription import ConferenceTranscript, StartTranscription, StopTranscription
from ..errors import CallFailed, CallRefused, LookupFailed
from ..events.event import EventFilter
from ..events.service import EventService
from ..events.times import iso
from ..guard import (
    ApprovalAnswer,
    ApprovalOutcome,
    ApprovalPending,
    Approver,
    Caller,
    CallRecord,
    Guard,
    Policy,
    TelnyxRecord,
)
from ..guard.ledger import Decision, NoSuchApproval
from ..json_text import MAX_NESTING, compact_json, is_too_deep
from ..lifecycle import Shutdown
from ..observability.logs import log_call
from ..telnyx import TelnyxClient, TelnyxRefused, suggest_existing
from ..tracing import span
from .board_tools import BOARD, FOR_PERSON, PENDING, BoardTools, has_cards
from .call_context import CallContext, McpCallContext
from .conference_names import with_conference_id
from .default_arguments import DefaultArguments
from .elicitation import Elicitation, QuestionPending
from .event_tools import EventTools
from .permission_tools import TOOLSET as PERMISSIONS
from .permission_tools import PermissionTools
from .queue_announcements import QueueAnnouncements
from .room_transcription import RoomTranscription
from .tool_definitions import Catalog
from .validation import parse
from .whoami import WhoamiReport

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
CallListener = Callable[[CallRecord, RequestId | None], None]

_STRUCTURED_FROM = "2025-06-18"
"""Older protocol versions have no structured content. Cline speaks one, and shows the model both."""

_CLOCK_TOLERANCE = timedelta(seconds=1)
PROMPT_TIMEOUT_S = 40.0
"""How long a gather waits for the end of its spoken prompt: many hosts give up a tool after 60 s."""
_PROMPT_ENDS = frozenset({"conference.participant.speak.ended", "conference.participant.left", "call.hangup"})
_NO_EVENTS = "No events arrive: when the prompt ends is not known, so keys count already, and which cannot be known."


class ToolCallHandler:
    """Carries out tool calls for one server."""

    def __init__(
        self,
        catalog: Catalog,
        guard: Guard,
        telnyx: TelnyxClient,
        events: EventService,
        *,
        defaults: DefaultArguments,
        whoami: WhoamiReport,
        board_tools: BoardTools,
        permission_tools: PermissionTools,
        shutdown: Shutdown | None = None,
        ask_timeout: timedelta | None = None,
        page: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`ask_timeout`: how long a person is waited for during a call; None: as long as suits the host.

        `page` returns the address of the running operator page.
        """
        self._catalog = catalog
        self._defaults = defaults
        self._whoami = whoami
        self._board_tools = board_tools
        self._permission_tools = permission_tools
        self._guard = guard
        self._telnyx = telnyx
        self._events = events
        self._shutdown = shutdown or Shutdown()
        self._event_tools = EventTools(events, guard, self._shutdown)
        self._announcements = QueueAnnouncements(guard, telnyx, events, self._notify_ended)
        self.room_transcription = RoomTranscription(guard, telnyx, events, self._notify_ended)
        self._ask_timeout_s = ask_timeout.total_seconds() if ask_timeout is not None else None
        self._page = page
        self._listeners: list[CallListener] = [log_call]

    def on_ended(self, listener: CallListener) -> None:
        """Call `listener` with the record and the request id of every call that has ended."""
        self._listeners.append(listener)

    def _notify_ended(self, record: CallRecord, request_id: RequestId | None = None) -> None:
        for listener in self._listeners:
            listener(record, request_id)

    async def handle(self, context: Context, call: CallToolRequestParams) -> Any:
        """Answer `tools/call`. An error is a tool result that the model can read, never a stack trace."""
        origin = McpCallContext(context, call, self._shutdown, self._ask_timeout_s, self._page())
        result = await self.answer(call, origin)
        if is_version_at_least(context.protocol_version, _STRUCTURED_FROM):
            return result
        return {name: value for name, value in result.items() if name != "structuredContent"}

    async def answer(self, call: CallToolRequestParams, origin: CallContext) -> Any:
        """Carry out a call. Raises `MCPError` for an unknown tool."""
        tool_class = self._find(call.name)
        arguments = call.arguments or {}
        is_deep = is_too_deep(arguments)
        record = self._guard.new_record(origin.caller, tool_class, {} if is_deep else arguments)
        try:
            if is_deep:
                raise CallRefused(f"The arguments are nested more than {MAX_NESTING} levels deep. Nothing was sent.")
            policy = self._guard.policy(record.caller)
            _check_offered(tool_class, policy)
            tool, note = await with_conference_id(parse(tool_class, arguments), self._telnyx.read)
            record.parsed = tool = self._defaults.fill(tool)
            result = _with_note(await self._carry_out(tool, origin, record, policy), note)
            record.end("dry run" if self._guard.dry_run and not tool.is_read() else "done")
            return result
        except QuestionPending as pending:
            record.end("asks")
            return pending.result
        except MCPError as unknown:
            record.end("refused", unknown.message)
            raise
        except CallFailed as failed:
            record.end(failed.outcome, failed.why)
            policy = self._guard.policy(record.caller)
            cards = origin.context is not None and has_cards(origin.context, policy)
            return _failure_result(failed, cards=cards)
        except Exception:
            record.end("failed", "a fault of this server")
            logger.exception("%s failed unexpectedly", call.name)
            return _error_result(f"{call.name} failed because of a fault in this server. {_LOOK_AGAIN}")
        finally:
            self._guard.close_record(record)
            self._notify_ended(record, origin.request_id)

    def _find(self, name: str) -> type[Tool]:
        tool = self._catalog.get(name)
        if tool is not None:
            return tool
        near = self._catalog.nearest(name)
        raise _unknown_tool(name, f". Did you mean {', '.join(near)}?" if near else "")

    async def _carry_out(self, tool: Tool, origin: CallContext, record: CallRecord, policy: Policy) -> Any:
        """`policy`: the one in force when the call arrived."""
        if tool.is_read() or isinstance(tool, AddOptout):  # a stop does not keep people from opting out
            await self._guard.gate.admit_unstopped(tool, policy, record)
        else:
            self._guard.audit_writer.require_room()
        if isinstance(tool, RequestGrant) and not self._guard.dry_run:
            async with self._asking(origin, record) as approver:
                return _result(await self._permission_tools.grant(tool, approver, record))
        if not isinstance(tool, Command):
            return await self._answer_locally(tool, origin, record)
        if tool.is_read() and not tool.exposes():
            return await self._send(tool, record, policy)
        with _nothing_sent(tool):
            command = await self._with_everyone_listed(tool)
            if self._guard.dry_run:
                return _dry_run_result(command, await self._guard.gate.dry_run(tool, command, policy, self._read))
            # The guard judges the command as the caller wrote it: "everyone" is more than a list of all who are there.
            await self._admit(tool, origin, record, policy)
        try:
            with _nothing_sent(tool):
                command = await self._with_everyone_listed(tool)
            return await self._send(command, record, policy)
        finally:
            self._guard.gate.answered(tool)

    async def _admit(self, command: Command, origin: CallContext, record: CallRecord, policy: Policy) -> None:
        """Have the guard check a write, and a person approve it where the policy requires that."""
        try:
            with span("policy"):
                async with self._asking(origin, record) as approver:
                    await self._guard.gate.admit(command, policy, self._read, approver, record)
        except TelnyxRefused as refused:
            raise await self._explained(refused) from None

    @asynccontextmanager
    async def _asking(self, origin: CallContext, record: CallRecord) -> AsyncGenerator[Approver]:
        """A way to ask a person. A question that nobody answered in time waits for a late answer."""
        approver = origin.asker(record.call)
        try:
            yield approver
        except ApprovalPending as waiting:
            if isinstance(approver, Elicitation):
                await approver.offer_page(waiting.pending)
                approver.on_late_answer(partial(self._decide_late, waiting.pending.code, record.caller))
            raise

    async def _decide_late(self, code: str, caller: Caller, answer: ApprovalAnswer) -> None:
        """Note an answer that came after its call had ended: it decides the pending approval and sends nothing."""
        is_yes = answer.reply is ApprovalOutcome.YES
        if answer.reply is ApprovalOutcome.NOBODY or (is_yes and self._guard.policy(caller).by_another):
            return
        with suppress(NoSuchApproval):
            await self._guard.ledger.decide(code, Decision(is_yes, "elicitation, late", answer.reason))

    async def _answer_locally(self, tool: Tool, origin: CallContext, record: CallRecord) -> dict[str, Any]:
        """Answer a tool that is no Telnyx endpoint."""
        if origin.context is None:
            raise CallRefused(f"{tool.tool_name()} can be called by MCP clients only, not by the buttons of a page.")
        if isinstance(tool, Whoami):
            return _result(await self._whoami.answer(origin.context, origin.caller))
        if isinstance(tool, Report):
            from .report_tool import answer_report  # noqa: PLC0415 (loads the projection, which the first answer does not need)

            return _result(await answer_report(tool, self._events, self._guard, origin.context.session.report_progress))
        if isinstance(tool, AnnounceRecording):
            return _result(await self._permission_tools.announce(tool, record))
        if tool.toolset() == PERMISSIONS:
            return _result(await self._permission_tools.answer(tool, origin.caller))
        if tool.toolset() == BOARD:
            return await self._board_tools.answer(tool, origin.context)
        content = await self._event_tools.answer(tool, origin.caller, origin.context.session.report_progress)
        if isinstance(tool, ConferenceTranscript) and (failed := self.room_transcription.failures(tool.conference_id)):
            content["not_transcribed"] = failed
        return _result(content)

    async def _send(self, command: Command, record: CallRecord, policy: Policy) -> dict[str, Any]:
        if isinstance(command, StartTranscription | StopTranscription) and command.affects_whole_room():
            fields = await self.room_transcription.send(command, record.caller, self._read)
            return _command_result(command, fields, "", lambda name: self._catalog.allows(name, policy))
        if isinstance(command, AnnouncePositions):
            fields = await self._announcements.send(command, record.caller, policy, self._read)
            return _command_result(command, fields, "", lambda name: self._catalog.allows(name, policy))
        prompted = await self._say_prompt(command)
        command = _with_command_id(command)
        newest_event = self._events.connection.newest
        try:
            answer = await self._telnyx.send(command)
        except TelnyxRefused as refused:
            record.telnyx = TelnyxRecord(refused.status, refused.request_id)
            raise await self._explained(refused) from None
        attempts = answer.attempts if answer.attempts > 1 else None
        record.telnyx = TelnyxRecord(answer.status, answer.request_id, attempts, self._telnyx_time_if_moved())
        self._events.record_command(command)
        self._guard.gate.note_sent(command, answer.body, record.caller, self._events.now())
        fields = command.read(answer.body)
        if isinstance(command, TransferCall):
            fields["new_call_control_id"] = await self._events.new_leg(command.to, newest_event)
        if leg := fields["call"].call_control_id if isinstance(command, Dial) else fields.get("new_call_control_id"):
            record.telnyx.leg = leg
        note = prompted or self._events.add_people(fields)
        return _command_result(command, fields, note, lambda name: self._catalog.allows(name, policy))

    def _telnyx_time_if_moved(self) -> str | None:
        """The time at Telnyx if it is not this machine's: the clock of a sandbox was moved."""
        at_telnyx = self._events.now()
        return iso(at_telnyx) if abs(at_telnyx - datetime.now(UTC)) > _CLOCK_TOLERANCE else None

    async def _say_prompt(self, command: Command) -> str:
        """Say the prompt of a gather whose endpoint takes no text, and wait until it was heard.

        Returns a sentence for the summary if the end of the prompt is not known.
        """
        prompt = command.prompt() if isinstance(command, GatherDtmf) else None
        if prompt is None:
            return ""
        await self._events.store()
        newest_event = self._events.connection.newest
        try:
            await self._telnyx.send(_with_command_id(prompt))
        except TelnyxRefused as refused:
            raise await self._explained(refused) from None
        if self._events.no_events_reason:
            return _NO_EVENTS
        (leg,) = prompt.call_control_ids
        spoken = EventFilter(types=_PROMPT_ENDS, call_control_id=leg, after_number=newest_event)
        ended = await self._events.first(spoken, PROMPT_TIMEOUT_S)
        return "" if ended else f"After {PROMPT_TIMEOUT_S:.0f} s the prompt was still being said: keys count already."

    async def _with_everyone_listed(self, command: Command) -> Command:
        """Replace "everyone" by a list of call legs, for endpoints that require the list."""
        if command.everyone_filter is None or not command.is_for_everyone():
            return command
        conference_id: str = getattr(command, "conference_id")  # noqa: B009 (not every command has one)
        people = await all_participants(self._read, conference_id, ParticipantFilter(**command.everyone_filter))
        legs = [person["call_control_id"] for person in people if person.get("call_control_id")]
        if not legs:
            states = " and ".join(command.everyone_filter).replace("_", " ")
            raise CallRefused(f"Nobody in this conference is {states}. Nothing was sent.")
        return command.model_copy(update={"call_control_ids": legs})

    async def _read(self, command: Command) -> Any:
        try:
            return await self._telnyx.read(command)
        except TelnyxRefused as refused:
            raise await self._explained(refused) from None

    async def _explained(self, refused: TelnyxRefused) -> TelnyxRefused:
        """For an id that Telnyx does not know: its refusal together with the ids that exist."""
        if refused.status not in (404, 422):
            return refused
        try:
            suggestion = await suggest_existing(refused.command, self._telnyx.read, self._defaults.values)
        except CallFailed:
            return refused
        return refused.suggesting(suggestion) if suggestion else refused


@contextmanager
def _nothing_sent(command: Command) -> Generator[None]:
    """Say in every refusal that is raised in this block that the command was not sent."""
    try:
        yield
    except CallRefused:
        raise
    except CallFailed as failed:
        raise LookupFailed(command.tool_name(), failed) from None


_LOOK_AGAIN = "If the call was to change something, look at the current state before you repeat it."


def _check_offered(tool: type[Tool], policy: Policy) -> None:
    if why := policy.refusal(tool):
        raise _unknown_tool(tool.tool_name(), f" ({why})")


def _unknown_tool(name: str, hint: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name}{hint}")


def _with_command_id(command: Command) -> Command:
    """The command with a `command_id`, so that Telnyx recognizes a repeat."""
    if not command.is_deduped() or getattr(command, "command_id", None) is not None:
        return command
    return command.model_copy(update={"command_id": str(uuid.uuid4())})


def _command_result(
    command: Command, fields: dict[str, Any], note: str, is_offered: Callable[[str], bool]
) -> dict[str, Any]:
    accepted = "" if command.is_read() else f"Telnyx accepted: {describe(command.does, vars(command))}."
    summary = " ".join(filter(None, [command.result.describe(fields, accepted), note]))
    content: dict[str, Any] = {"summary": summary}
    if command.is_deduped():
        content["command_id"] = getattr(command, "command_id", None)
    if events := command.expected_events():
        content["expect_events"] = list(events)
    if (undo := command.undo_call(fields)) and is_offered(undo["tool"]):
        content["undo"] = undo
    return _result(_as_json(content | fields))


def _dry_run_result(command: Command, request: Mapping[str, Any]) -> dict[str, Any]:
    summary = f"Dry run, nothing was sent: this would {describe(command.does, vars(command))}."
    return _result(_as_json({"summary": summary, "would_send": request, **command.read(None)}))


def _as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in content.items() if value is not None}
    return to_jsonable_python(present, by_alias=True, exclude_none=True)


def _result(structured: Mapping[str, Any]) -> dict[str, Any]:
    # Some hosts show the model only the text, others only the structured content: both hold everything.
    content = [{"type": "text", "text": compact_json(structured)}]
    return {"resultType": "complete", "content": content, "structuredContent": structured}


def _with_note(result: dict[str, Any], note: str | None) -> dict[str, Any]:
    """The result with a note added to its summary."""
    if note is None:
        return result
    content: Mapping[str, Any] = result["structuredContent"]
    return {**result, **_result({**content, "summary": f"{content['summary']} {note}"})}


def _failure_result(failed: CallFailed, *, cards: bool) -> dict[str, Any]:
    """The error. If a question is pending, also its code in `_meta`, and how to show it as a card."""
    if not isinstance(failed, ApprovalPending):
        return _error_result(str(failed)) | {"_meta": {FOR_PERSON: failed.for_person}}
    code = failed.pending.code
    card = f" Or better, show it to them as a card: call show_approval with approval {code}, then wait."
    return _error_result(f"{failed}{card if cards else ''}") | {"_meta": {PENDING: code}}


def _error_result(message: str) -> dict[str, Any]:
    return {"resultType": "complete", "content": [{"type": "text", "text": message}], "isError": True}
