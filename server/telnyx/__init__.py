"""Telnyx's API over HTTP."""

from .client import Answer, Telnyx, Timing
from .errors import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable
from .known import known_instead

__all__ = [
    "Answer",
    "OutcomeUnknown",
    "RateLimited",
    "Telnyx",
    "TelnyxFailed",
    "TelnyxRefused",
    "Timing",
    "Unreachable",
    "known_instead",
]
