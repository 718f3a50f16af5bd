"""Opens the database at a URL, ready for use."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from .dialect import Dialect
from .errors import StoreError
from .place import Place


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[Dialect]:
    """The database at a URL such as `sqlite:////var/lib/events.db`, with the tables the code expects.

    It is made if it is not there. Raises `StoreError`, for the operator, when the place cannot be used, holds something
    else or is damaged.
    """
    place = Place.of(url)
    await anyio.to_thread.run_sync(importlib.import_module, ".sqlite", __package__)
    await anyio.to_thread.run_sync(importlib.import_module, ".versioning", __package__)
    dialect = await _opened(place)
    try:
        yield dialect
    finally:
        with anyio.CancelScope(shield=True):
            await dialect.close()


async def _opened(place: Place) -> Dialect:
    from .sqlite import SqliteDialect  # noqa: PLC0415 (loads SQLAlchemy, above, beside the event loop)
    from .versioning import bring_up_to_date  # noqa: PLC0415

    await anyio.to_thread.run_sync(place.prepare)
    dialect = SqliteDialect(place.path)
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
