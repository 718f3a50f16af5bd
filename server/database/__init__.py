"""The database that holds events, approvals, limits and the audit: SQLite, or PostgreSQL for several processes."""

from .connect import open_database
from .database import Database, Transaction
from .errors import StoreError, StoreUnreachable
from .shared_values import get_value, set_value
from .timestamps import microseconds, moment_of
from .url import absolute_url, default_url, is_new, redacted_url

__all__ = [
    "Database",
    "StoreError",
    "StoreUnreachable",
    "Transaction",
    "absolute_url",
    "default_url",
    "get_value",
    "is_new",
    "microseconds",
    "moment_of",
    "open_database",
    "redacted_url",
    "set_value",
]
