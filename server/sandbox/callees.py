"""The people at the far end of dialled calls: the last digits of a number say what they do."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Callee:
    """What happens at the telephone that rings."""

    ends_with: str | None = None
    """The hang-up cause, if it is not answered."""
    never_answers: bool = False
    is_machine: bool = False
    stays: float | None = None
    """Seconds after the answer until it hangs up; None: never."""


_ANSWERS_AND_STAYS = Callee()

_BY_LAST_DIGITS: Mapping[str, Callee] = {
    "0195": Callee(stays=20.0),
    "0196": Callee(is_machine=True),
    "0197": Callee(ends_with="call_rejected"),
    "0198": Callee(ends_with="user_busy"),
    "0199": Callee(never_answers=True),
}


def callee_at(number: str) -> Callee:
    """The callee at a phone number or SIP URI."""
    user = number.partition("@")[0]
    return _BY_LAST_DIGITS.get(user[-4:], _ANSWERS_AND_STAYS)


@dataclass(frozen=True, slots=True)
class Detection:
    """The events and results of one mode of answering-machine detection."""

    event_prefix: str
    """The type of the event, without `.detection.ended`."""
    human: str
    greeting: str | None
    """The result at the end of a machine's greeting; None: no event."""


_STANDARD, _PREMIUM = "call.machine", "call.machine.premium"

DETECTIONS: Mapping[str, Detection] = {
    "detect": Detection(_STANDARD, "human", None),
    "detect_beep": Detection(_STANDARD, "human", "beep_detected"),
    "detect_words": Detection(_STANDARD, "human", "ended"),
    "greeting_end": Detection(_STANDARD, "human", "ended"),
    "premium": Detection(_PREMIUM, "human_residence", "beep_detected"),
    "premium_ios_call_screening_detection": Detection(_PREMIUM, "human_residence", "beep_detected"),
}
"""By the argument `answering_machine_detection`."""
