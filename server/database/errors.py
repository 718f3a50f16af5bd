"""Errors of the store, with messages for the operator."""


class StoreError(Exception):
    """The store cannot be opened, read or written. The message says what is wrong and what to do."""


class StoreUnreachable(StoreError):
    """The database server cannot be reached or is too busy now. The problem may be temporary."""
