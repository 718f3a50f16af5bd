"""The Telnyx API over HTTP."""

from .client import ApiResponse, TelnyxClient, Timing
from .errors import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable
from .http_transport import http_transport
from .suggestions import suggest_existing

__all__ = [
    "ApiResponse",
    "OutcomeUnknown",
    "RateLimited",
    "TelnyxClient",
    "TelnyxFailed",
    "TelnyxRefused",
    "Timing",
    "Unreachable",
    "http_transport",
    "suggest_existing",
]
