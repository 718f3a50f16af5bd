"""Telnyx's API over HTTP."""

from .client import ApiResponse, TelnyxClient, Timing
from .errors import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable
from .known import known_instead

__all__ = [
    "ApiResponse",
    "OutcomeUnknown",
    "RateLimited",
    "TelnyxClient",
    "TelnyxFailed",
    "TelnyxRefused",
    "Timing",
    "Unreachable",
    "known_instead",
]
