"""What can go wrong with the event store, in words for whoever runs the server."""


class StoreError(Exception):
    """The event store cannot be opened, read or written. The message says what is wrong and what to do."""


class UnfitEvent(StoreError):
    """This one event cannot be stored, whenever it is tried: its payload is not JSON or is nested too deeply."""
