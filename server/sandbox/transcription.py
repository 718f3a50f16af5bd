"""Live transcription of call legs."""

from dataclasses import dataclass

from ...tools.transcription import StopTranscription
from .commands import StartTranscription
from .context import SandboxContext
from .errors import impossible, transcription_active
from .legs import Leg, Legs
from .responses import Answer, ok


@dataclass(eq=False, slots=True)
class LiveTranscription:
    """A live transcription of a leg. It sends `call.transcription` when `transcribe` is called."""

    def on_call_end(self) -> None:
        pass


class Transcriptions:
    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    def start(self, command: StartTranscription) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        if is_transcribed(leg):
            raise transcription_active()
        leg.remember(command.client_state)
        leg.activities.append(LiveTranscription())
        return ok()

    def stop(self, command: StopTranscription) -> Answer:
        leg = self._legs.live(command.call_control_id)
        if not is_transcribed(leg):
            raise impossible("No transcription in progress", f"Call {leg.call_control_id} is not being transcribed.")
        leg.remember(command.client_state)
        leg.activities = [activity for activity in leg.activities if not isinstance(activity, LiveTranscription)]
        return ok()


def transcribe(context: SandboxContext, leg: Leg, text: str) -> None:
    """The person at the far end speaks: a leg that is transcribed sends what it heard."""
    if is_transcribed(leg):
        heard = {"confidence": 0.98, "is_final": True, "transcript": text, "transcription_track": "inbound"}
        context.emit("call.transcription", {**leg.ids(), "transcription_data": heard})


def is_transcribed(leg: Leg) -> bool:
    """Whether a live transcription of a leg runs."""
    return any(isinstance(activity, LiveTranscription) for activity in leg.activities)
