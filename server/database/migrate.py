"""Brings a store's tables to what the code expects. Alembic is loaded only where an older version left some."""

import importlib
from typing import TYPE_CHECKING

import anyio.to_thread
from sqlalchemy import Connection, inspect, select

from .errors import StoreError
from .schema import KNOWN, REVISION, VERSION_TABLE, metadata, version

if TYPE_CHECKING:
    from .dialect import Dialect

_NOTHING = "nothing"
"""Is in the database yet."""
_BASE = "base"
"""Alembic's word for the place before the first migration."""


async def bring_up_to_date(dialect: "Dialect") -> None:
    """Make the tables, or apply the migrations that are missing: once, whoever else opens the same store now.

    Raises `StoreError` when the store is of a newer version, or another program's.
    """
    async with dialect.engine.connect() as connection:
        found = await connection.run_sync(_found)
    if found == REVISION:
        return
    if found != _NOTHING:
        await anyio.to_thread.run_sync(importlib.import_module, "alembic.command")
    async with dialect.changing_schema() as connection:
        found = await connection.run_sync(_found)
        if found == _NOTHING:
            await connection.run_sync(_make)
        elif found != REVISION:
            await connection.run_sync(_upgrade)


def _found(connection: Connection) -> str:
    """The newest migration that was applied."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return _NOTHING
    if VERSION_TABLE not in tables:
        raise StoreError("That database holds another program's tables. Name one of its own for the store.")
    found: str = connection.execute(select(version.c.version_num)).scalar() or _BASE
    if found not in (_BASE, *KNOWN):
        raise StoreError(
            f"The store was written by a newer version of this server (its tables are {found}, this version "
            f"knows {REVISION}). Update this server, or name another store with --database."
        )
    return found


def _make(connection: Connection) -> None:
    """What all migrations lead to, at once."""
    version.create(connection, checkfirst=False)
    metadata.create_all(connection, checkfirst=False)
    connection.execute(version.insert().values(version_num=REVISION))


def _upgrade(connection: Connection) -> None:
    from alembic.command import upgrade  # noqa: PLC0415 (a quarter of a second that a store in order need not wait for)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", f"{__package__}:migrations")
    config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
    upgrade(config, "head")
