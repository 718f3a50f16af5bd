"""The interface of a database. `sqlite.py` and `postgresql.py` implement it; the code above is the same for both."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from .errors import StoreError

T = TypeVar("T")

Kind = Literal["sqlite", "postgresql"]


class Transaction(Protocol):
    """A connection in use. Statements are SQL that both databases accept, with `:name` parameters."""

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        ...

    def change(self, statement: str, **parameters: Any) -> int:
        """Execute a statement and return how many rows it changed."""
        ...

    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[int, str]]:
        """Insert the rows whose first column is not in the table yet, and notify the other processes.

        The table has a column `number`, which the database assigns. Returns (number, first column) of each new row.
        Numbers grow in the order of the commits of all processes.
        """
        ...


class Database(Protocol):
    """An open database. Its methods run blocking code in threads and raise `StoreError`.

    Cancelling a caller does not stop a thread: the work is done completely or not at all.
    """

    kind: Kind
    name: str
    """The URL without its user and password, for messages."""

    async def start(self) -> None:
        """Check that the database can be used. Call it first."""
        ...

    async def write(self, work: Callable[[Transaction], T], *, wait_for_disk: bool = True) -> T:
        """Run `work` in a transaction and commit it. If `work` raises, nothing is changed.

        Only one such transaction of all processes runs at a time, so `work` must be short. `wait_for_disk`: False
        returns sooner. A commit then survives the end of this process, but may be lost when the machine loses power.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run queries, beside writes and other reads. Each query sees what is committed when it starts."""
        ...

    async def watch(self, listener: Callable[[], None], enabled: asyncio.Event) -> None:
        """While `enabled` is set, call `listener` when another process may have inserted rows. Runs until cancelled."""
        ...

    def explain(self, error: BaseException) -> StoreError:
        """Turn a driver's error into a message for the operator."""
        ...

    async def close(self) -> None:
        """Finish the work that has started and close every connection."""
        ...
