"""Tools for the state of one call: its client state, and the role of its supervisor."""

from typing import Annotated, Literal

from .base import POST, PUT, ByArgument, Command, Retry, Risk
from .results import Accepted
from .types import CallControlId, Note, described


class UpdateClientState(Command):
    """Replace the client_state of a call, for example with a note on the caller."""

    route = PUT("/calls/{call_control_id}/actions/client_state_update")
    risk = Risk.ROUTINE
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "set the client state of {call_control_id}"

    call_control_id: CallControlId
    client_state: Note


class SwitchSupervisorRole(Command):
    """Change the role of a supervisor of a bridged call; in a conference, update_supervisor."""

    route = POST("/calls/{call_control_id}/actions/switch_supervisor_role")
    risk = ByArgument("role", {"monitor": Risk.DESTRUCTIVE, "whisper": Risk.DESTRUCTIVE}, Risk.DISRUPTIVE)
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "make {call_control_id} {role} as supervisor"

    call_control_id: CallControlId
    role: Annotated[
        Literal["barge", "monitor", "whisper"],
        described("whisper: only the supervised call hears it."),
    ]
