"""Brings a store's tables to what the code expects. Alembic is loaded only when there is something to do."""

import importlib
from typing import TYPE_CHECKING

import anyio.to_thread
from sqlalchemy import Connection, Text, column, inspect, select, table

from .errors import StoreError
from .schema import KNOWN, REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from .dialect import Dialect

_version = table(VERSION_TABLE, column("version_num", Text))


async def bring_up_to_date(dialect: "Dialect") -> None:
    """Apply the migrations that are missing, once, whoever else opens the same store now.

    Raises `StoreError` when the store is of a newer version, or another program's.
    """
    async with dialect.engine.connect() as connection:
        if await connection.run_sync(_is_current):
            return
    await anyio.to_thread.run_sync(importlib.import_module, "alembic.command")
    async with dialect.changing_schema() as connection:
        if not await connection.run_sync(_is_current):
            await connection.run_sync(_upgrade)


def _is_current(connection: Connection) -> bool:
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables:
        if tables:
            raise StoreError("That database holds another program's tables. Name one of its own for the store.")
        return False
    found = connection.execute(select(_version.c.version_num)).scalar()
    if found not in (None, *KNOWN):
        raise StoreError(
            f"The store was written by a newer version of this server (its tables are {found}, this version "
            f"knows {REVISION}). Update this server, or name another store with --database."
        )
    return found == REVISION


def _upgrade(connection: Connection) -> None:
    from alembic.command import upgrade  # noqa: PLC0415 (a quarter of a second that a store in order need not wait for)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", f"{__package__}:migrations")
    config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
    upgrade(config, "head")
