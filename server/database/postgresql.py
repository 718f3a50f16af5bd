"""PostgreSQL: one server for many processes, also on several machines."""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from .connection_threads import ConnectionThreads
from .database import Kind, Transaction
from .errors import StoreError
from .postgresql_errors import explain, is_lost
from .url import is_readable, redacted_url

T = TypeVar("T")
Connection = psycopg.Connection[TupleRow]

_log = logging.getLogger(__name__)

_MIN_VERSION = 130000
_READERS = 4
_PARAMETERS: Mapping[str, str | int] = {
    "application_name": "telnyx-conferencing",
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "target_session_attrs": "read-write",
}
"""Connection parameters that the URL may override. They detect a lost server soon."""
_SETTINGS = (
    # A process that stops in the middle of a transaction must not block all others.
    "SET lock_timeout = '30s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '10s'; "
    # Every query is short and follows one index.
    "SET jit = off; SET max_parallel_workers_per_gather = 0; SET plan_cache_mode = force_custom_plan; "
    "SET enable_seqscan = off"
)
_BEGIN: LiteralString = "BEGIN; SELECT pg_advisory_xact_lock(32279, 1)"
"""All writes of all processes take this lock, so event numbers grow in the order of commits. PostgreSQL releases it at
the end of the transaction, also when the process dies."""
_NO_DISK: LiteralString = "; SET LOCAL synchronous_commit = off"

_CHANNEL = "telnyx_conferencing"
_PING_INTERVAL_S = 10.0
_RETRY_DELAY_S = 0.5


class _NothingDone(Exception):
    """The connection was lost before the work changed anything."""


class PostgresDatabase:
    """See `Database`."""

    kind: Kind = "postgresql"

    def __init__(self, url: str) -> None:
        """`url` is `postgresql://USER:PASSWORD@HOST:PORT/NAME`, as libpq takes it. Raises `StoreError` if it is not."""
        self.name = redacted_url(url)
        self._parameters = _connection_parameters(url)
        self._process = secrets.token_hex(8)
        """Identifies the notifications of this process."""
        self._listener: Callable[[], None] = lambda: None
        self._writer = ConnectionThreads(self._connect, 1, "store: writer")
        self._readers = ConnectionThreads(self._connect, _READERS, "store: reader")

    def _connect(self) -> Connection:
        connection = psycopg.connect(**self._parameters, autocommit=True)
        connection.execute(_SETTINGS)
        return connection

    async def start(self) -> None:
        """See `Database.start`."""
        version, encoding = await self._run(self._writer, _server_facts)
        if version < _MIN_VERSION:
            raise StoreError(
                f"The store {self.name} cannot be used: PostgreSQL {_MIN_VERSION // 10000} or newer is needed."
            )
        if encoding != "UTF8":
            raise StoreError(
                f"The store {self.name} cannot be used: its encoding is {encoding}. Make the database with "
                "createdb --encoding UTF8 --template template0."
            )

    async def _run(self, threads: ConnectionThreads[Connection], work: Callable[[Connection], T]) -> T:
        """Run `work`, and once more on a new connection if it raises `_NothingDone`. Raises `StoreError`."""

        def attempt(connection: Connection) -> T:
            try:
                return work(connection)
            except Exception as error:
                cause = error.__cause__ if isinstance(error, _NothingDone) else error
                if isinstance(cause, psycopg.Error) and is_lost(cause):
                    threads.disconnect()
                raise

        def run(connection: Connection) -> T:
            try:
                return attempt(connection)
            except _NothingDone:  # in this thread: the connection of another one may be lost too
                return attempt(threads.connection())

        try:
            return await threads.run(run)
        except _NothingDone as error:
            raise self.explain(error.__cause__ or error) from error
        except (psycopg.Error, OSError) as error:
            raise self.explain(error) from error

    async def write(self, work: Callable[[Transaction], T], *, wait_for_disk: bool = True) -> T:
        """See `Database.write`."""
        begin: LiteralString = _BEGIN if wait_for_disk else _BEGIN + _NO_DISK
        was_lost = False

        def run(connection: Connection) -> T:
            nonlocal was_lost
            try:
                connection.execute(begin)
            except psycopg.Error as error:
                raise _nothing_done(error) from error
            try:
                result = work(_PostgresTransaction(connection, self._process))
                connection.execute("COMMIT")
            except BaseException as error:
                was_lost = isinstance(error, psycopg.Error) and is_lost(error)
                with suppress(psycopg.Error):  # a lost connection ends the transaction too
                    connection.rollback()
                raise
            return result

        try:
            return await self._run(self._writer, run)
        finally:
            if was_lost:  # rows may have been committed that nobody here knows of
                self._listener()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """See `Database.read`."""

        def run(connection: Connection) -> T:
            try:
                return work(_PostgresTransaction(connection, self._process))
            except psycopg.Error as error:
                raise _nothing_done(error) from error

        return await self._run(self._readers, run)

    async def watch(self, listener: Callable[[], None], enabled: asyncio.Event) -> None:
        """See `Database.watch`. Each insert notifies all processes. After a pause, `listener` is called at once."""
        self._listener = listener
        failing = False
        while True:
            await enabled.wait()
            try:
                async with await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    failing = False
                    listener()
                    await self._listen(connection, enabled)
            except (psycopg.Error, OSError) as error:
                if not failing:
                    _log.warning("Events of other processes arrive late: %s", self.explain(error))
                failing = True
                await asyncio.sleep(_RETRY_DELAY_S)

    async def _listen(self, connection: psycopg.AsyncConnection[TupleRow], enabled: asyncio.Event) -> None:
        while enabled.is_set():
            async for notification in connection.notifies(timeout=_PING_INTERVAL_S, stop_after=1):
                if notification.payload != self._process:
                    self._listener()
            async with asyncio.timeout(_PING_INTERVAL_S):
                await connection.execute("SELECT 1")

    async def close(self) -> None:
        """See `Database.close`."""
        await self._readers.close()
        await self._writer.close()

    def explain(self, error: BaseException) -> StoreError:
        """See `Database.explain`."""
        return explain(error, self.name)


class _PostgresTransaction:
    """See `Transaction`."""

    def __init__(self, connection: Connection, process: str) -> None:
        self._connection = connection
        self._process = process

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._execute(statement, parameters).fetchall()

    def change(self, statement: str, **parameters: Any) -> int:
        return self._execute(statement, parameters).rowcount

    def _execute(self, statement: str, parameters: Mapping[str, Any]) -> psycopg.Cursor[TupleRow]:
        values = {name: _without_nul(value) for name, value in parameters.items()}
        return self._connection.execute(_convert_parameters(statement), values)

    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[int, str]]:
        row = f"({', '.join(['%s'] * len(columns))})"
        statement = (
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(rows))} "  # noqa: S608
            f"ON CONFLICT DO NOTHING RETURNING number, {columns[0]}"
        )
        new = self._connection.execute(cast("LiteralString", statement), list(chain.from_iterable(rows))).fetchall()
        self._connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, self._process))
        return cast("list[tuple[int, str]]", new)


def _connection_parameters(url: str) -> dict[str, Any]:
    """Read a URL. The driver's own messages about a URL may repeat the password, so they are not shown."""
    try:
        if is_readable(url):
            return {**_PARAMETERS, **conninfo_to_dict(f"postgresql:{url.partition(':')[2]}")}
    except psycopg.ProgrammingError:
        pass
    raise StoreError(
        "The database URL is not one that PostgreSQL takes. Write postgresql://USER@HOST:PORT/NAME, and in a user or "
        "password %40 for @, %2F for /, %3A for :, %3F for ?, %23 for # and %25 for %."
    )


def _server_facts(connection: Connection) -> tuple[int, str]:
    """The server's version, and the encoding of the database."""
    ((encoding,),) = connection.execute("SHOW server_encoding").fetchall()
    return connection.info.server_version, encoding


def _nothing_done(error: psycopg.Error) -> Exception:
    """What to raise for an error before which nothing was changed."""
    return _NothingDone() if is_lost(error) else error


@cache
def _convert_parameters(statement: str) -> LiteralString:
    """Convert a statement with `:name` parameters to the driver's form."""
    return cast("LiteralString", re.sub(r"(?<!:):([a-z_][a-z0-9_]*)", r"%(\1)s", statement.replace("%", "%%")))


def _without_nul(value: Any) -> Any:
    """PostgreSQL's text cannot hold NUL."""
    return value.replace("\0", "\\x00") if isinstance(value, str) else value
