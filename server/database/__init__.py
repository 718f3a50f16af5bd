"""One database for all that must outlive a process or be shared with another: events, approvals, limits, the audit.

Loads the database libraries only when it is opened.
"""

from .dialect import Dialect, Into, Session
from .errors import StoreError, StoreUnreachable
from .notes import note, noted
from .opening import open_database
from .place import default_url, shown
from .times import microseconds, moment_of

__all__ = [
    "Dialect",
    "Into",
    "Session",
    "StoreError",
    "StoreUnreachable",
    "default_url",
    "microseconds",
    "moment_of",
    "note",
    "noted",
    "open_database",
    "shown",
]
