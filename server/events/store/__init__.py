"""Keeps every event on disk before Telnyx is told that it came. Loads the database libraries only when opened."""

from .errors import StoreError, UnfitEvent
from .place import default_url
from .store import KEEP_FOR, KEEP_MOST, Store

__all__ = ["KEEP_FOR", "KEEP_MOST", "Store", "StoreError", "UnfitEvent", "default_url"]
