"""Keeps every event on disk before Telnyx gets its answer."""

from ...database import StoreError, default_url
from .errors import UnfitEvent
from .rejected import RejectedWebhook
from .store import KEEP_FOR, KEEP_MOST, Store
from .webhooks import RawEvent

__all__ = ["KEEP_FOR", "KEEP_MOST", "RawEvent", "RejectedWebhook", "Store", "StoreError", "UnfitEvent", "default_url"]
