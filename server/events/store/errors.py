"""An error that concerns one event."""

from ...database import StoreError


class UnfitEvent(StoreError):
    """This event can never be stored: its payload is not JSON, or is nested too deeply."""
