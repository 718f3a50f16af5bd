"""What can go wrong with one event."""

from ...database import StoreError


class UnfitEvent(StoreError):
    """This one event cannot be stored, whenever it is tried: its payload is not JSON or is nested too deeply."""
