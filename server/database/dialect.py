"""What differs between databases: how to write fast, how to lock, and how one process hears of another's commits."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from .errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class Into(NamedTuple):
    """Where rows go. The table also has a column `number`, which the database gives out."""

    table: str
    columns: tuple[str, ...]
    """The first is unique."""


class Inserted(NamedTuple):
    """What came of inserting a group."""

    new: list[tuple[int, str]]
    """(number, first column) of each row that was new, numbers growing."""
    seconds: float
    """That the database took, with the wait for the disk."""


class Transaction(Protocol):
    """One transaction, seen from inside. Statements are SQL that every dialect takes, with `:name` parameters."""

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement finds or returns."""
        ...

    def change(self, statement: str, **parameters: Any) -> int:
        """How many rows a statement changed."""
        ...


class Dialect(Protocol):
    """One kind of database. Everything else is the same on all of them."""

    engine: "AsyncEngine"
    """Its connections: every statement sees what is committed now."""

    async def start(self) -> None:
        """Open it for writing, before anything else. Raises `StoreError`."""
        ...

    def reading(self) -> "AbstractAsyncContextManager[AsyncConnection]":
        """A connection to read with, which is in order afterwards even if whoever reads is cancelled meanwhile."""
        ...

    def changing_schema(self) -> "AbstractAsyncContextManager[AsyncConnection]":
        """A transaction that keeps every other process from changing tables, committed at the end."""
        ...

    async def insert(self, into: Into, rows: Sequence[tuple[Any, ...]]) -> Inserted:
        """Commit the rows that are new, with numbers that grow in the order of commits. Raises `StoreError`.

        It may run in the event loop's own thread, where that is quicker than to wait for another.
        """
        ...

    async def transaction(self, work: Callable[[Transaction], T], *, outlives: str = "power") -> T:
        """Do some work while no other transaction is under way, and commit it; if it raises, nothing is changed.

        The work runs in another thread, and is short; meanwhile `insert` may insert rows. `outlives`: what the commit
        must survive, once this returns: the loss of `power`, or only the end of this `process`, which needs no wait for
        the disk. Raises `StoreError`.
        """
        ...

    async def at_once(self, work: Callable[[Transaction], T]) -> T:
        """A `transaction` that only outlives the process, for a few statements that a call waits for.

        It may run in the event loop's own thread, where that is quicker than to wait for another. Raises `StoreError`.
        """
        ...

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Read a little that is committed now, of which a request waits for the answer. Nobody is kept out meanwhile.

        It may run in the event loop's own thread. Raises `StoreError`.
        """
        ...

    async def watch(self, news: Callable[[], None], wanted: asyncio.Event) -> None:
        """While `wanted` is set, call `news` whenever another process may have inserted rows. Runs until cancelled."""
        ...

    def explain(self, error: BaseException) -> StoreError:
        """What a driver's error means for whoever runs the server."""
        ...

    async def close(self) -> None:
        """Release every connection."""
        ...
