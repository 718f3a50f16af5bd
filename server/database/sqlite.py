"""SQLite: one file, one writing thread and several reading threads (WAL mode)."""

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .connection_threads import ConnectionThreads
from .database import Kind, Transaction
from .errors import StoreError

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 30.0
_POLL_INTERVAL_S = 0.1
_READERS = 4
_PRAGMAS = (
    f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -8000",  # KiB
    "PRAGMA wal_autocheckpoint = 4000",  # pages: each checkpoint writes and syncs the main file
)

_ADVICE = {
    "not a database": "Name another file with --database, or move this one away and a new one is made.",
    "malformed": "The file is damaged: restore it from a backup, or move it away and a new one is made.",
    "is full": "Make room on that disk.",
    "readonly": "Give this user the right to write the file and its directory.",
    "unable to open": "Give this user the right to write the file and its directory.",
    "locked": "Another program has held it for too long: end that one, then try again.",
}


class SqliteDatabase:
    """See `Database`. All writes of a process go through one connection."""

    kind: Kind = "sqlite"

    def __init__(self, path: Path) -> None:
        """`path`: a file, which must exist (see `create_file`)."""
        self.name = str(path)
        self._writer = ConnectionThreads(self._connect, 1, "store: writer")
        self._readers = ConnectionThreads(self._connect, _READERS, "store: reader")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.name, _BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        return connection

    async def start(self) -> None:
        """See `Database.start`."""
        await self._run(self._writer, _use_wal)

    async def _run(self, threads: ConnectionThreads[sqlite3.Connection], work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await threads.run(work)
        except sqlite3.Error as error:
            raise self.explain(error) from error

    async def write(self, work: Callable[[Transaction], T], *, wait_for_disk: bool = True) -> T:
        """See `Database.write`. A commit with `wait_for_disk` also syncs the earlier ones without it."""
        synchronous = f"PRAGMA synchronous = {'FULL' if wait_for_disk else 'NORMAL'}"

        def run(connection: sqlite3.Connection) -> T:
            connection.execute(synchronous)
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(_SqliteTransaction(connection))
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
            return result

        return await self._run(self._writer, run)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """See `Database.read`."""
        return await self._run(self._readers, lambda connection: work(_SqliteTransaction(connection)))

    async def watch(self, listener: Callable[[], None], enabled: asyncio.Event) -> None:
        """See `Database.watch`. SQLite counts the commits of all other connections for each connection. For the
        writing connection, these are the commits of other processes."""
        last_version: int | None = None
        while True:
            await enabled.wait()
            try:
                version = await self._run(self._writer, _data_version)
            except StoreError as error:
                _log.warning("%s", error)
            else:
                if version != last_version:
                    listener()
                last_version = version
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def close(self) -> None:
        """See `Database.close`."""
        await self._readers.close()
        await self._writer.close()

    def explain(self, error: BaseException) -> StoreError:
        """See `Database.explain`."""
        text = str(error)
        advice = next((advice for words, advice in _ADVICE.items() if words in text), "")
        return StoreError(f"The store {self.name} cannot be used: {text}. {advice}".rstrip())


class _SqliteTransaction:
    """See `Transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def change(self, statement: str, **parameters: Any) -> int:
        return self._connection.execute(statement, parameters).rowcount

    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[int, str]]:
        """Other processes see the insert by their own `watch`."""
        values = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608
        new: list[tuple[int, str]] = []
        for row in rows:
            cursor = self._connection.execute(statement, row)
            if cursor.rowcount == 1:
                new.append((cursor.lastrowid or 0, row[0]))
        return new


def _data_version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA data_version").fetchone()[0]


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging.

    Two processes that switch a new file at once block each other for the whole busy timeout. So each tries without a
    timeout, several times.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    give_up = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or time.monotonic() > give_up:
                raise
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 (spreads the attempts of several processes)
        else:
            connection.execute(_PRAGMAS[0])
            return


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
