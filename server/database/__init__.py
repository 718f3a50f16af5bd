"""The database that holds events, approvals, limits and the audit: SQLite, or PostgreSQL for several processes."""

from .connect import open_database
from .database import Database, Transaction
from .errors import StoreError, StoreUnreachable
from .shared_values import get_value, set_value
from .timestamps import microseconds, moment_of
from .url import default_url, redacted_url

__all__ = [
    "Database",
    "StoreError",
    "StoreUnreachable",
    "Transaction",
    "default_url",
    "get_value",
    "microseconds",
    "moment_of",
    "open_database",
    "redacted_url",
    "set_value",
]
