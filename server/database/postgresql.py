"""PostgreSQL: one server that many processes share, on as many machines.

Writing goes through psycopg's plain connections, each in a thread of its own, since the work of a transaction is plain
code; reading goes through SQLAlchemy over the same driver. Every lock here ends with its transaction, and with it when
its process dies.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from .dialect import Inserted, Into, Transaction
from .errors import StoreError
from .postgresql_errors import explained, is_lost
from .schema import metadata
from .url import is_readable, redacted_url

T = TypeVar("T")
Connection = psycopg.Connection[TupleRow]
Cursor = psycopg.Cursor[TupleRow]

_log = logging.getLogger(__name__)

_OLDEST = 130000
_READERS = 4
_SETTINGS: Mapping[str, str | int] = {
    "application_name": "telnyx-conferencing",
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "target_session_attrs": "read-write",
}
"""Of each connection, where the URL does not say otherwise: who is not there any more is found out soon."""
_PREPARE = (
    "SET lock_timeout = '30s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '10s'; "
    "SET jit = off; SET max_parallel_workers_per_gather = 0; SET plan_cache_mode = force_custom_plan"
)
"""A process that stands still in the middle of a transaction must not hold up all others; and every search is a short
one, if it is planned for what it is about."""

_INSERTING, _WRITING, _MIGRATING = ((0x7E17, number) for number in (1, 2, 3))
"""What is locked. Inserting has a lock of its own: a call that notes what it does need not wait for a disk that a
group of events is written to."""
_CHANNEL = "telnyx_conferencing"
_ALIVE_SECONDS = 10.0
_AGAIN_SECONDS = 0.5

_BEGIN: Mapping[str, LiteralString] = {
    "power": "BEGIN; SELECT pg_advisory_xact_lock(32279, 2)",
    "process": "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_advisory_xact_lock(32279, 2)",
}
_ARRAYS = {int: "bigint[]", str: "text[]", bool: "boolean[]", bytes: "bytea[]"}


class PostgresDialect:
    """A database on a server."""

    def __init__(self, url: str) -> None:
        """Opens nothing yet; call `start`. The URL is `postgresql://USER:PASSWORD@HOST:PORT/NAME` as libpq takes it.

        Raises `StoreError` when it is not.
        """
        self._shown = redacted_url(url)
        self._told_by = secrets.token_hex(8)
        self._news: Callable[[], None] | None = None
        self._given = _read(url)
        self._inserting = _Line(self._connect, "store: events", self._doubt)
        self._writing = _Line(self._connect, "store: ledger")
        self._looking = _Line(self._connect, "store: looks")
        self.engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._connect_async,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_pre_ping=True,
            pool_size=_READERS,
            max_overflow=_READERS,
        )

    async def start(self) -> None:
        """Connect once. Raises `StoreError` when that does not succeed, or the server is not one to keep a store on."""
        version, encoding = await self._do(self._writing, _looked_at)
        if version < _OLDEST:
            raise StoreError(
                f"The store {self._shown} cannot be used: PostgreSQL {_OLDEST // 10000} or newer is needed."
            )
        if encoding != "UTF8":
            raise StoreError(
                f"The store {self._shown} cannot be used: its encoding is {encoding}. Make the database with "
                "createdb --encoding UTF8 --template template0."
            )

    def _connect(self) -> Connection:
        connection = psycopg.connect(**self._given, autocommit=True)
        connection.execute(_PREPARE)
        return connection

    async def _connect_async(self) -> psycopg.AsyncConnection[TupleRow]:
        connection = await psycopg.AsyncConnection.connect(**self._given, autocommit=True)
        try:
            await connection.execute(_PREPARE)
        except BaseException:  # whoever wanted it may be gone
            await connection.close()
            raise
        return connection

    async def _do(self, line: "_Line", work: Callable[["_Line"], T]) -> T:
        try:
            return await line.do(work)
        except (psycopg.Error, OSError) as error:
            raise self.explain(error) from error

    async def insert(self, into: Into, rows: Sequence[tuple[Any, ...]]) -> Inserted:
        """See `Dialect.insert`. One statement commits by itself. The lock, taken before the first number is and let go
        after the commit is seen, makes numbers grow in the order of commits; a sequence alone does not."""
        statement = _insert_statement(into)
        columns = [list(column) for column in zip(*rows, strict=True)]

        def work(line: _Line) -> Inserted:
            begun = time.perf_counter()
            _, done = line.first(statement, [*columns, self._told_by])
            return Inserted(cast("list[tuple[int, str]]", done.fetchall()), time.perf_counter() - begun)

        return await self._do(self._inserting, work)

    async def transaction(self, work: Callable[[Transaction], T], *, outlives: str = "power") -> T:
        """See `Dialect.transaction`. What need only outlive the process does not wait for the server's disk."""
        begin = _BEGIN[outlives]
        return await self._do(self._writing, lambda line: _together(line, begin, work))

    async def at_once(self, work: Callable[[Transaction], T]) -> T:
        """See `Dialect.at_once`."""
        return await self.transaction(work, outlives="process")

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """See `Dialect.look`. Each statement is a transaction by itself."""

        def looking(line: _Line) -> T:
            return work(_PostgresSession(lambda statement, parameters: line.first(statement, parameters)[1]))

        return await self._do(self._looking, looking)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """See `Dialect.reading`: the driver calls off what is under way."""
        return self.engine.connect()

    @asynccontextmanager
    async def changing_schema(self) -> AsyncGenerator[AsyncConnection]:
        """See `Dialect.changing_schema`: whoever comes first changes the tables, and the others wait for as long as it
        takes."""
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                for patience in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
                    await connection.exec_driver_sql(f"SET LOCAL {patience} = 0")
                await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", _MIGRATING)
                yield connection

    async def watch(self, news: Callable[[], None], wanted: asyncio.Event) -> None:
        """See `Dialect.watch`: the server tells each process of the others' inserts. What is inserted while nobody
        listens is made up for by telling of news once it is listened again."""
        self._news = news
        failing = False
        while True:
            await wanted.wait()
            try:
                async with await self._connect_async() as connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    failing = False
                    news()
                    await self._listen(connection, news, wanted)
            except (psycopg.Error, OSError) as error:
                if not failing:
                    _log.warning("News of other processes' events is late: %s", self.explain(error))
                failing = True
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen(
        self, connection: psycopg.AsyncConnection[TupleRow], news: Callable[[], None], wanted: asyncio.Event
    ) -> None:
        while wanted.is_set():
            async for told in connection.notifies(timeout=_ALIVE_SECONDS, stop_after=1):
                if told.payload != self._told_by:
                    news()
            async with asyncio.timeout(_ALIVE_SECONDS):
                await connection.execute("SELECT 1")

    def _doubt(self) -> None:
        """A connection was lost on which events may have been committed that nobody here was told of."""
        if self._news is not None:
            self._news()

    async def close(self) -> None:
        """See `Dialect.close`."""
        await self.engine.dispose()
        for line in (self._inserting, self._writing, self._looking):
            await line.close()

    def explain(self, error: BaseException) -> StoreError:
        """What a driver's error means for whoever runs the server."""
        return explained(error, self._shown)


class _Line:
    """A connection with a thread of its own, opened when it is needed, and anew after it was lost."""

    def __init__(self, connect: Callable[[], Connection], name: str, lost: Callable[[], None] = lambda: None) -> None:
        """`lost` is called, in the event loop, after a connection was lost on which something had been begun."""
        self._connect = connect
        self._lost = lost
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._connection: Connection | None = None
        self._was_lost = False

    async def do(self, work: "Callable[[_Line], T]") -> T:
        """Do some work in the line's thread."""

        def working() -> T:
            try:
                return work(self)
            except psycopg.Error as error:
                if is_lost(error):
                    self._drop()
                raise

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, working)
        finally:
            if self._was_lost:
                self._was_lost = False
                self._lost()

    def first(
        self, statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> tuple[Connection, Cursor]:
        """Execute the first statement of some work. If the connection turns out to be lost, it is done once more on
        another: so it must be one that does no harm twice."""
        if self._connection is not None:
            try:
                return self._connection, self._connection.execute(statement, parameters)
            except psycopg.Error as error:
                if not is_lost(error):
                    raise
                self._drop()
        self._connection = self._connect()
        return self._connection, self._connection.execute(statement, parameters)

    def _drop(self) -> None:
        if self._connection is not None:
            self._was_lost = True
            self._connection.close()
            self._connection = None

    async def close(self) -> None:
        """Close the connection, and let the thread go."""
        connection = self._connection
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)


def _read(url: str) -> dict[str, Any]:
    """What each connection is opened with. The driver's own words about a URL may repeat a password in it."""
    try:
        if is_readable(url):
            return {**_SETTINGS, **conninfo_to_dict(f"postgresql:{url.partition(':')[2]}")}
    except psycopg.ProgrammingError:
        pass
    raise StoreError(
        "The database URL is not one that PostgreSQL takes. Write postgresql://USER@HOST:PORT/NAME, and in a user or "
        "password %40 for @, %2F for /, %3A for :, %3F for ?, %23 for # and %25 for %."
    )


def _looked_at(line: _Line) -> tuple[int, str]:
    """The server's version, and in which encoding the database keeps text."""
    connection, done = line.first("SHOW server_encoding")
    ((encoding,),) = done.fetchall()
    return connection.info.server_version, encoding


def _together(line: _Line, begin: LiteralString, work: Callable[[Transaction], T]) -> T:
    connection, _ = line.first(begin)
    try:
        done = work(_PostgresSession(connection.execute))
        connection.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):  # then it is lost, which ends the transaction too
            connection.rollback()
        raise
    return done


@cache
def _insert_statement(into: Into) -> LiteralString:
    types = [metadata.tables[into.table].c[column].type.python_type for column in into.columns]
    arrays = ", ".join(f"%s::{_ARRAYS[kind]}" for kind in types)
    columns = ", ".join(into.columns)
    statement = f"""
        WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock({_INSERTING[0]}, {_INSERTING[1]})),
        new AS (
            INSERT INTO {into.table} ({columns}) SELECT given.* FROM turn, unnest({arrays}) AS given
            ON CONFLICT DO NOTHING RETURNING number, {into.columns[0]}
        )
        SELECT new.* FROM new, (SELECT pg_notify('{_CHANNEL}', %s)) AS told ORDER BY number
    """  # noqa: S608 - constants
    return cast("LiteralString", statement)


@cache
def _statement(written: str) -> LiteralString:
    """A statement with `:name` parameters as the driver takes it."""
    return cast("LiteralString", re.sub(r"(?<!:):([a-z_][a-z0-9_]*)", r"%(\1)s", written.replace("%", "%%")))


def _taken(value: Any) -> Any:
    """A parameter as PostgreSQL takes it, which has no place for NUL in text."""
    return value.replace("\0", "\\x00") if isinstance(value, str) else value


class _PostgresSession:
    """See `Session`."""

    def __init__(self, execute: Callable[[LiteralString, Mapping[str, Any]], Cursor]) -> None:
        self._send = execute

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._execute(statement, parameters).fetchall()

    def change(self, statement: str, **parameters: Any) -> int:
        return self._execute(statement, parameters).rowcount

    def _execute(self, statement: str, parameters: Mapping[str, Any]) -> Cursor:
        given = {name: _taken(value) for name, value in parameters.items()}
        return self._send(_statement(statement), given)
