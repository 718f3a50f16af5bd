"""Supervisors beside a call leg outside conferences."""

from dataclasses import dataclass

from ...tools.call_state import SwitchSupervisorRole
from .errors import impossible
from .legs import Leg, Legs
from .responses import Answer, ok


@dataclass(eq=False, slots=True)
class Supervision:
    """A supervisor's place beside the leg it supervises. It is hung up when that leg ends."""

    legs: Legs
    supervised: Leg
    supervisor: Leg
    role: str

    def on_leave(self) -> None:
        self.supervised.activities = [activity for activity in self.supervised.activities if activity is not self]

    def on_hangup(self) -> None:
        self.on_leave()

    def on_call_end(self) -> None:
        """The supervised leg has ended."""
        self.legs.hang_up(self.supervisor)


class Supervisors:
    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    def supervise(self, supervisor: Leg, supervised: Leg, role: str) -> None:
        """Put a supervisor beside a leg. If that leg has ended, hang up the supervisor."""
        if not supervised.is_alive:
            self._legs.hang_up(supervisor)
            return
        supervision = Supervision(self._legs, supervised, supervisor, role)
        supervised.activities.append(supervision)
        self._legs.move(supervisor, supervision)

    def switch_role(self, command: SwitchSupervisorRole) -> Answer:
        leg = self._legs.live(command.call_control_id)
        if not isinstance(leg.location, Supervision):
            raise impossible("Call is not a supervisor", f"Call {leg.call_control_id} supervises no call.")
        leg.location.role = command.role
        return ok()
