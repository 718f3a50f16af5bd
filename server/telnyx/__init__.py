"""The Telnyx API over HTTP."""

from .client import LIMITS, ApiResponse, TelnyxClient, Timing
from .errors import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable
from .suggestions import suggest_existing

__all__ = [
    "LIMITS",
    "ApiResponse",
    "OutcomeUnknown",
    "RateLimited",
    "TelnyxClient",
    "TelnyxFailed",
    "TelnyxRefused",
    "Timing",
    "Unreachable",
    "suggest_existing",
]
