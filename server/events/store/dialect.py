"""What differs between databases: how to write fast, how to lock, and how one process hears of another's commits."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .errors import StoreError
from .rows import Row

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Inserted(NamedTuple):
    """What came of inserting a group."""

    new: list[tuple[int, str]]
    """(number, id) of each row whose id was new, numbers growing."""
    seconds: float
    """That the database took, with the wait for the disk."""


class Dialect(Protocol):
    """One kind of database. Everything else in this package is the same on all of them."""

    engine: "AsyncEngine"
    """For reading: every statement sees what is committed now."""

    def changing_schema(self) -> "AbstractAsyncContextManager[AsyncConnection]":
        """A transaction that keeps every other process from changing tables, committed at the end."""
        ...

    async def insert(self, rows: Sequence[Row]) -> Inserted:
        """Commit the rows whose id is new, with numbers that grow in the order of commits. Raises `StoreError`."""
        ...

    async def change(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
        """Commit these statements (with `:name` parameters) together; return how many rows the last one changed.

        Raises `StoreError`.
        """
        ...

    async def watch(self, news: Callable[[], None], wanted: asyncio.Event) -> None:
        """While `wanted` is set, call `news` whenever another process may have committed. Runs until cancelled."""
        ...

    def explain(self, error: BaseException) -> StoreError:
        """What a driver's error means for whoever runs the server."""
        ...

    async def close(self) -> None:
        """Release every connection."""
        ...
