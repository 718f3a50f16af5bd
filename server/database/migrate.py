"""Creates a store's tables, or migrates those of an older version.

How to change a table:

1. Change it in `schema.py`, which always describes the newest version.
2. Append a function to `MIGRATIONS` that makes the same change to the tables of the previous version. It runs once, in
   one transaction with all other missing migrations, while no other process writes.
3. Never change or remove a migration that was released.
"""

from collections.abc import Callable, Sequence

from .database import Database, Kind, Transaction
from .errors import StoreError
from .schema import TABLE_NAMES, create_statements

Migration = Callable[[Transaction, Kind], None]
"""Changes the tables of one version to those of the next."""

MIGRATIONS: Sequence[Migration] = ()
"""The first brings version 1, the first release, to version 2, and so on."""

_FIRST_VERSION = 1
_EMPTY = 0
"""Stands for the version of a database without tables."""
_PRE_RELEASE_TABLE = "event_store_version"


async def migrate(database: Database) -> None:
    """Create the tables, or apply the missing migrations, once for all processes that open the store.

    Raises `StoreError` for a store of a newer or a pre-release version, and for another program's database.
    """
    newest = _FIRST_VERSION + len(MIGRATIONS)
    if await database.read(lambda transaction: _version(transaction, database)) == newest:
        return

    def work(transaction: Transaction) -> None:
        version = _version(transaction, database)
        if version == _EMPTY:
            for statement in create_statements(database.kind):
                transaction.change(statement)
            transaction.change("INSERT INTO schema_version (version) VALUES (:version)", version=newest)
        elif version < newest:
            for migration in MIGRATIONS[version - _FIRST_VERSION :]:
                migration(transaction, database.kind)
            transaction.change("UPDATE schema_version SET version = :version", version=newest)

    await database.write(work)


def _version(transaction: Transaction, database: Database) -> int:
    """The version of the tables. Raises `StoreError` when this server cannot use them."""
    tables = {name for (name,) in transaction.rows(TABLE_NAMES[database.kind])}
    if not tables:
        return _EMPTY
    newest = _FIRST_VERSION + len(MIGRATIONS)
    if _PRE_RELEASE_TABLE in tables:
        raise StoreError(
            f"The store {database.name} was made by a version from before the first release, which this version "
            "cannot read: move it away, or name another with --database."
        )
    if "schema_version" not in tables:
        raise StoreError(
            f"The database {database.name} contains another program's tables: name another with --database."
        )
    ((version,),) = transaction.rows("SELECT version FROM schema_version")
    if version > newest:
        raise StoreError(
            f"The store {database.name} was made by a newer version of this server (its tables have version "
            f"{version}, this server knows {newest}): update this server, or name another store with --database."
        )
    return version
