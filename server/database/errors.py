"""What can go wrong with the store, in words for whoever runs the server."""


class StoreError(Exception):
    """The store cannot be opened, read or written. The message says what is wrong and what to do."""


class StoreUnreachable(StoreError):
    """The database server cannot be reached or is too busy now: later it may be there again, by itself."""
