"""The tables of a store: created by the first process that opens it, and migrated by the first of a newer version."""

from typing import Any

import anyio
import pytest

from telnyx_conferencing.server.database import Database, StoreError, Transaction, migrate, open_database
from telnyx_conferencing.server.database.database import Kind

pytestmark = pytest.mark.anyio


def add_colour(transaction: Transaction, kind: Kind) -> None:
    """A migration of the tests' own."""
    transaction.change("ALTER TABLE tokens ADD COLUMN colour TEXT")
    transaction.change("UPDATE tokens SET colour = :kind", kind=kind)


def add_size(transaction: Transaction, kind: Kind) -> None:
    transaction.change("ALTER TABLE tokens ADD COLUMN size BIGINT")


async def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    return await database.read(lambda transaction: transaction.rows(statement))


async def change(database: Database, statement: str) -> None:
    await database.write(lambda transaction: transaction.change(statement))


async def refusal(address: str) -> str:
    with pytest.raises(StoreError) as refused:
        async with open_database(address):
            pass
    return str(refused.value)


async def test_a_store_of_an_older_version_gets_all_missing_migrations_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(address) as database:
        assert await rows(database, "SELECT version FROM schema_version") == [(1,)]
        await change(database, "INSERT INTO tokens (id, name, hash, scopes, created_at) VALUES ('a', 'b', 'c', 'd', 0)")
    monkeypatch.setattr(migrate, "MIGRATIONS", (add_colour,))
    async with open_database(address) as database:
        assert await rows(database, "SELECT id, colour FROM tokens") == [("a", database.kind)]
    monkeypatch.setattr(migrate, "MIGRATIONS", (add_colour, add_size))
    for _ in range(2):
        async with open_database(address) as database:
            assert await rows(database, "SELECT size FROM tokens") == [(None,)]
            assert await rows(database, "SELECT version FROM schema_version") == [(3,)]


async def test_a_migration_that_fails_changes_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_database(address):
        pass
    monkeypatch.setattr(migrate, "MIGRATIONS", (add_size, add_size))
    assert "size" in await refusal(address)
    monkeypatch.setattr(migrate, "MIGRATIONS", (add_size,))
    async with open_database(address) as database:
        assert await rows(database, "SELECT size FROM tokens") == []


async def test_tasks_that_open_an_empty_store_at_once_create_its_tables_once(empty_address: str) -> None:
    versions: list[list[tuple[Any, ...]]] = []

    async def opened() -> None:
        async with open_database(empty_address) as database:
            versions.append(await rows(database, "SELECT version FROM schema_version"))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(opened)
    assert versions == [[(1,)]] * 5


UNUSABLE = {
    "newer version": ("UPDATE schema_version SET version = 9999", "UPDATE schema_version SET version = 1"),
    "before the first release": (
        "ALTER TABLE schema_version RENAME TO event_store_version",
        "ALTER TABLE event_store_version RENAME TO schema_version",
    ),
    "another program's tables": (
        "ALTER TABLE schema_version RENAME TO songs",
        "ALTER TABLE songs RENAME TO schema_version",
    ),
}
"""Why a store is refused: how it becomes so, and how that is undone."""


async def test_a_store_that_this_version_cannot_read_is_refused_and_not_changed(address: str) -> None:
    async with open_database(address) as database:
        for reason, (statement, undo) in UNUSABLE.items():
            await change(database, statement)
            message = await refusal(address)
            assert reason in message, reason
            assert "--database" in message, reason
            await change(database, undo)
