"""Call legs: they arrive or are dialled, are answered, are in one place at a time, and end."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .clock import Timer
from .context import SandboxContext, forget_oldest
from .errors import call_ended, not_answered, not_found, unknown_call
from .responses import Json, iso, without_none

CONNECTION_ID = "sandbox"
APPLICATION_NAME = "Sandbox"
NUMBER = "+12025550100"
"""The sandbox's own phone number."""

ANSWER_DELAY_S = 2.0
"""Seconds a dialled phone rings before somebody answers."""
RING_TIMEOUT_S = 30.0
"""Seconds a dialled phone rings if the request does not say."""


class Location(Protocol):
    """Where a leg is: a conference, a queue, a bridge. A leg in none is parked."""

    def vacated(self) -> None:
        """The leg goes elsewhere."""
        ...

    def hung_up(self) -> None:
        """The leg has ended."""
        ...


class ActiveGather(Protocol):
    """A gather under way on a leg."""

    def press(self, digit: str) -> None: ...

    def end(self, status: str) -> None: ...


@dataclass(eq=False, slots=True)
class Leg:
    call_control_id: str
    call_leg_id: str
    call_session_id: str
    direction: str
    """incoming or outgoing."""
    from_: str
    to: str
    started_at: datetime
    client_state: str | None = None
    role: str | None = None
    """Its part in the scene."""
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    location: Location | None = None
    gathering: ActiveGather | None = None
    timers: list[Timer] = field(default_factory=list[Timer])

    connection_id = CONNECTION_ID

    @property
    def is_alive(self) -> bool:
        return self.ended_at is None

    @property
    def label(self) -> str | None:
        """What it is called as a participant: its part in the scene, as one word."""
        return self.role.replace(" ", "-") if self.role else None

    def remember(self, client_state: str | None) -> None:
        """Take a command's `client_state`, sent in every later webhook."""
        if client_state is not None:
            self.client_state = client_state

    def ids(self) -> Json:
        """What every webhook about a leg says."""
        return {
            "call_control_id": self.call_control_id,
            "call_leg_id": self.call_leg_id,
            "call_session_id": self.call_session_id,
            "client_state": self.client_state,
            "connection_id": self.connection_id,
        }

    def parties(self) -> Json:
        """The same, with the numbers."""
        return {**self.ids(), "from": self.from_, "to": self.to}


class Legs:
    """Every leg there is or was."""

    def __init__(self, context: SandboxContext) -> None:
        self._context = context
        self.by_id: dict[str, Leg] = {}

    def get(self, call_control_id: str) -> Leg:
        """A leg that a path names, alive or not. Raises `ApiError` (404)."""
        leg = self.by_id.get(call_control_id)
        if leg is None:
            raise not_found(f"There is no call {call_control_id}.")
        return leg

    def live_in_path(self, call_control_id: str) -> Leg:
        """A live leg that a path names. Raises `ApiError` (404, 422)."""
        return self._alive(self.get(call_control_id))

    def live_in_body(self, call_control_id: str, field_name: str = "call_control_id") -> Leg:
        """A live leg that a body names. Raises `ApiError` (422)."""
        leg = self.by_id.get(call_control_id)
        if leg is None:
            raise unknown_call(call_control_id, field_name)
        return self._alive(leg)

    def _alive(self, leg: Leg) -> Leg:
        if not leg.is_alive:
            raise call_ended(leg.call_control_id)
        return leg

    def new_session(self) -> str:
        return self._context.ids.uuid()

    def alive(self) -> list[Leg]:
        return [leg for leg in self.by_id.values() if leg.is_alive]

    def check_can_talk(self, leg: Leg) -> None:
        """Raises `ApiError` for a dialled leg that still rings. An incoming one is answered when it is put through."""
        if leg.answered_at is None and leg.direction == "outgoing":
            raise not_answered(leg.call_control_id)

    def arrive(self, from_: str, to: str, client_state: str | None = None, role: str | None = None) -> Leg:
        """An incoming call, parked."""
        leg = self._new("incoming", from_, to, self.new_session())
        leg.client_state, leg.role = client_state, role
        self._announce(leg, "parked")
        return leg

    def dial(self, from_: str, to: str, session: str, client_state: str | None, role: str | None = None) -> Leg:
        """An outgoing call, which rings; who calls says what happens next."""
        leg = self._new("outgoing", from_, to, session)
        leg.client_state, leg.role = client_state, role
        self._announce(leg, "bridging")
        return leg

    def _new(self, direction: str, from_: str, to: str, session: str) -> Leg:
        ids = self._context.ids
        leg = Leg(ids.call_control_id(), ids.uuid(), session, direction, from_, to, self._context.now())
        self.by_id[leg.call_control_id] = leg
        forget_oldest(self.by_id, lambda one: not one.is_alive and one.location is None)
        return leg

    def _announce(self, leg: Leg, state: str) -> None:
        payload = {**leg.parties(), "direction": leg.direction, "state": state, "start_time": iso(leg.started_at)}
        self._context.emit("call.initiated", payload)

    def answer(self, leg: Leg) -> None:
        """Answer it; nothing if it is answered already."""
        if leg.answered_at is not None:
            return
        leg.answered_at = self._context.now()
        self._context.emit("call.answered", {**leg.parties(), "state": "answered", "start_time": iso(leg.started_at)})

    def put(self, leg: Leg, location: Location | None) -> None:
        """Move a leg: it leaves where it was. None parks it."""
        before, leg.location = leg.location, None
        if before is not None:
            before.vacated()
        leg.location = location

    def hang_up(self, leg: Leg, cause: str = "normal_clearing", source: str = "unknown") -> None:
        """End a leg; nothing if it has ended."""
        if not leg.is_alive:
            return
        leg.ended_at = self._context.now()
        for timer in leg.timers:
            timer.cancel()
        if leg.gathering is not None:
            leg.gathering.end("call_hangup")
        payload: dict[str, Any] = {"hangup_cause": cause, "hangup_source": source, "sip_hangup_cause": _SIP[cause]}
        self._context.emit(
            "call.hangup", {**leg.parties(), **payload, "state": "hangup", "start_time": iso(leg.started_at)}
        )
        location, leg.location = leg.location, None
        if location is not None:
            location.hung_up()

    def person_hangs_up(self, leg: Leg) -> None:
        """The person at the far end puts the phone down."""
        if leg.answered_at is None and leg.direction == "outgoing":
            self.hang_up(leg, "call_rejected", "callee")
        else:
            cause = "normal_clearing" if leg.answered_at else "originator_cancel"
            self.hang_up(leg, cause, "caller" if leg.direction == "incoming" else "callee")

    def we_hang_up(self, leg: Leg) -> None:
        """The application ends the call."""
        cause = "originator_cancel" if leg.answered_at is None and leg.direction == "outgoing" else "normal_clearing"
        self.hang_up(leg, cause, "callee" if leg.direction == "incoming" else "caller")

    def duration(self, leg: Leg) -> int:
        """Whole seconds from its start to its end or to now."""
        return int(((leg.ended_at or self._context.now()) - leg.started_at).total_seconds())

    def view(self, leg: Leg) -> Json:
        """A call as GET /calls/{id} shows it."""
        return without_none(
            {
                "record_type": "call",
                "call_control_id": leg.call_control_id,
                "call_leg_id": leg.call_leg_id,
                "call_session_id": leg.call_session_id,
                "is_alive": leg.is_alive,
                "call_duration": self.duration(leg),
                "client_state": leg.client_state,
                "start_time": iso(leg.started_at),
                "end_time": iso(leg.ended_at) if leg.ended_at else None,
            }
        )


_SIP = {
    "call_rejected": "603",
    "normal_clearing": "200",
    "originator_cancel": "487",
    "timeout": "480",
    "time_limit": "200",
    "user_busy": "486",
    "not_found": "404",
    "no_answer": "480",
    "unspecified": "480",
}
