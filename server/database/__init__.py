"""One database for all that must outlive a process or be shared with another: events, approvals, limits, the audit.

Loads the database libraries only when it is opened.
"""

from .connect import open_database
from .dialect import Dialect, Into, Transaction
from .errors import StoreError, StoreUnreachable
from .notes import note, noted
from .timestamps import microseconds, moment_of
from .url import default_url, redacted_url

__all__ = [
    "Dialect",
    "Into",
    "StoreError",
    "StoreUnreachable",
    "Transaction",
    "default_url",
    "microseconds",
    "moment_of",
    "note",
    "noted",
    "open_database",
    "redacted_url",
]
