"""Transactions: complete or not at all, one at a time, and outside the event loop."""

import threading
from collections.abc import AsyncGenerator, Callable

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from support.postgres import Cluster
from telnyx_conferencing.server.database import Database, StoreError, Transaction, open_database

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO shared_values (name, value) VALUES (:name, :value)"
NAMES = "SELECT name FROM shared_values ORDER BY name"


@pytest.fixture
async def database(address: str) -> AsyncGenerator[Database]:
    async with open_database(address) as opened:
        yield opened


async def names(database: Database) -> list[str]:
    return [name for (name,) in await database.read(lambda transaction: transaction.rows(NAMES))]


def inserting(*names: str, error: Exception | None = None) -> Callable[[Transaction], int]:
    def work(transaction: Transaction) -> int:
        for name in names:
            transaction.change(INSERT, name=name, value="")
        if error is not None:
            raise error
        return len(names)

    return work


async def test_changes_are_committed_and_the_result_is_returned(database: Database) -> None:
    assert await database.write(inserting("a", "b")) == 2
    assert await database.write(inserting("c"), wait_for_disk=False) == 1
    assert await names(database) == ["a", "b", "c"]


async def test_a_failed_transaction_changes_nothing_and_its_error_is_raised(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await database.write(inserting("a", error=ZeroDivisionError()))
    with pytest.raises(StoreError, match=r"(?i)unique"):
        await database.write(inserting("b", "b"))
    assert await names(database) == []
    assert await database.write(inserting("c")) == 1


async def test_a_transaction_waits_for_that_of_another_process_and_the_event_loop_runs_on(
    database: Database, address: str
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    finished: list[int] = []

    def slow(transaction: Transaction) -> int:
        begun.set()
        may_end.wait(30)
        return inserting("early")(transaction)

    async def second() -> None:
        finished.append(await database.write(inserting("late")))

    async with open_database(address) as other, anyio.create_task_group() as tasks:
        tasks.start_soon(other.write, slow)
        assert await anyio.to_thread.run_sync(begun.wait, 30)
        tasks.start_soon(second)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert finished == []
        assert await names(database) == []
        may_end.set()
    assert finished == [1]
    assert await names(database) == ["early", "late"]


async def test_transactions_at_the_same_time_lose_nothing(database: Database) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(database.write, inserting(f"{number:03}"))
    assert await names(database) == [f"{number:03}" for number in range(200)]


async def test_postgresql_commits_and_rolls_back(postgres: Cluster) -> None:
    """The one test of transactions on PostgreSQL in the fast run."""
    async with open_database(postgres.store()) as database:
        assert await database.write(inserting("a")) == 1
        with pytest.raises(ZeroDivisionError):
            await database.write(inserting("b", error=ZeroDivisionError()))
        assert await names(database) == ["a"]
