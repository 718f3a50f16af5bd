"""Gathering keypad digits from one participant or one call leg."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...tools.audio import GatherDtmf
from ...tools.call_audio import GatherFromCall as AnyGather
from ...tools.call_audio import StopGather
from .audio import FILE_DURATION_S, check_audio, speech_seconds
from .call_audio import CallAudio, CallPlayback
from .clock import Timer
from .commands import GatherFromCall, GatherUsingAudioOnCall, GatherUsingSpeakOnCall
from .conferences import Conferences
from .context import SandboxContext
from .errors import impossible
from .legs import Leg, Legs
from .participants import require_participant
from .responses import Answer, ok

TIMEOUT_S = 60.0
INITIAL_TIMEOUT_S = 5.0
"""Of a gather without a prompt on a call leg."""
INTER_DIGIT_TIMEOUT_S = 5.0
MAX_DIGITS = 128
MAX_TRIES = 3
VALID_DIGITS = "0123456789#*"

_MAX_MILLIS = 10**12
"""A larger number does not fit a float's arithmetic and makes no difference."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the person hears before the digits: a file, or speech of this length."""

    seconds: float = FILE_DURATION_S
    audio_url: str | None = None
    media_name: str | None = None


@dataclass(frozen=True, slots=True)
class GatherOptions:
    """The rules of a gather; times are in seconds. The defaults are Telnyx's."""

    min_digits: int
    max_digits: int
    valid_digits: str
    terminating_digit: str
    timeout_s: float
    inter_digit_timeout_s: float
    initial_timeout_s: float | None = None
    tries: int = 1
    prompt: Prompt | None = None
    invalid_prompt: Prompt | None = None
    digits_stop_prompt: bool = True
    gather_id: str | None = None


class Gather:
    """One gather: a prompt, then digits until there are enough or time is up; then perhaps another try.

    `play` starts a prompt and returns how to stop it.
    """

    def __init__(
        self, context: SandboxContext, leg: Leg, options: GatherOptions, play: Callable[[Prompt], Callable[[], None]]
    ) -> None:
        self._context = context
        self._leg = leg
        self._options = options
        self._play = play
        self._tries_left = options.tries
        self._digits = ""
        self._stop_prompt: Callable[[], None] | None = None
        self._timers: list[Timer] = []

    def start(self) -> None:
        if self._leg.gathering is not None:
            self._leg.gathering.end("cancelled")
        self._leg.gathering = self
        self._try(self._options.prompt)

    def _try(self, prompt: Prompt | None) -> None:
        self._tries_left -= 1
        self._digits = ""
        self._stop_waiting()
        if prompt is None:
            self._listen()
        else:
            self._stop_prompt = self._play(prompt)
            self._wait(prompt.seconds, self._listen)

    def _listen(self) -> None:
        """The prompt is over: the time for digits starts."""
        options = self._options
        self._end_prompt()
        self._stop_waiting()
        self._wait(options.timeout_s, self._time_out)
        if self._digits:
            self._await_next_digit()
        elif options.initial_timeout_s:
            self._wait(options.initial_timeout_s, lambda: self._time_out_after(""))

    def _end_prompt(self) -> None:
        stop, self._stop_prompt = self._stop_prompt, None
        if stop is not None:
            stop()

    def press(self, digit: str) -> None:
        """The person pressed a key. A digit that is not valid is ignored."""
        options = self._options
        if self._stop_prompt is not None and options.digits_stop_prompt:
            self._listen()
        if digit == options.terminating_digit:
            self._conclude("invalid")
            return
        if digit not in options.valid_digits:
            return
        self._digits += digit
        if len(self._digits) >= options.max_digits:
            self._conclude("invalid")
        elif self._stop_prompt is None:
            self._await_next_digit()

    def _await_next_digit(self) -> None:
        digits = self._digits
        self._wait(self._options.inter_digit_timeout_s, lambda: self._time_out_after(digits))

    def _time_out_after(self, digits: str) -> None:
        """Time is up if no digit has come since."""
        if digits == self._digits:
            self._time_out()

    def _time_out(self) -> None:
        self._conclude("invalid" if self._digits else "timeout")

    def _conclude(self, failure: str) -> None:
        """End this try: with success, with another try, or with a failure."""
        options = self._options
        if len(self._digits) >= options.min_digits:
            self.end("valid")
        elif not self._tries_left:
            self.end(failure)
        else:
            self._end_prompt()
            self._try((options.invalid_prompt if self._digits else None) or options.prompt)

    def _wait(self, seconds: float, run: Callable[[], None]) -> None:
        self._timers.append(self._context.after(seconds, run))

    def _stop_waiting(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def end(self, status: str) -> None:
        self._stop_waiting()
        self._leg.gathering = None
        if status != "call_hangup":  # then the prompt ends with the call
            self._end_prompt()
        payload = {
            **self._leg.parties(),
            "digits": self._digits,
            "status": status,
            "gather_id": self._options.gather_id,
        }
        self._context.emit("call.gather.ended", payload)


def _seconds(millis: int | None, default: float) -> float:
    return default if millis is None else min(millis, _MAX_MILLIS) / 1000


def _file(audio_url: str | None, media_name: str | None) -> Prompt | None:
    return Prompt(audio_url=audio_url, media_name=media_name) if audio_url or media_name else None


def _speech(payload: str | None) -> Prompt | None:
    return None if payload is None else Prompt(speech_seconds(payload))


def _play_silently(_: Prompt) -> Callable[[], None]:
    """A prompt without webhooks."""
    return lambda: None


def _digit_options(command: GatherDtmf | AnyGather | GatherUsingSpeakOnCall) -> GatherOptions:
    """The options that every kind of gather has: which digits, how many, and how long to wait for them."""
    return GatherOptions(
        min_digits=command.minimum_digits or 1,
        max_digits=command.maximum_digits or MAX_DIGITS,
        valid_digits=command.valid_digits or VALID_DIGITS,
        terminating_digit="#" if command.terminating_digit is None else command.terminating_digit,
        timeout_s=_seconds(command.timeout_millis, TIMEOUT_S),
        inter_digit_timeout_s=_seconds(command.inter_digit_timeout_millis, INTER_DIGIT_TIMEOUT_S),
    )


class Gathers:
    def __init__(self, context: SandboxContext, legs: Legs, conferences: Conferences, call_audio: CallAudio) -> None:
        self._context = context
        self._legs = legs
        self._conferences = conferences
        self._call_audio = call_audio

    def start(self, command: GatherDtmf) -> Answer:
        """Gather digits from a participant of a conference."""
        conference = self._conferences.active_by_id(command.conference_id)
        leg = require_participant(conference, command.call_control_id).leg
        check_audio(audio_url=command.audio_url, invalid_audio_url=command.invalid_audio_url)
        leg.remember(command.client_state)
        initial = command.initial_timeout_millis
        options = replace(
            _digit_options(command),
            initial_timeout_s=None if initial is None else _seconds(initial, 0),
            tries=command.maximum_tries or MAX_TRIES,
            prompt=_file(command.audio_url, command.media_name),
            invalid_prompt=_file(command.invalid_audio_url, command.invalid_media_name),
            digits_stop_prompt=command.stop_playback_on_dtmf is not False,
            gather_id=command.gather_id,
        )
        Gather(self._context, leg, options, _play_silently).start()
        return ok()

    def gather(self, command: GatherFromCall) -> Answer:
        initial = _seconds(command.initial_timeout_millis, INITIAL_TIMEOUT_S)
        return self._start(command, initial_timeout_s=initial, gather_id=command.gather_id)

    def gather_using_audio(self, command: GatherUsingAudioOnCall) -> Answer:
        check_audio(audio_url=command.audio_url, invalid_audio_url=command.invalid_audio_url)
        return self._start(
            command,
            tries=command.maximum_tries or MAX_TRIES,
            prompt=_file(command.audio_url, command.media_name),
            invalid_prompt=_file(command.invalid_audio_url, command.invalid_media_name),
        )

    def gather_using_speak(self, command: GatherUsingSpeakOnCall) -> Answer:
        return self._start(
            command,
            tries=command.maximum_tries or MAX_TRIES,
            prompt=_speech(command.payload),
            invalid_prompt=_speech(command.invalid_payload),
        )

    def _start(
        self,
        command: AnyGather | GatherUsingSpeakOnCall,
        *,
        initial_timeout_s: float | None = None,
        tries: int = 1,
        prompt: Prompt | None = None,
        invalid_prompt: Prompt | None = None,
        gather_id: str | None = None,
    ) -> Answer:
        """Gather digits from a call leg."""
        leg = self._legs.answered(command.call_control_id)
        leg.remember(command.client_state)
        options = replace(
            _digit_options(command),
            initial_timeout_s=initial_timeout_s,
            tries=tries,
            prompt=prompt,
            invalid_prompt=invalid_prompt,
            gather_id=gather_id,
        )
        Gather(self._context, leg, options, lambda played: self._play_to(leg, played)).start()
        return ok()

    def _play_to(self, leg: Leg, prompt: Prompt) -> Callable[[], None]:
        """Play a file as the prompt on a leg. Telnyx announces no webhooks for spoken prompts."""
        if prompt.audio_url is None and prompt.media_name is None:
            return lambda: None
        playback: CallPlayback = self._call_audio.play_file(leg, prompt.audio_url, prompt.media_name)
        return lambda: self._call_audio.queue_of(leg).stop_playback(playback)

    def stop(self, command: StopGather) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        if leg.gathering is None:
            raise impossible("No gather in progress", f"Call {leg.call_control_id} gathers no digits.")
        leg.remember(command.client_state)
        leg.gathering.end("cancelled")
        return ok()

    def press(self, leg: Leg, digits: str) -> None:
        """The person at the far end of a leg presses keys."""
        for digit in digits:
            self._context.emit("call.dtmf.received", {**leg.parties(), "digit": digit})
            if leg.gathering is not None:
                leg.gathering.press(digit)
