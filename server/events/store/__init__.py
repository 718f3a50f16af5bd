"""Keeps every event on disk before Telnyx is told that it came. Loads the database libraries only when opened."""

from ...database import StoreError, default_url
from .errors import UnfitEvent
from .store import KEEP_FOR, KEEP_MOST, Store

__all__ = ["KEEP_FOR", "KEEP_MOST", "Store", "StoreError", "UnfitEvent", "default_url"]
