"""Opens the database at a URL and brings its tables up to date."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from .database import Database
from .errors import StoreError
from .migrate import migrate
from .sqlite import SqliteDatabase
from .url import create_file, is_postgresql, sqlite_path


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[Database]:
    """Open the database at a URL such as `sqlite:////var/lib/events.db` or `postgresql://HOST/NAME`.

    A missing file is created. Raises `StoreError`, for the operator, when the database cannot be used, is damaged or
    contains something else, and `StoreUnreachable` when the problem may be temporary.
    """
    database = await _database_at(url)
    try:
        await database.start()
        await migrate(database)
        yield database
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()


async def _database_at(url: str) -> Database:
    if is_postgresql(url):
        try:  # in a thread, since loading the driver takes long; it is an optional dependency
            module = await anyio.to_thread.run_sync(importlib.import_module, ".postgresql", __package__)
        except ImportError:
            raise StoreError(
                "PostgreSQL needs a library that is not installed. Install this program with its extra, in a clone: "
                "pipx install --force '.[postgresql]'."
            ) from None
        return module.PostgresDatabase(url)
    path = sqlite_path(url)
    await anyio.to_thread.run_sync(create_file, path)
    return SqliteDatabase(path)
