"""Call legs: they arrive or are dialled, are answered, are in one location at a time, and end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .clock import Timer
from .context import CONNECTION_ID, NUMBER, SandboxContext, forget_oldest
from .errors import call_ended, not_answered, unknown_call
from .responses import Json, iso, without_none

__all__ = ["CONNECTION_ID", "NUMBER", "Leg", "Legs", "Location"]

APPLICATION_NAME = "Sandbox"
_CODECS = "PCMU,PCMA,G722"

ANSWER_DELAY_S = 2.0
"""How long a dialled phone rings before it is answered."""
RING_TIMEOUT_S = 30.0
"""How long a dialled phone rings at most, if the request does not say."""


class Location(Protocol):
    """Where a leg is: a conference, a queue, a bridge, or beside the leg it supervises. A leg in none is parked."""

    def on_leave(self) -> None:
        """The leg goes elsewhere."""
        ...

    def on_hangup(self) -> None:
        """The leg has ended."""
        ...


class LegActivity(Protocol):
    """Something on a leg that ends when the call ends, if not earlier: playback, a recording, a transcription."""

    def on_call_end(self) -> None: ...


class ActiveGather(Protocol):
    """A gather in progress on a leg."""

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
    on_hold: bool = False
    """Whether it is on hold after its bridge has ended."""
    digits_sent: int = 0
    far_leg: "Leg | None" = None
    """The other end of a call within the sandbox, which is answered and ends with this leg."""
    on_answered: Callable[[], None] | None = None
    activities: list[LegActivity] = field(default_factory=list[LegActivity])
    timers: list[Timer] = field(default_factory=list[Timer])

    connection_id = CONNECTION_ID

    @property
    def is_alive(self) -> bool:
        return self.ended_at is None

    @property
    def label(self) -> str | None:
        """Its label as a participant: its part in the scene, as one word."""
        return self.role.replace(" ", "-") if self.role else None

    def remember(self, client_state: str | None) -> None:
        """Keep a command's `client_state`, which every later webhook carries."""
        if client_state is not None:
            self.client_state = client_state

    def ids(self) -> Json:
        """The fields of every webhook about a leg."""
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
    """Every leg, alive or ended."""

    def __init__(self, context: SandboxContext) -> None:
        self._context = context
        self.by_id: dict[str, Leg] = {}

    def get(self, call_control_id: str, field_name: str = "call_control_id") -> Leg:
        """A leg, alive or not. `field_name`: the argument that names it. Raises `ApiError` (422)."""
        leg = self.by_id.get(call_control_id)
        if leg is None:
            raise unknown_call(call_control_id, field_name)
        return leg

    def live(self, call_control_id: str, field_name: str = "call_control_id") -> Leg:
        """A live leg. Raises `ApiError` (422)."""
        leg = self.get(call_control_id, field_name)
        if not leg.is_alive:
            raise call_ended(leg.call_control_id)
        return leg

    def answered(self, call_control_id: str) -> Leg:
        """A live leg that has been answered. Raises `ApiError` (422)."""
        leg = self.live(call_control_id)
        if leg.answered_at is None:
            raise not_answered(leg.call_control_id)
        return leg

    def new_session(self) -> str:
        return self._context.ids.uuid()

    def alive(self) -> list[Leg]:
        return [leg for leg in self.by_id.values() if leg.is_alive]

    def check_can_talk(self, leg: Leg) -> None:
        """Raises `ApiError` for a dialled leg that still rings. An incoming leg is answered when it is connected."""
        if leg.answered_at is None and leg.direction == "outgoing":
            raise not_answered(leg.call_control_id)

    def arrive(self, from_: str, to: str, client_state: str | None = None, role: str | None = None) -> Leg:
        """An incoming call, parked."""
        leg = self._new("incoming", from_, to, self.new_session())
        leg.client_state, leg.role = client_state, role
        self._announce(leg, "parked")
        return leg

    def dial(
        self,
        from_: str,
        to: str,
        session: str,
        client_state: str | None,
        before_events: Callable[[Leg], None] = lambda _: None,
    ) -> Leg:
        """An outgoing call, which rings. `before_events` gets the new leg before its first webhook."""
        leg = self._new("outgoing", from_, to, session)
        leg.client_state = client_state
        before_events(leg)
        self._announce(leg, "bridging")
        return leg

    def _new(self, direction: str, from_: str, to: str, session: str) -> Leg:
        ids = self._context.ids
        leg = Leg(ids.call_control_id(), ids.uuid(), session, direction, from_, to, self._context.now())
        self.by_id[leg.call_control_id] = leg
        forget_oldest(self.by_id, lambda old: not old.is_alive and old.location is None)
        return leg

    def _announce(self, leg: Leg, state: str) -> None:
        payload: Json = {
            **leg.parties(),
            "caller_id_name": leg.from_,
            "connection_codecs": _CODECS,
            "direction": leg.direction,
            "offered_codecs": _CODECS,
            "start_time": iso(leg.started_at),
            "state": state,
            "tags": [],
        }
        self._context.emit("call.initiated", payload)

    def answer(self, leg: Leg) -> None:
        """Answer a leg, and the far end of a call within the sandbox. No effect if it is answered already."""
        if leg.answered_at is not None:
            return
        leg.answered_at = self._context.now()
        payload: Json = {**leg.parties(), "start_time": iso(leg.started_at), "state": "answered", "tags": []}
        self._context.emit("call.answered", payload)
        if leg.on_answered is not None:
            leg.on_answered()
        if leg.far_leg is not None:
            self.answer(leg.far_leg)

    def move(self, leg: Leg, location: Location | None) -> None:
        """Move a leg out of its location to another. None parks it."""
        before, leg.location = leg.location, None
        if before is not None:
            before.on_leave()
        if leg.on_hold and location is not None:
            self.unhold(leg)
        leg.location = location

    def hold(self, leg: Leg) -> None:
        """Put a leg on hold, outside a conference."""
        leg.on_hold = True
        self._context.emit("call.hold", leg.parties())

    def unhold(self, leg: Leg) -> None:
        leg.on_hold = False
        self._context.emit("call.unhold", leg.parties())

    def hang_up(self, leg: Leg, cause: str = "normal_clearing", source: str = "unknown") -> None:
        """End a leg, and the far end of a call within the sandbox. No effect if it has ended."""
        if not leg.is_alive:
            return
        leg.ended_at = self._context.now()
        for timer in leg.timers:
            timer.cancel()
        if leg.gathering is not None:
            leg.gathering.end("call_hangup")
        activities, leg.activities = leg.activities, []
        for activity in activities:
            activity.on_call_end()
        self._context.emit("call.hangup", self._hangup(leg, cause, source))
        location, leg.location = leg.location, None
        if location is not None:
            location.on_hangup()
        if leg.far_leg is not None:
            self.hang_up(leg.far_leg, cause, source)

    def _hangup(self, leg: Leg, cause: str, source: str) -> dict[str, Any]:
        packets = {"packet_count": str(self.duration(leg) * 50), "skip_packet_count": "0"}
        inbound = {"jitter_max_variance": "0.00", "jitter_packet_count": "0", "mos": "4.50", **packets}
        return {
            **leg.parties(),
            "call_quality_stats": {"inbound": inbound, "outbound": packets} if leg.answered_at else None,
            "hangup_cause": cause,
            "hangup_source": source,
            "sip_hangup_cause": _SIP[cause],
            "start_time": iso(leg.started_at),
            "state": "hangup",
            "tags": [],
        }

    def person_hangs_up(self, leg: Leg) -> None:
        """The person at the far end puts the phone down."""
        if leg.answered_at is None and leg.direction == "outgoing":
            self.hang_up(leg, "call_rejected", "callee")
        else:
            cause = "normal_clearing" if leg.answered_at else "originator_cancel"
            self.hang_up(leg, cause, "caller" if leg.direction == "incoming" else "callee")

    def application_hangs_up(self, leg: Leg) -> None:
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
"""SIP status codes by hang-up cause."""
