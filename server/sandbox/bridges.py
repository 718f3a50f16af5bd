"""Bridges: two call legs that hear each other, outside conferences."""

from dataclasses import dataclass
from typing import Literal

from .commands import BridgeCalls
from .context import SandboxContext
from .errors import impossible
from .legs import Leg, Legs
from .queues import QueuedCall, Queues
from .recordings import Recordings
from .responses import Answer, ok

AfterBridge = Literal["hang_up", "park", "hold"]


@dataclass(eq=False, slots=True)
class BridgeEnd:
    """One leg's side of a bridge. When that leg hangs up or goes elsewhere, the other leg follows `peer_after`."""

    legs: Legs
    peer: Leg
    peer_after: AfterBridge

    def on_leave(self) -> None:
        self.on_hangup()

    def on_hangup(self) -> None:
        self.peer.location = None
        if self.peer_after == "hang_up":
            self.legs.hang_up(self.peer)
        elif self.peer_after == "hold":
            self.legs.hold(self.peer)


class Bridges:
    def __init__(self, context: SandboxContext, legs: Legs, queues: Queues, recordings: Recordings) -> None:
        self._context = context
        self._legs = legs
        self._queues = queues
        self._recordings = recordings

    def bridge(self, command: BridgeCalls) -> Answer:
        leg = self._legs.live(command.call_control_id)
        other = self._bridge_target(command)
        if other is leg:
            raise impossible("Invalid bridge", f"Call {leg.call_control_id} cannot be bridged with itself.")
        for end, peer in ((leg, other), (other, leg)):
            self._legs.check_can_talk(end)
            self._check_not_bridged(end, peer, bool(command.prevent_double_bridge))
        leg.remember(command.client_state)
        for end in (leg, other):
            self._legs.answer(end)
            self.free(end)
        if leg.is_alive and other.is_alive:
            after: AfterBridge = "hang_up"
            if command.hold_after_unbridge:
                after = "hold"
            elif command.park_after_unbridge == "self":
                after = "park"
            self.connect(leg, other, after)
            if command.record is not None:
                self._recordings.record_from_answer(leg, command, self._context.ids.uuid())
        return ok()

    def _bridge_target(self, command: BridgeCalls) -> Leg:
        """The other leg of a bridge. Raises `ApiError` (404, 422)."""
        if command.queue_name is None:
            return self._legs.live(command.other_call_control_id or "")
        call = self._queues.get_queue(command.queue_name).first_alive()
        if call is None:
            raise impossible("Queue is empty", f"No live call waits in queue '{command.queue_name}'.", "queue")
        return call.leg

    def _check_not_bridged(self, leg: Leg, other: Leg, with_anyone: bool) -> None:
        """Raises `ApiError` when a leg is bridged with the other already, or with anyone."""
        if isinstance(leg.location, BridgeEnd) and (with_anyone or leg.location.peer is other):
            raise impossible("Call already bridged", f"Call {leg.call_control_id} is bridged already.")

    def connect(self, leg: Leg, other: Leg, leg_after: AfterBridge) -> None:
        """Bridge two legs. `leg_after`: what happens to the first when the bridge ends; the other is hung up."""
        for end in (leg, other):
            if end.on_hold:
                self._legs.unhold(end)
        leg.location = BridgeEnd(self._legs, other, peer_after="hang_up")
        other.location = BridgeEnd(self._legs, leg, peer_after=leg_after)
        for end in (leg, other):
            self._context.emit("call.bridged", end.parties())

    def free(self, leg: Leg) -> None:
        """Take a leg out of its location, for a bridge."""
        if isinstance(leg.location, QueuedCall):
            leg.location.queue.take_out(leg.location, "bridged")
        else:
            self._legs.move(leg, None)
