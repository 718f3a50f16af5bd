"""Calls: look at, list, answer, reject and hang up call legs."""

from collections.abc import Callable

from ...tools.call_state import UpdateClientState
from ...tools.calls import GetCall, HangupCall, RejectCall
from .commands import AnswerCall, ListActiveCalls, SendCallDtmf, WebhookArguments
from .context import SandboxContext
from .errors import impossible, unknown_connection
from .legs import CONNECTION_ID, Leg, Legs
from .recordings import Recordings
from .responses import Answer, Json, active_calls_page, data, ok

_REJECTED = {
    "CALL_REJECTED": "call_rejected",
    "NOT_FOUND": "not_found",
    "TEMPORARILY_UNAVAILABLE": "unspecified",
    "USER_BUSY": "user_busy",
}


class Calls:
    def __init__(
        self,
        context: SandboxContext,
        legs: Legs,
        recordings: Recordings,
        set_webhooks: Callable[[str, WebhookArguments], None],
    ) -> None:
        """`set_webhooks` directs the webhooks of a call_control_id to where a request asks."""
        self._context = context
        self._legs = legs
        self._recordings = recordings
        self._set_webhooks = set_webhooks

    def get(self, command: GetCall) -> Answer:
        return data(self._legs.view(self._legs.get(command.call_control_id)))

    def answer(self, command: AnswerCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "answered")
        leg.remember(command.client_state)
        self._set_webhooks(leg.call_control_id, command)
        self._legs.answer(leg)
        if command.record is None:
            return ok()
        recording_id = self._context.ids.uuid()
        self._recordings.record_from_answer(leg, command, recording_id)
        return data({"result": "ok", "recording_id": recording_id})

    def reject(self, command: RejectCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "rejected")
        leg.remember(command.client_state)
        self._legs.hang_up(leg, _REJECTED[command.cause], "callee")
        return ok()

    def _ringing_in(self, call_control_id: str, action: str) -> Leg:
        """An incoming leg that is not answered. Raises `ApiError` (422)."""
        leg = self._legs.live(call_control_id)
        if leg.direction != "incoming" or leg.answered_at is not None:
            detail = f"Call {call_control_id} cannot be {action}: only an incoming call that is not answered can."
            raise impossible("Invalid state for this command", detail)
        return leg

    def hang_up(self, command: HangupCall) -> Answer:
        leg = self._legs.live(command.call_control_id)
        leg.remember(command.client_state)
        self._legs.application_hangs_up(leg)
        return ok()

    def send_dtmf(self, command: SendCallDtmf) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        leg.remember(command.client_state)
        leg.digits_sent += sum(digit not in "wW" for digit in command.digits)
        return ok()

    def update_client_state(self, command: UpdateClientState) -> Answer:
        self._legs.live(command.call_control_id).client_state = command.client_state
        return ok()

    def list_active(self, command: ListActiveCalls) -> Answer:
        if command.connection_id != CONNECTION_ID:
            raise unknown_connection(command.connection_id or "")
        return active_calls_page([self._active(leg) for leg in self._legs.alive()], command)

    def _active(self, leg: Leg) -> Json:
        return {
            "record_type": "call",
            "call_control_id": leg.call_control_id,
            "call_leg_id": leg.call_leg_id,
            "call_session_id": leg.call_session_id,
            "call_duration": self._legs.duration(leg),
            "client_state": leg.client_state or "",
        }
