"""Calls around conferences and queues: dial, answer, reject, hang up, bridge.

The far ends are played by number: who is dialled picks up after 2 seconds, but a number that ends in 0198 is busy and
one that ends in 0199 rings until the timeout.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...tools.base import GET, POST, Command
from ...tools.types import CallControlId, ClientState, CommandId, NotEmpty
from .conference import Conference, Entry
from .conferences import Conferences
from .core import Core
from .errors import impossible, invalid, not_found
from .legs import ANSWERED_AFTER, CONNECTION_ID, RINGS_FOR, Leg, Legs
from .queues import QueuedCall, Queues
from .wire import Answer, Json, data, done, page

LONGEST_CALL = 4 * 3600
"""Seconds a dialled call lasts at most."""

_NUMBER = re.compile(r"\+[1-9]\d{1,14}(,[0-9A-D*#wW]+)?|sips?:[^\s@]+@[^\s@]+")


def _number(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise ValueError("must be a phone number in +E.164 format or a SIP URI")
    return value


Number = Annotated[str, AfterValidator(_number)]


class _Wire(Command):
    """A command beyond the tools: its long tail of other arguments is accepted and ignored."""

    model_config = ConfigDict(extra="ignore", defer_build=True)


class ConferenceConfig(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    id: str | None = None
    conference_name: str | None = None
    start_conference_on_create: bool | None = None
    supervisor_role: Literal["barge", "monitor", "none", "whisper"] | None = None
    whisper_call_control_ids: list[str] | None = None
    mute: bool | None = None
    hold: bool | None = None
    start_conference_on_enter: bool | None = None
    end_conference_on_exit: bool | None = None
    soft_end_conference_on_exit: bool | None = None


class Dial(_Wire):
    route = POST("/calls")

    connection_id: NotEmpty
    from_: Annotated[NotEmpty, Field(alias="from")]
    to: Number | Annotated[list[Number], Field(min_length=1, max_length=50)]
    client_state: ClientState | None = None
    command_id: CommandId | None = None
    conference_config: ConferenceConfig | None = None
    timeout_secs: Annotated[int, Field(ge=5, le=600)] | None = None
    time_limit_secs: Annotated[int, Field(ge=1, le=LONGEST_CALL)] | None = None


class GetCall(_Wire):
    route = GET("/calls/{call_control_id}")

    call_control_id: CallControlId


class AnswerCall(_Wire):
    route = POST("/calls/{call_control_id}/actions/answer")

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class RejectCall(_Wire):
    route = POST("/calls/{call_control_id}/actions/reject")

    call_control_id: CallControlId
    cause: Literal["CALL_REJECTED", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE", "USER_BUSY"]
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class HangUpCall(_Wire):
    route = POST("/calls/{call_control_id}/actions/hangup")

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class BridgeCall(_Wire):
    """The call in the path is bridged with the one in the body, or with a queue's first."""

    route = POST("/calls/{call_to_bridge}/actions/bridge")

    call_to_bridge: CallControlId
    call_control_id: CallControlId | None = None
    queue: NotEmpty | None = None
    park_after_unbridge: str | None = None
    prevent_double_bridge: bool | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class ListActiveCalls(_Wire):
    route = GET("/connections/{connection_id}/active_calls")

    connection_id: str
    page_number: Annotated[int, Field(ge=1)] | None = None
    page_size: Annotated[int, Field(ge=1, le=250)] | None = None


_REJECTED = {
    "CALL_REJECTED": "call_rejected",
    "NOT_FOUND": "not_found",
    "TEMPORARILY_UNAVAILABLE": "unspecified",
    "USER_BUSY": "user_busy",
}


@dataclass(eq=False, slots=True)
class BridgeEnd:
    """One leg's side of a bridge. When it hangs up or goes elsewhere, the other leg is hung up or parked."""

    legs: Legs
    peer: Leg
    peer_parks: bool
    """Whether the peer stays up then."""

    def vacated(self) -> None:
        self.hung_up()

    def hung_up(self) -> None:
        self.peer.place = None
        if not self.peer_parks:
            self.legs.hang_up(self.peer)


class Calls:
    def __init__(self, core: Core, legs: Legs, conferences: Conferences, queues: Queues) -> None:
        self._core = core
        self._legs = legs
        self._conferences = conferences
        self._queues = queues

    def dial(self, command: Dial) -> Answer:
        if command.connection_id != CONNECTION_ID:
            detail = f"There is no connection '{command.connection_id}'; the sandbox has one, '{CONNECTION_ID}'."
            raise invalid("connection_id", detail)
        config = command.conference_config
        if config is not None and config.id is not None:
            self._conferences.open(config.id)
        numbers = [command.to] if isinstance(command.to, str) else command.to
        session = self._core.ids.uuid()
        legs = [self._dial(command, number.partition(",")[0], session) for number in numbers]
        # Telnyx says false here, always: it has only begun to dial.
        return data(self._legs.view(legs[0]) | {"is_alive": False})

    def _dial(self, command: Dial, number: str, session: str) -> Leg:
        leg = self._legs.dial(command.from_, number, session, command.client_state)
        rings = command.timeout_secs or RINGS_FOR
        self._when(leg, rings, lambda: self._ring_out(leg))
        if number.endswith("0198"):
            self._when(leg, ANSWERED_AFTER, lambda: self._legs.hang_up(leg, "user_busy", "callee"))
        elif not number.endswith("0199"):
            self._when(leg, ANSWERED_AFTER, lambda: self._picked_up(leg, command))
        return leg

    def _when(self, leg: Leg, seconds: float, run: Callable[[], None]) -> None:
        leg.timers.append(self._core.after(seconds, run))

    def _ring_out(self, leg: Leg) -> None:
        if leg.answered_at is None:
            self._legs.hang_up(leg, "timeout", "unknown")

    def _picked_up(self, leg: Leg, command: Dial) -> None:
        self._legs.answer(leg)
        limit = command.time_limit_secs or LONGEST_CALL
        self._when(leg, limit, lambda: self._legs.hang_up(leg, "time_limit", "unknown"))
        if command.conference_config is not None:
            self._join(leg, command.conference_config)

    def _join(self, leg: Leg, config: ConferenceConfig) -> None:
        """Join a dialled leg to its conference; it stays parked where that is not possible any more."""
        entry = Entry.of(config)
        conference = self._conference_of(config)
        if conference is not None and conference.status != "completed":
            if conference.can_admit(leg, entry):
                conference.admit(leg, entry)
        elif conference is None and config.conference_name:
            started = config.start_conference_on_create is not False
            self._conferences.start(leg, config.conference_name, entry.alone(), started=started)

    def _conference_of(self, config: ConferenceConfig) -> Conference | None:
        if config.id is not None:
            return self._conferences.by_id.get(config.id)
        return self._conferences.open_by_name(config.conference_name) if config.conference_name else None

    def get(self, command: GetCall) -> Answer:
        return data(self._legs.view(self._legs.named(command.call_control_id)))

    def answer(self, command: AnswerCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "answered")
        leg.remember(command.client_state)
        self._legs.answer(leg)
        return done()

    def reject(self, command: RejectCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "rejected")
        leg.remember(command.client_state)
        self._legs.hang_up(leg, _REJECTED[command.cause], "callee")
        return done()

    def _ringing_in(self, call_control_id: str, done_to_it: str) -> Leg:
        """An incoming leg that nobody has answered. Raises `Refused` (404, 422)."""
        leg = self._legs.in_path(call_control_id)
        if leg.direction != "incoming" or leg.answered_at is not None:
            detail = f"Call {call_control_id} cannot be {done_to_it}: only an incoming call that is not answered can."
            raise impossible("Invalid state for this command", detail)
        return leg

    def hang_up(self, command: HangUpCall) -> Answer:
        leg = self._legs.in_path(command.call_control_id)
        leg.remember(command.client_state)
        self._legs.we_hang_up(leg)
        return done()

    def bridge(self, command: BridgeCall) -> Answer:
        leg = self._legs.in_path(command.call_to_bridge)
        other = self._bridged_with(command)
        if other is leg:
            raise impossible("Invalid bridge", f"Call {leg.call_control_id} cannot be bridged with itself.")
        for one in (leg, other):
            self._legs.check_can_talk(one)
            self._check_not_bridged(one, other if one is leg else leg, bool(command.prevent_double_bridge))
        leg.remember(command.client_state)
        for one in (leg, other):
            self._legs.answer(one)
            self._free(one)
        if leg.is_alive and other.is_alive:
            self._connect(leg, other, leg_parks=command.park_after_unbridge == "self")
        return done()

    def _connect(self, leg: Leg, other: Leg, leg_parks: bool) -> None:
        leg.place = BridgeEnd(self._legs, other, peer_parks=False)
        other.place = BridgeEnd(self._legs, leg, peer_parks=leg_parks)
        for one in (leg, other):
            self._core.emit("call.bridged", one.parties())

    def _bridged_with(self, command: BridgeCall) -> Leg:
        """The other leg of a bridge. Raises `Refused` (404, 422)."""
        if command.queue is not None:
            call = self._queues.named(command.queue).first_alive()
            if call is None:
                raise impossible("Queue is empty", f"No live call waits in queue '{command.queue}'.", "queue")
            return call.leg
        if command.call_control_id is None:
            raise invalid("call_control_id", "Give call_control_id or queue.")
        return self._legs.in_body(command.call_control_id)

    def _check_not_bridged(self, leg: Leg, other: Leg, with_anyone: bool) -> None:
        """Raises `Refused` when a leg is bridged with the other already, or with anyone."""
        if isinstance(leg.place, BridgeEnd) and (with_anyone or leg.place.peer is other):
            raise impossible("Call already bridged", f"Call {leg.call_control_id} is bridged already.")

    def _free(self, leg: Leg) -> None:
        """Take a leg out of where it is, for a bridge."""
        if isinstance(leg.place, QueuedCall):
            leg.place.queue.take_out(leg.place, "bridged")
        else:
            self._legs.put(leg, None)

    def list_active(self, command: ListActiveCalls) -> Answer:
        if command.connection_id != CONNECTION_ID:
            raise not_found(f"There is no connection '{command.connection_id}'.")
        return page(self._legs.alive(), self._active, command)

    def _active(self, leg: Leg) -> Json:
        return {
            "record_type": "call",
            "call_control_id": leg.call_control_id,
            "call_leg_id": leg.call_leg_id,
            "call_session_id": leg.call_session_id,
            "call_duration": self._legs.duration(leg),
            "client_state": leg.client_state or "",
        }
