"""Digits asked for on one participant's keypad."""

from collections.abc import Callable

from ...tools.audio import GatherDtmf
from .audio import FILE_DURATION_S
from .clock import Timer
from .conferences import Conferences
from .context import SandboxContext
from .legs import Leg
from .participants import require_participant
from .responses import Answer, ok

TIMEOUT_S = 60.0
"""Seconds to wait for input after the prompt, if the command does not say."""
INTER_DIGIT_TIMEOUT_S = 5.0
"""Seconds to wait for the next digit, if the command does not say."""
MAX_DIGITS = 128

_MAX_MILLIS = 10**12
"""Milliseconds; more does not fit a float's arithmetic and makes no difference."""


class Gather:
    """One gather: a prompt, then digits until there are enough, or it took too long; then perhaps another try."""

    def __init__(self, context: SandboxContext, leg: Leg, command: GatherDtmf) -> None:
        self._context = context
        self._leg = leg
        self._command = command
        self._fewest = command.minimum_digits or 1
        self._most = command.maximum_digits or MAX_DIGITS
        self._ends_with = "#" if command.terminating_digit is None else command.terminating_digit
        self._tries_left = command.maximum_tries or 1
        self._digits = ""
        self._prompting = False
        self._timers: list[Timer] = []

    def start(self) -> None:
        if self._leg.gathering is not None:
            self._leg.gathering.end("cancelled")
        self._leg.gathering = self
        self._try(prompt=bool(self._command.audio_url or self._command.media_name))

    def _try(self, prompt: bool) -> None:
        self._tries_left -= 1
        self._digits = ""
        self._stop_waiting()
        self._prompting = prompt
        if prompt:
            self._wait(FILE_DURATION_S, self._listen)
        else:
            self._listen()

    def _listen(self) -> None:
        """The prompt is over: the time for digits runs."""
        command = self._command
        self._prompting = False
        self._stop_waiting()
        self._wait(_seconds(command.timeout_millis, TIMEOUT_S), self._out_of_time)
        if self._digits:
            self._await_next()
        elif command.initial_timeout_millis:
            self._wait(_seconds(command.initial_timeout_millis, TIMEOUT_S), lambda: self._out_of_time_after(""))

    def press(self, digit: str) -> None:
        """The person pressed a key. A digit that is not valid is ignored."""
        command = self._command
        if self._prompting and command.stop_playback_on_dtmf is not False:
            self._listen()
        if digit == self._ends_with:
            self._judge("invalid")
            return
        if command.valid_digits is not None and digit not in command.valid_digits:
            return
        self._digits += digit
        if len(self._digits) >= self._most:
            self._judge("invalid")
        elif not self._prompting:
            self._await_next()

    def _await_next(self) -> None:
        heard = self._digits
        pause = _seconds(self._command.inter_digit_timeout_millis, INTER_DIGIT_TIMEOUT_S)
        self._wait(pause, lambda: self._out_of_time_after(heard))

    def _out_of_time_after(self, heard: str) -> None:
        if heard == self._digits:
            self._out_of_time()

    def _out_of_time(self) -> None:
        self._judge("invalid" if self._digits else "timeout")

    def _judge(self, failure: str) -> None:
        """No more digits come in this try."""
        command = self._command
        if len(self._digits) >= self._fewest:
            self.end("valid")
        elif not self._tries_left:
            self.end(failure)
        else:
            says_invalid = self._digits and (command.invalid_audio_url or command.invalid_media_name)
            self._try(prompt=bool(says_invalid or command.audio_url or command.media_name))

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._timers.append(self._context.after(seconds, then))

    def _stop_waiting(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def end(self, status: str) -> None:
        self._stop_waiting()
        self._leg.gathering = None
        self._context.emit(
            "call.gather.ended",
            {
                **self._leg.parties(),
                "digits": self._digits,
                "status": status,
                "gather_id": self._command.gather_id,
            },
        )


def _seconds(millis: int | None, otherwise: float) -> float:
    return otherwise if millis is None else min(millis, _MAX_MILLIS) / 1000


class Gathers:
    def __init__(self, context: SandboxContext, conferences: Conferences) -> None:
        self._context = context
        self._conferences = conferences

    def start(self, command: GatherDtmf) -> Answer:
        conference = self._conferences.active(command.conference_id)
        leg = require_participant(conference, command.call_control_id).leg
        leg.remember(command.client_state)
        Gather(self._context, leg, command).start()
        return ok()

    def press(self, leg: Leg, digits: str) -> None:
        """The person at the far end of a leg keys digits."""
        for digit in digits:
            self._context.emit("call.dtmf.received", {**leg.parties(), "digit": digit})
            if leg.gathering is not None:
                leg.gathering.press(digit)
