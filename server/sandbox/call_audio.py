"""Files and speech on one call leg: one plays, the others wait behind it."""

from dataclasses import dataclass, field

from .audio import FILE_DURATION_S, check_audio, speech_seconds
from .clock import Timer
from .commands import PlayToCall, SpeakToCall, StopCallAudio
from .context import SandboxContext
from .errors import impossible, missing
from .legs import Leg, Legs
from .responses import Answer, Json, ok


@dataclass(eq=False, slots=True)
class CallPlayback:
    """A file or a text for one leg. `seconds`: how long it plays; None: until it is stopped."""

    kind: str
    """playback or speak."""
    seconds: float | None
    media: Json
    overlay: bool = False
    timer: Timer | None = None


@dataclass(eq=False, slots=True)
class PlaybackQueue:
    """What one leg hears, in order: the first plays. Overlays play at once."""

    context: SandboxContext
    leg: Leg
    waiting: list[CallPlayback] = field(default_factory=list[CallPlayback])
    overlays: list[CallPlayback] = field(default_factory=list[CallPlayback])

    def add(self, playback: CallPlayback) -> None:
        if playback.overlay:
            self.overlays.append(playback)
            self._start(playback)
            return
        self.waiting.append(playback)
        if len(self.waiting) == 1:
            self._start(playback)

    def _start(self, playback: CallPlayback) -> None:
        self._emit(playback, "started")
        if playback.seconds is not None:
            playback.timer = self.context.after(playback.seconds, lambda: self._finish(playback, "completed"))

    def _finish(self, playback: CallPlayback, status: str) -> None:
        """End what plays, and start what waits behind it."""
        if playback.timer is not None:
            playback.timer.cancel()
        queue = self.overlays if playback in self.overlays else self.waiting
        queue.remove(playback)
        self._emit(playback, "ended", status)
        if queue is self.waiting and self.waiting:
            self._start(self.waiting[0])

    def stop_current(self) -> None:
        if self.waiting:
            self._finish(self.waiting[0], "cancelled")

    def stop_all(self) -> None:
        """Stop what plays and drop what waits; dropped files never started, so no webhook reports them."""
        del self.waiting[1:]
        self.stop_current()

    def stop_overlays(self) -> None:
        for playback in list(self.overlays):
            self._finish(playback, "cancelled")

    def on_call_end(self) -> None:
        del self.waiting[1:]
        for playback in (*self.overlays, *self.waiting):
            self._finish(playback, "call_hangup")

    def stop_playback(self, playback: CallPlayback) -> None:
        """Stop one, if it still plays or waits."""
        if playback in self.waiting:
            if playback is self.waiting[0]:
                self._finish(playback, "cancelled")
            else:
                self.waiting.remove(playback)

    def _emit(self, playback: CallPlayback, phase: str, status: str | None = None) -> None:
        if playback.kind == "speak" and status == "cancelled":
            status = "completed"  # the documented webhook has no word for speech that was stopped
        payload = {**self.leg.ids(), **playback.media, "status": status}
        if playback.kind == "playback":
            payload["overlay"] = playback.overlay
        self.context.emit(f"call.{playback.kind}.{phase}", payload)


class CallAudio:
    def __init__(self, context: SandboxContext, legs: Legs) -> None:
        self._context = context
        self._legs = legs

    def queue_of(self, leg: Leg) -> PlaybackQueue:
        for activity in leg.activities:
            if isinstance(activity, PlaybackQueue):
                return activity
        queue = PlaybackQueue(self._context, leg)
        leg.activities.append(queue)
        return queue

    def play_file(
        self, leg: Leg, audio_url: str | None, media_name: str | None, times: int | str = 1, *, overlay: bool = False
    ) -> CallPlayback:
        seconds = FILE_DURATION_S * times if isinstance(times, int) else None
        media = {"media_url": audio_url, "media_name": media_name}
        playback = CallPlayback("playback", seconds, media, overlay)
        self.queue_of(leg).add(playback)
        return playback

    def play(self, command: PlayToCall) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        if not (command.audio_url or command.media_name or command.playback_content):
            raise missing(["audio_url"])
        check_audio(audio_url=command.audio_url)
        queue = self.queue_of(leg)
        if command.overlay and not queue.waiting:
            raise impossible("Nothing to overlay", "Overlay needs another audio file that is being played.", "overlay")
        leg.remember(command.client_state)
        self._stop(queue, command.stop)
        times = 1 if command.loop is None else command.loop
        for target in self._targets(leg, command.target_legs):
            self.play_file(target, command.audio_url, command.media_name, times, overlay=bool(command.overlay))
        return ok()

    def speak(self, command: SpeakToCall) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        leg.remember(command.client_state)
        self._stop(self.queue_of(leg), command.stop)
        times = 1 if command.loop is None else command.loop
        seconds = speech_seconds(command.payload) * times if isinstance(times, int) else None
        for target in self._targets(leg, command.target_legs):
            self.queue_of(target).add(CallPlayback("speak", seconds, {}))
        return ok()

    def stop(self, command: StopCallAudio) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        leg.remember(command.client_state)
        queue = self.queue_of(leg)
        if command.overlay:
            queue.stop_overlays()
        else:
            self._stop(queue, command.stop or "all")
        return ok()

    def _stop(self, queue: PlaybackQueue, extent: str | None) -> None:
        if extent == "current":
            queue.stop_current()
        elif extent == "all":
            queue.stop_all()

    def _targets(self, leg: Leg, target_legs: str | None) -> list[Leg]:
        """The legs that hear it: `opposite` is the leg at the other end of a bridge."""
        peer: Leg | None = getattr(leg.location, "peer", None)
        opposite = [peer] if peer is not None else []
        if target_legs == "opposite":
            return opposite
        return [leg, *opposite] if target_legs == "both" else [leg]
