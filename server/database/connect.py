"""Opens the database at a URL, ready for use."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from .dialect import Dialect
from .errors import StoreError
from .url import DatabaseUrl, is_on_a_server


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[Dialect]:
    """The database at a URL such as `sqlite:////var/lib/events.db` or `postgresql://HOST/NAME`, with the tables that
    the code expects.

    A file is made if it is not there. Raises `StoreError`, for the operator, when the place cannot be used, holds
    something else or is damaged; `StoreUnreachable` when that may pass by itself.
    """
    dialect = await _opened(url)
    try:
        yield dialect
    finally:
        with anyio.CancelScope(shield=True):
            await dialect.close()


async def _opened(url: str) -> Dialect:
    dialect = await (_on_a_server(url) if is_on_a_server(url) else _in_a_file(DatabaseUrl.of(url)))
    from .migrate import bring_up_to_date  # noqa: PLC0415 (loads SQLAlchemy, which the dialect has loaded)

    try:
        await dialect.start()
        await bring_up_to_date(dialect)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await dialect.close()
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            raise dialect.explain(getattr(error, "orig", None) or error) from error
        raise
    return dialect


async def _in_a_file(place: DatabaseUrl) -> Dialect:
    await _load(".sqlite", ".migrate")
    from .sqlite import SqliteDialect  # noqa: PLC0415

    await anyio.to_thread.run_sync(place.prepare)
    return SqliteDialect(place.path)


async def _on_a_server(url: str) -> Dialect:
    try:
        await _load("psycopg")
    except ImportError:
        raise StoreError(
            "PostgreSQL needs a library that is not installed: pip install 'telnyx-conferencing[postgresql]'."
        ) from None
    await _load(".postgresql", ".migrate")
    from .postgresql import PostgresDialect  # noqa: PLC0415

    return PostgresDialect(url)


async def _load(*modules: str) -> None:
    """Load the database libraries beside the event loop."""
    for module in modules:
        await anyio.to_thread.run_sync(importlib.import_module, module, __package__)
