"""The sandbox's own controls, under /sandbox: its state, its clock, its faults, and the people at the far ends."""

from collections import deque
from dataclasses import asdict
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...tools.base import WIRE
from ...tools.numbers import Number
from .api import ReceivedRequest
from .conference import Participant
from .errors import impossible
from .faults import FAULT, Faults
from .legs import NUMBER, Leg
from .requests import decoded_path_params, parse_body, read_body
from .responses import Json, data, json_response
from .state import SandboxState
from .transcription import transcribe


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class AdvanceClock(_Body):
    advance_seconds: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]


class IncomingCall(_Body):
    from_: Annotated[Number, Field(alias="from")] = "+12025550131"
    to: Number = NUMBER


class KeyPresses(_Body):
    digits: Annotated[str, Field(pattern=r"^[0-9A-D*#]+$", max_length=1000)]


class Speech(_Body):
    text: Annotated[str, Field(min_length=1, max_length=3000)] | None = None
    """What a live transcription hears."""


class Controlled(Protocol):
    """The sandbox, as far as its controls use it."""

    faults: Faults
    requests: deque[ReceivedRequest]
    state: SandboxState

    @property
    def events(self) -> deque[Json]: ...
    def snapshot(self) -> Json: ...
    async def advance(self, seconds: float) -> None: ...
    def reset(self) -> None: ...


class Controls:
    """The endpoints below /sandbox."""

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox
        self.routes = [
            Route("/state", self._state, methods=["GET"]),
            Route("/requests", self._requests, methods=["GET", "DELETE"]),
            Route("/events", self._events, methods=["GET"]),
            Route("/clock", self._advance, methods=["POST"]),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/reset", self._reset, methods=["POST"]),
            Route("/calls", self._receive_call, methods=["POST"]),
            Route("/calls/{call_control_id}/hangup", self._hang_up, methods=["POST"]),
            Route("/calls/{call_control_id}/speak", self._speak, methods=["POST"]),
            Route("/calls/{call_control_id}/press", self._press, methods=["POST"]),
        ]

    async def _state(self, _: Request) -> Response:
        return json_response(data(self._sandbox.snapshot()))

    async def _requests(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._sandbox.requests.clear()
            return json_response(None)
        return json_response({"data": [asdict(record) for record in self._sandbox.requests]})

    async def _events(self, _: Request) -> Response:
        return json_response({"data": list(self._sandbox.events)})

    async def _advance(self, request: Request) -> Response:
        body = AdvanceClock.model_validate(await _body(request))
        await self._sandbox.advance(body.advance_seconds)
        return json_response(data({"now": self._sandbox.snapshot()["now"]}))

    async def _faults(self, request: Request) -> Response:
        faults = self._sandbox.faults
        if request.method == "DELETE":
            faults.clear()
            return json_response(None)
        if request.method == "POST":
            rule = faults.add(FAULT.validate_python(await _body(request)))
            return json_response(data(FAULT.dump_python(rule)))
        return json_response({"data": faults.view()})

    async def _reset(self, _: Request) -> Response:
        self._sandbox.reset()
        return json_response(None)

    async def _receive_call(self, request: Request) -> Response:
        call = IncomingCall.model_validate(await _body(request), context=WIRE)
        legs = self._sandbox.state.legs
        return json_response(data(legs.view(legs.arrive(call.from_, call.to))))

    async def _hang_up(self, request: Request) -> Response:
        self._sandbox.state.legs.person_hangs_up(self._leg(request))
        return json_response(None)

    async def _speak(self, request: Request) -> Response:
        leg = self._leg(request)
        body = Speech.model_validate(await _body(request))
        if isinstance(leg.location, Participant):
            leg.location.conference.give_floor(leg)
        elif body.text is None:
            raise impossible("Call not in conference", f"Call {leg.call_control_id} is in no conference.")
        if body.text is not None:
            transcribe(self._sandbox.state.context, leg, body.text)
        return json_response(None)

    async def _press(self, request: Request) -> Response:
        leg = self._leg(request)
        body = KeyPresses.model_validate(await _body(request))
        self._sandbox.state.gathers.press(leg, body.digits)
        return json_response(None)

    def _leg(self, request: Request) -> Leg:
        """The live leg in the path. Raises `ApiError`."""
        return self._sandbox.state.legs.live(decoded_path_params(request)["call_control_id"])


async def _body(request: Request) -> dict[str, Any]:
    return parse_body(await read_body(request))
