"""SQLite: one file, one writer at a time, many readers (WAL), every commit synced to disk."""

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache, partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import anyio
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from .dialect import Inserted, Into, Transaction
from .errors import StoreError

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.1
_READERS = 4
_PRAGMAS = (
    f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 67108864",
)
_CACHE = "PRAGMA cache_size = -8000"
"""Room for the pages that each event touches."""
_ROWS = 64
"""Of one statement: each takes a dozen of SQLite's variables, of which old versions have 999."""
_QUICK_SECONDS = 0.002
"""A commit that takes no longer is made in the event loop's own thread."""
_HERE_IN_A_ROW = 64
"""Commits there; the next is made beside, since that is where the log is moved into the file."""


class _Manner(NamedTuple):
    """How the writing connection commits."""

    synchronous: str
    """FULL waits for the disk; after NORMAL, the log is synced with the next commit that waits."""
    busy_timeout: int
    """Milliseconds that it waits for another who writes."""
    wal_autocheckpoint: int
    """Pages of the log from which on it is moved into the file. Seldom, since that writes and syncs pages anew; and
    never in the event loop's own thread, where that would take too long."""


@cache
def _here(synchronous: str) -> _Manner:
    return _Manner(synchronous, 0, 0)


@cache
def _beside(synchronous: str) -> _Manner:
    return _Manner(synchronous, int(_BUSY_SECONDS * 1000), 4000)


class SqliteDialect:
    """A database in one file. Its writes go through one connection, so that what others commit can be told from them.

    Where the disk is quick and nobody else is writing, a write is over before a thread would have woken, so it runs in
    the event loop's own thread; otherwise in a thread beside, which may wait, one call a group.
    """

    def __init__(self, path: Path) -> None:
        """Opens nothing yet; call `start`."""
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._lock = Lock()
        """Held by whoever uses the writing connection."""
        self._writer: sqlite3.Connection | None = None
        self._manner: _Manner | None = None
        self._here_in_a_row = 0
        self._seconds = 0.0
        """What an insert usually takes: more of the quick ones, since the slow ones had to wait for a processor."""
        self.engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(path)),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_size=_READERS,
        )
        event.listen(self.engine.sync_engine, "connect", _prepare_reader)

    async def start(self) -> None:
        """Open the file for writing. Raises `StoreError` when it is not a database or cannot be written."""
        await self._in_thread(self._connect)

    def _connect(self) -> None:
        writer = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._writer = writer
        _use_wal(writer)
        for pragma in (*_PRAGMAS, _CACHE):
            writer.execute(pragma)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise self.explain(error) from error

    async def insert(self, into: Into, rows: Sequence[tuple[Any, ...]]) -> Inserted:
        """See `Dialect.insert`."""
        work = partial(_insert_all, into=into, rows=rows)
        is_quick = len(rows) <= _ROWS and self._seconds < _QUICK_SECONDS
        done = self._try_here(work, "FULL") if is_quick else None
        if done is None:
            done = await self._do_beside(work, "FULL")
        self._seconds += (done.seconds - self._seconds) / (4 if done.seconds < self._seconds else 16)
        return done

    async def transaction(self, work: Callable[[Transaction], T], *, outlives: str = "power") -> T:
        """See `Dialect.transaction`."""
        return await self._do_beside(partial(_together, work=work), "FULL" if outlives == "power" else "NORMAL")

    async def at_once(self, work: Callable[[Transaction], T]) -> T:
        """See `Dialect.at_once`."""

        def boxed(connection: sqlite3.Connection) -> tuple[T]:
            return (_together(connection, work),)

        done = self._try_here(boxed, "NORMAL") or await self._do_beside(boxed, "NORMAL")
        return done[0]

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """See `Dialect.look`."""

        def boxed(connection: sqlite3.Connection) -> tuple[T]:
            return (work(_SqliteSession(connection)),)

        done = self._try_here(boxed, "NORMAL") or await self._do_beside(boxed, "NORMAL")
        return done[0]

    def _try_here(self, work: Callable[[sqlite3.Connection], T], synchronous: str) -> T | None:
        """Do it in this thread; None: it must be done beside, since somebody else is writing or it is time to."""
        if self._here_in_a_row >= _HERE_IN_A_ROW or not self._lock.acquire(blocking=False):
            return None
        try:
            self._here_in_a_row += 1
            return work(self._connection(_here(synchronous)))
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.OperationalError) and _is_locked(error):
                return None
            raise self.explain(error) from error
        finally:
            self._lock.release()

    async def _do_beside(self, work: Callable[[sqlite3.Connection], T], synchronous: str) -> T:
        def waiting() -> T:
            with self._lock:
                self._here_in_a_row = 0
                return work(self._connection(_beside(synchronous)))

        return await self._in_thread(waiting)

    def _connection(self, manner: _Manner) -> sqlite3.Connection:
        assert self._writer is not None
        if manner is not self._manner:
            self._manner = None
            for name, value in manner._asdict().items():
                self._writer.execute(f"PRAGMA {name} = {value}")
            self._manner = manner
        return self._writer

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """See `Dialect.reading`: a read is short, and its thread cannot be told that nobody waits for it any more."""
        with anyio.CancelScope(shield=True):
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def changing_schema(self) -> AsyncGenerator[AsyncConnection]:
        """See `Dialect.changing_schema`: the file's write lock, which others wait for."""
        async with self.engine.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                await connection.exec_driver_sql("ROLLBACK")
                raise
            await connection.exec_driver_sql("COMMIT")

    async def watch(self, news: Callable[[], None], wanted: asyncio.Event) -> None:
        """See `Dialect.watch`: SQLite counts, for each connection, the commits of all others. Asked of the connection
        that does all of this process's writing, that is the commits of other processes."""

        def version() -> int:
            with self._lock:
                assert self._writer is not None
                return self._writer.execute("PRAGMA data_version").fetchone()[0]

        seen: int | None = None
        while True:
            await wanted.wait()
            try:
                now = await self._in_thread(version)
            except StoreError as error:
                _log.warning("%s", error)
            else:
                if now != seen:
                    news()
                seen = now
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """See `Dialect.close`."""
        await self.engine.dispose()
        if self._writer is not None:
            await self._in_thread(self._writer.close)
        self._thread.shutdown(wait=False)

    def explain(self, error: BaseException) -> StoreError:
        """What a driver's error means for whoever runs the server."""
        said = str(error)
        advice = next((advice for words, advice in _ADVICE.items() if words in said), "")
        return StoreError(f"The store {self._path} cannot be used: {said}. {advice}".rstrip())


_ADVICE = {
    "not a database": "Name another file with --database, or move this one away and a new one is made.",
    "malformed": "The file is damaged: restore it from a backup, or move it away and a new one is made.",
    "is full": "Make room on that disk.",
    "readonly": "Give this user the right to write the file and its directory.",
    "unable to open": "Give this user the right to write the file and its directory.",
    "locked": "Another program has held it for too long: end that one, then try again.",
}


def _together(connection: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(_SqliteSession(connection))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return done


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@cache
def _insert_statement(into: Into, rows: int) -> str:
    row = f"({', '.join('?' * len(into.columns))})"
    values = ", ".join([row] * rows)
    columns = ", ".join(into.columns)
    return f"INSERT INTO {into.table} ({columns}) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608 - constants


def _insert_all(connection: sqlite3.Connection, into: Into, rows: Sequence[tuple[Any, ...]]) -> Inserted:
    begun = time.perf_counter()
    if len(rows) <= _ROWS:  # one statement commits by itself
        new = _insert(connection, into, rows)
    else:
        parts = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
        new = _together(connection, lambda _: [new for part in parts for new in _insert(connection, into, part)])
    return Inserted(new, time.perf_counter() - begun)


def _insert(writer: sqlite3.Connection, into: Into, rows: Sequence[tuple[Any, ...]]) -> list[tuple[int, str]]:
    """Insert by one statement, which no other process's falls into: the new rows end with the last one's number."""
    done = writer.execute(_insert_statement(into, len(rows)), list(chain.from_iterable(rows)))
    last = done.lastrowid or 0
    if done.rowcount == len(rows):
        return [(number, row[0]) for number, row in enumerate(rows, last - len(rows) + 1)]
    newest = (
        f"SELECT number, {into.columns[0]} FROM {into.table} "  # noqa: S608 - constants
        "WHERE number <= ? ORDER BY number DESC LIMIT ?"
    )
    return writer.execute(newest, (last, done.rowcount)).fetchall()[::-1]


class _SqliteSession:
    """See `Session`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def change(self, statement: str, **parameters: Any) -> int:
        return self._connection.execute(statement, parameters).rowcount


def _prepare_reader(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging. Two that switch a new file at once would wait for each other as long as
    the busy timeout lasts, so each tries without one, again and again."""
    connection.execute("PRAGMA busy_timeout = 0")
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or time.monotonic() > give_up:
                raise
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 (so that they do not meet again)
        else:
            return
