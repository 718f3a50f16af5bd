"""Calls around conferences and queues: dial, answer, reject, hang up, bridge, transfer."""

from collections.abc import Callable
from dataclasses import dataclass

from ...tools.calls import (
    MAX_CALL_S,
    AnswerCall,
    BridgeCalls,
    ConferenceConfig,
    Dial,
    GetCall,
    HangupCall,
    ListActiveCalls,
    RejectCall,
    TransferCall,
)
from .callees import DETECTIONS, callee_at
from .conference import Conference, JoinOptions
from .conferences import Conferences
from .context import SandboxContext
from .errors import impossible, invalid, not_found
from .legs import ANSWER_DELAY_S, CONNECTION_ID, RING_TIMEOUT_S, Leg, Legs
from .queues import QueuedCall, Queues
from .responses import Answer, Json, data, ok, page

_DETECTION_DELAY_S = 2.0
"""Seconds from the answer until it is known whether a machine has answered."""
_GREETING_DURATION_S = 5.0
"""Seconds that a machine's greeting goes on then."""

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
        self.peer.location = None
        if not self.peer_parks:
            self.legs.hang_up(self.peer)


class Calls:
    def __init__(self, context: SandboxContext, legs: Legs, conferences: Conferences, queues: Queues) -> None:
        self._context = context
        self._legs = legs
        self._conferences = conferences
        self._queues = queues

    def dial(self, command: Dial) -> Answer:
        if command.connection_id != CONNECTION_ID:
            detail = f"There is no connection '{command.connection_id}'; the sandbox has one, '{CONNECTION_ID}'."
            raise invalid("connection_id", detail)
        config = command.conference_config
        if config is not None and config.conference_id is not None:
            self._conferences.active(config.conference_id)
        if command.supervise_call_control_id is not None:
            self._legs.live_in_body(command.supervise_call_control_id, "supervise_call_control_id")
        session = self._context.ids.uuid()
        legs = [self._dial(command, number, session) for number in command.numbers()]
        # Telnyx says false here, always: it has only begun to dial.
        return data(self._legs.view(legs[0]) | {"is_alive": False})

    def _dial(self, command: Dial, number: str, session: str) -> Leg:
        leg = self._legs.dial(command.from_ or "", _without_digits(number), session, command.client_state)

        def picked_up() -> None:
            self._detect(leg, command.answering_machine_detection)
            if command.conference_config is not None:
                self._join(leg, command.conference_config)

        self._ring(leg, command, picked_up)
        return leg

    def transfer(self, command: TransferCall) -> Answer:
        leg = self._legs.live_in_path(command.call_control_id)
        self._legs.check_can_talk(leg)
        leg.remember(command.client_state)
        self._legs.answer(leg)
        number = _without_digits(command.to)
        target = self._legs.dial(command.from_ or leg.to, number, leg.call_session_id, leg.client_state)
        self._ring(target, command, lambda: self._hand_over(leg, target))
        return ok()

    def _hand_over(self, leg: Leg, target: Leg) -> None:
        """Connect a transferred call with whoever has answered."""
        if leg.is_alive:
            self._free(leg)
        if leg.is_alive:
            self._connect(leg, target, leg_parks=False)
        else:
            self._legs.hang_up(target)

    def _ring(self, leg: Leg, command: Dial | TransferCall, picked_up: Callable[[], None]) -> None:
        """Let a telephone ring, and whoever is there do what they do."""
        there = callee_at(leg.to)

        def answered() -> None:
            self._legs.answer(leg)
            limit = command.time_limit_secs or MAX_CALL_S
            self._when(leg, limit, lambda: self._legs.hang_up(leg, "time_limit", "unknown"))
            if there.stays is not None:
                self._when(leg, there.stays, lambda: self._legs.person_hangs_up(leg))
            picked_up()

        self._when(leg, command.timeout_secs or RING_TIMEOUT_S, lambda: self._ring_out(leg))
        if there.ends_with is not None:
            cause = there.ends_with
            self._when(leg, ANSWER_DELAY_S, lambda: self._legs.hang_up(leg, cause, "callee"))
        elif not there.never_answers:
            self._when(leg, ANSWER_DELAY_S, answered)

    def _when(self, leg: Leg, seconds: float, run: Callable[[], None]) -> None:
        leg.timers.append(self._context.after(seconds, run))

    def _ring_out(self, leg: Leg) -> None:
        if leg.answered_at is None:
            self._legs.hang_up(leg, "timeout", "unknown")

    def _detect(self, leg: Leg, mode: str | None) -> None:
        """Tell what has answered, where that was asked for."""
        detection = DETECTIONS.get(mode or "")
        if detection is None:
            return
        is_machine = callee_at(leg.to).is_machine

        def tell(what: str, result: str) -> Callable[[], None]:
            return lambda: self._context.emit(
                f"{detection.event_prefix}.{what}.ended", {**leg.parties(), "result": result}
            )

        self._when(leg, _DETECTION_DELAY_S, tell("detection", "machine" if is_machine else detection.human))
        if is_machine and detection.greeting is not None:
            self._when(leg, _DETECTION_DELAY_S + _GREETING_DURATION_S, tell("greeting", detection.greeting))

    def _join(self, leg: Leg, config: ConferenceConfig) -> None:
        """Join a dialled leg to its conference; it stays parked where that is not possible any more."""
        entry = JoinOptions.of(config)
        conference = self._conference_of(config)
        if conference is not None and conference.status != "completed":
            if conference.can_admit(leg, entry):
                conference.admit(leg, entry)
        elif conference is None and config.conference_name:
            started = config.start_conference_on_create is not False
            self._conferences.start(leg, config.conference_name, entry.alone(), started=started)

    def _conference_of(self, config: ConferenceConfig) -> Conference | None:
        if config.conference_id is not None:
            return self._conferences.by_id.get(config.conference_id)
        return self._conferences.open_by_name(config.conference_name) if config.conference_name else None

    def get(self, command: GetCall) -> Answer:
        return data(self._legs.view(self._legs.get(command.call_control_id)))

    def answer(self, command: AnswerCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "answered")
        leg.remember(command.client_state)
        self._legs.answer(leg)
        return ok()

    def reject(self, command: RejectCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "rejected")
        leg.remember(command.client_state)
        self._legs.hang_up(leg, _REJECTED[command.cause], "callee")
        return ok()

    def _ringing_in(self, call_control_id: str, done_to_it: str) -> Leg:
        """An incoming leg that nobody has answered. Raises `ApiError` (404, 422)."""
        leg = self._legs.live_in_path(call_control_id)
        if leg.direction != "incoming" or leg.answered_at is not None:
            detail = f"Call {call_control_id} cannot be {done_to_it}: only an incoming call that is not answered can."
            raise impossible("Invalid state for this command", detail)
        return leg

    def hang_up(self, command: HangupCall) -> Answer:
        leg = self._legs.live_in_path(command.call_control_id)
        leg.remember(command.client_state)
        self._legs.we_hang_up(leg)
        return ok()

    def bridge(self, command: BridgeCalls) -> Answer:
        leg = self._legs.live_in_path(command.call_control_id)
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
        return ok()

    def _connect(self, leg: Leg, other: Leg, leg_parks: bool) -> None:
        leg.location = BridgeEnd(self._legs, other, peer_parks=False)
        other.location = BridgeEnd(self._legs, leg, peer_parks=leg_parks)
        for one in (leg, other):
            self._context.emit("call.bridged", one.parties())

    def _bridged_with(self, command: BridgeCalls) -> Leg:
        """The other leg of a bridge. Raises `ApiError` (404, 422)."""
        if command.queue_name is None:
            return self._legs.live_in_body(command.other_call_control_id or "")
        call = self._queues.get_queue(command.queue_name).first_alive()
        if call is None:
            raise impossible("Queue is empty", f"No live call waits in queue '{command.queue_name}'.", "queue")
        return call.leg

    def _check_not_bridged(self, leg: Leg, other: Leg, with_anyone: bool) -> None:
        """Raises `ApiError` when a leg is bridged with the other already, or with anyone."""
        if isinstance(leg.location, BridgeEnd) and (with_anyone or leg.location.peer is other):
            raise impossible("Call already bridged", f"Call {leg.call_control_id} is bridged already.")

    def _free(self, leg: Leg) -> None:
        """Take a leg out of where it is, for a bridge."""
        if isinstance(leg.location, QueuedCall):
            leg.location.queue.take_out(leg.location, "bridged")
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


def _without_digits(number: str) -> str:
    """The number without the digits that are keyed once it answers."""
    return number.partition(",")[0]
