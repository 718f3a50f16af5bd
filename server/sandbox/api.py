"""Telnyx's API: a request becomes a command, is carried out once, and suffers what the fault rules say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import ValidationError

from ...tools import COMMANDS
from ...tools.base import Command
from .clock import Timers
from .errors import ApiError, ConnectionDropped, bad_request, error, invalid, missing, unprocessable
from .faults import Fault, Faults
from .http import Incoming, Receive, Reply, authorize, encode
from .routes import Routes
from .state import SandboxState
from .webhooks import ListWebhookDeliveries

BEYOND: tuple[type[Command], ...] = (ListWebhookDeliveries,)
"""What is served beside the tools."""

_ROUTES: Routes[type[Command]] = Routes((command.route, command) for command in (*COMMANDS, *BEYOND))

_TITLES = {429: ("10011", "Too many requests"), 401: ("10009", "Authentication failed")}


@dataclass(slots=True)
class ReceivedRequest:
    """A request to the API, and what became of it."""

    method: str
    path: str
    """Below /v2, percent-encoded."""
    query: dict[str, str]
    body: dict[str, Any] | None
    """None: no JSON object."""
    status: int | None = None
    """What was answered; None: nothing (yet)."""
    command: str | None = None
    """The name of the command, as a tool's is; None: it did not become one."""
    command_id: str | None = None
    applied: bool = False
    """Whether it had an effect: not if it only read, was refused, or repeats a command_id."""


class Api:
    def __init__(
        self,
        state: Callable[[], SandboxState],
        faults: Faults,
        delays: Timers,
        run_due: Callable[[], None],
        received: Callable[[ReceivedRequest], None],
    ) -> None:
        self._state = state
        self._faults = faults
        self._delays = delays
        self._run_due = run_due
        self._received = received

    async def serve(self, incoming: Incoming, receive: Receive) -> Reply | None:
        """The answer to a request; None: the client has gone. Raises `ConnectionDropped`."""
        fault = self._faults.for_request(incoming.method, incoming.path)
        record = ReceivedRequest(incoming.method, incoming.path, incoming.query, None)
        self._received(record)
        if fault is not None:
            _identify(incoming, record)
        if fault is not None and fault.after:
            reply = await self._suffer(fault, self._answer(incoming, record), receive)
        elif fault is not None:
            reply = await self._suffer(fault, None, receive)
            if fault.kind == "delay":
                reply = self._answer(incoming, record)
        else:
            reply = self._answer(incoming, record)
        record.status = None if reply is None else reply.status
        return reply

    async def _suffer(self, fault: Fault, reply: Reply | None, receive: Receive) -> Reply | None:
        """What comes back in place of a reply."""
        if fault.kind == "status":
            return _failure(fault)
        if fault.kind == "delay":
            await self._sleep(fault.seconds)
            return reply
        if fault.kind == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            return None
        raise ConnectionDropped

    async def _sleep(self, seconds: float) -> None:
        """Wait, on the sandbox's clock."""
        over = anyio.Event()
        timer = self._delays.after(seconds, over.set)
        while not over.is_set():
            with anyio.move_on_after(self._delays.clock.real_seconds_until(timer.due)):
                await over.wait()
            self._delays.run_due()

    def _answer(self, incoming: Incoming, record: ReceivedRequest) -> Reply:
        """Carry a request out. Nothing else happens between its checks and its effect."""
        self._run_due()
        try:
            authorize(incoming.headers, incoming.method)
            command_type, path = _ROUTES.find(incoming.method, incoming.path)
            record.command = command_type.tool_name()
            record.body = incoming.body() if incoming.method in ("POST", "PATCH") else None
            query = incoming.query if incoming.method == "GET" else {}
            command = _parse(command_type, path, query, record.body or {})
            record.command_id = getattr(command, "command_id", None)
            return self._execute(command, record)
        except ApiError as refused:
            return Reply.refusing(refused)

    def _execute(self, command: Command, record: ReceivedRequest) -> Reply:
        state = self._state()
        executed = state.executed
        now = state.timers.now()
        known = executed.answer_to(command, now)
        if known is not None:
            return Reply(200, known)
        reply = Reply.of(state.handlers[type(command)](command))
        record.applied = record.method != "GET"
        executed.remember(command, reply.body, now)
        return reply


def _identify(incoming: Incoming, record: ReceivedRequest) -> None:
    """Note what a request is that may never be looked at."""
    try:
        record.command = _ROUTES.find(incoming.method, incoming.path)[0].tool_name()
        record.body = incoming.body() if incoming.method in ("POST", "PATCH") else None
    except ApiError:
        return
    command_id = (record.body or {}).get("command_id")
    record.command_id = command_id if isinstance(command_id, str) else None


def _parse(command: type[Command], path: dict[str, str], query: dict[str, str], body: dict[str, Any]) -> Command:
    """Raises `Refused` (422)."""
    if isinstance(body.get("call_control_ids"), str):
        raise invalid("call_control_ids", "The parameter 'call_control_ids' must be a list.")
    try:
        read = command.from_request(path, query, body)
    except ValidationError as refused:
        raise unprocessable(refused) from None
    except (TypeError, AttributeError):
        # `filter=x&filter[name]=y`: a name that is a value and an object.
        raise bad_request("The query contradicts itself.", status=422) from None
    # An operator's setting may stand in for these at a tool; Telnyx knows of no settings.
    absent = [command.wire_name(name) for name in command.settings if getattr(read, name) is None]
    if absent:
        raise missing(absent)
    return read


def _failure(fault: Fault) -> Reply:
    code, title = _TITLES.get(fault.status, ("10007", "Unexpected error"))
    headers = () if fault.retry_after is None else ((b"retry-after", str(fault.retry_after).encode()),)
    return Reply(fault.status, encode({"errors": [error(code, title, "A fault of the sandbox.")]}), headers)
