"""The sandbox's own controls, under /sandbox: its state, its clock, its faults, and the people at the far ends."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...tools.base import DELETE, GET, POST, WIRE, Route
from ...tools.numbers import Number
from .conference import Participant
from .errors import ApiError, impossible, unprocessable
from .faults import FAULT
from .http import Incoming, Reply, authorize, refuse_web_pages
from .legs import NUMBER
from .responses import Answer, data
from .routes import Routes

if TYPE_CHECKING:
    from .sandbox import Sandbox

Control = Callable[[dict[str, str], dict[str, Any]], Awaitable[Answer]]
"""Path parameters and body in, answer out."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class AdvanceClock(_Body):
    advance_seconds: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]


class IncomingCall(_Body):
    from_: Annotated[Number, Field(alias="from")] = "+12025550131"
    to: Number = NUMBER


class Press(_Body):
    digits: Annotated[str, Field(pattern=r"^[0-9A-D*#]+$", max_length=1000)]


class Controls:
    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        served: list[tuple[Route, Control]] = [
            (GET("/state"), self._state),
            (GET("/requests"), self._requests),
            (DELETE("/requests"), self._forget_requests),
            (GET("/events"), self._events),
            (POST("/clock"), self._advance),
            (GET("/faults"), self._faults),
            (POST("/faults"), self._add_fault),
            (DELETE("/faults"), self._clear_faults),
            (POST("/reset"), self._reset),
            (POST("/calls"), self._call_arrives),
            (POST("/calls/{call_control_id}/hangup"), self._person_hangs_up),
            (POST("/calls/{call_control_id}/speak"), self._person_speaks),
            (POST("/calls/{call_control_id}/press"), self._person_presses),
        ]
        self._routes = Routes(served)

    async def serve(self, incoming: Incoming) -> Reply:
        """The answer to a request below /sandbox."""
        self._sandbox.run_due()
        try:
            refuse_web_pages(incoming.headers)
            authorize(incoming.headers, incoming.method)
            control, path = self._routes.find(incoming.method, incoming.path)
            body = incoming.body() if incoming.method == "POST" else {}
            return Reply.of(await control(path, body))
        except ValidationError as refused:
            return Reply.refusing(unprocessable(refused))
        except ApiError as refused:
            return Reply.refusing(refused)

    async def _state(self, *_: Any) -> Answer:
        return data(self._sandbox.snapshot())

    async def _requests(self, *_: Any) -> Answer:
        return {"data": [asdict(request) for request in self._sandbox.requests]}

    async def _forget_requests(self, *_: Any) -> Answer:
        self._sandbox.requests.clear()
        return None

    async def _events(self, *_: Any) -> Answer:
        return {"data": list(self._sandbox.events)}

    async def _advance(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        await self._sandbox.advance(AdvanceClock.model_validate(body).advance_seconds)
        return data({"now": self._sandbox.snapshot()["now"]})

    async def _faults(self, *_: Any) -> Answer:
        return {"data": self._sandbox.faults.view()}

    async def _add_fault(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        rule = self._sandbox.faults.add(FAULT.validate_python(body))
        return data(FAULT.dump_python(rule))

    async def _clear_faults(self, *_: Any) -> Answer:
        self._sandbox.faults.clear()
        return None

    async def _reset(self, *_: Any) -> Answer:
        self._sandbox.reset()
        return None

    async def _call_arrives(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        call = IncomingCall.model_validate(body, context=WIRE)
        legs = self._sandbox.state.legs
        return data(legs.view(legs.arrive(call.from_, call.to)))

    async def _person_hangs_up(self, path: dict[str, str], _: dict[str, Any]) -> Answer:
        legs = self._sandbox.state.legs
        legs.person_hangs_up(legs.in_path(path["call_control_id"]))
        return None

    async def _person_speaks(self, path: dict[str, str], _: dict[str, Any]) -> Answer:
        leg = self._sandbox.state.legs.in_path(path["call_control_id"])
        if not isinstance(leg.location, Participant):
            raise impossible("Call not in conference", f"Call {leg.call_control_id} is in no conference.")
        leg.location.conference.give_floor(leg)
        return None

    async def _person_presses(self, path: dict[str, str], body: dict[str, Any]) -> Answer:
        state = self._sandbox.state
        leg = state.legs.in_path(path["call_control_id"])
        state.gathers.press(leg, Press.model_validate(body).digits)
        return None
