"""Telnyx's API: parse a request into a command, run it once, and apply the fault rules."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...tools.base import Command
from .clock import Timers
from .commands import SERVED
from .errors import ApiError, ConnectionDropped, bad_request, error, invalid, missing, unprocessable
from .faults import Fault, Faults
from .requests import decoded_path_params, parse_body, read_body
from .responses import error_response, json_response
from .state import SandboxState

_TITLES = {429: ("10011", "Too many requests"), 401: ("10009", "Authentication failed")}

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class ReceivedRequest:
    """A request to the API and its outcome."""

    method: str
    path: str
    """Below /v2, percent-encoded."""
    query: dict[str, str]
    body: dict[str, Any] | None
    """None: no JSON object."""
    status: int | None = None
    """The status of the answer; None: no answer (yet)."""
    command: str | None = None
    """The name of the command, as a tool's is; None: no command was recognised."""
    command_id: str | None = None
    applied: bool = False
    """Whether it had an effect: not if it only read, was refused, or repeats a command_id."""


class Api:
    """The endpoints below /v2. `current_state` gives the sandbox's state, which a reset replaces."""

    def __init__(
        self, current_state: Callable[[], SandboxState], faults: Faults, delays: Timers, run_due: Callable[[], None]
    ) -> None:
        self._current_state = current_state
        self._faults = faults
        self._delays = delays
        self._run_due = run_due
        by_path: dict[str, dict[str, type[Command]]] = {}
        for command in SERVED:
            by_path.setdefault(command.route.path, {})[command.route.method] = command
        self.routes = [
            Route(path, self._endpoint(commands), methods=list(commands)) for path, commands in by_path.items()
        ]

    def _endpoint(self, commands: dict[str, type[Command]]) -> Endpoint:
        """The endpoint of one path. `commands`: by HTTP method."""

        async def endpoint(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            return await self._serve(commands[method], request)

        return endpoint

    async def _serve(self, command: type[Command], request: Request) -> Response:
        """Answer a request, with a fault if a rule matches. Raises `ApiError` and `ConnectionDropped`."""
        record: ReceivedRequest = request.state.record
        record.command = command.tool_name()
        raw_body = await read_body(request) if command.route.method in ("POST", "PATCH", "PUT") else b""
        fault = self._faults.for_request(record.method, record.path)
        if fault is None:
            return self._run(command, request, raw_body)
        if fault.after:
            return await self._apply_fault(fault, request, self._run(command, request, raw_body))
        _note_body(record, raw_body)
        if fault.kind == "delay":
            await self._sleep(fault.seconds)
            return self._run(command, request, raw_body)
        return await self._apply_fault(fault, request, Response())

    async def _apply_fault(self, fault: Fault, request: Request, response: Response) -> Response:
        """What the client gets instead of a response."""
        if fault.kind == "status":
            return _failure(fault)
        if fault.kind == "delay":
            await self._sleep(fault.seconds)
            return response
        if fault.kind == "hang":
            while (await request.receive())["type"] != "http.disconnect":
                pass
        raise ConnectionDropped

    async def _sleep(self, seconds: float) -> None:
        """Wait, on the sandbox's clock."""
        over = anyio.Event()
        timer = self._delays.after(seconds, over.set)
        while not over.is_set():
            with anyio.move_on_after(self._delays.clock.real_seconds_until(timer.due)):
                await over.wait()
            self._delays.run_due()

    def _run(self, command_type: type[Command], request: Request, raw_body: bytes) -> Response:
        """Run a command. Synchronous, so that nothing happens between its checks and its effect."""
        record: ReceivedRequest = request.state.record
        self._run_due()
        try:
            record.body = parse_body(raw_body) if command_type.route.method in ("POST", "PATCH", "PUT") else None
            query = record.query if command_type.route.method == "GET" else {}
            command = _parse(command_type, decoded_path_params(request), query, record.body or {})
            record.command_id = getattr(command, "command_id", None)
            return self._execute(command, record)
        except ApiError as refused:
            return error_response(refused)

    def _execute(self, command: Command, record: ReceivedRequest) -> Response:
        state = self._current_state()
        now = state.timers.now()
        earlier_answer = state.command_log.answer_to(command, now)
        if earlier_answer is not None:
            return json_response(earlier_answer)
        answer = state.run(command)
        record.applied = command.route.method != "GET"
        state.command_log.remember(command, answer, now)
        return json_response(answer)


def _note_body(record: ReceivedRequest, raw_body: bytes) -> None:
    """Record the body and command_id of a request that a fault stops before it is parsed."""
    try:
        record.body = parse_body(raw_body)
    except ApiError:
        return
    command_id = record.body.get("command_id")
    record.command_id = command_id if isinstance(command_id, str) else None


def _parse(command: type[Command], path: dict[str, str], query: dict[str, str], body: dict[str, Any]) -> Command:
    """Raises `ApiError` (422)."""
    if isinstance(body.get("call_control_ids"), str):
        raise invalid("call_control_ids", "The parameter 'call_control_ids' must be a list.")
    try:
        parsed = command.from_request(path, query, body)
    except ValidationError as refused:
        raise unprocessable(refused, lambda name: _wire_name(command, name), command.route.method == "GET") from None
    except (TypeError, AttributeError):
        # `filter=x&filter[name]=y`: a name that is a value and an object.
        raise bad_request("The query contradicts itself.", status=422) from None
    # A tool takes these arguments from a setting where they are left out; Telnyx requires them.
    absent = [command.wire_name(name) for name in command.settings if getattr(parsed, name) is None]
    if absent:
        raise missing(absent)
    return parsed


def _wire_name(command: type[Command], argument: str) -> str:
    """Telnyx's name of an argument, also of one that the command does not declare."""
    if argument in ("page_number", "page_size", "page_after"):
        return f"page[{argument.removeprefix('page_')}]"
    about = command.model_fields.get(argument)
    return argument if about is None else about.alias or about.serialization_alias or argument


def _failure(fault: Fault) -> Response:
    code, title = _TITLES.get(fault.status, ("10007", "Unexpected error"))
    headers = None if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return JSONResponse({"errors": [error(code, title, "A fault of the sandbox.")]}, fault.status, headers)
