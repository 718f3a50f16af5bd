"""Transactions: complete or not at all, one at a time, and outside the event loop."""

import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

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


async def test_a_quick_transaction_runs_at_once_on_sqlite(tmp_path: Path) -> None:
    threads: list[int] = []

    def work(transaction: Transaction) -> int:
        threads.append(threading.get_ident())
        return inserting("a")(transaction)

    async with open_database(f"sqlite:///{tmp_path / 'events.db'}") as database:
        assert await database.write_at_once(work) == 1
        assert threads == [threading.get_ident()]
        assert await names(database) == ["a"]


async def test_a_quick_transaction_waits_outside_the_event_loop_for_others(database: Database, address: str) -> None:
    finished: list[str] = []

    async def quick(name: str) -> None:
        await database.write_at_once(inserting(name))
        finished.append(name)

    async with open_database(address) as other:
        for busy in (other, database):  # another process, or this one
            begun, may_end = threading.Event(), threading.Event()

            def slow(_: Transaction, begun: threading.Event = begun, may_end: threading.Event = may_end) -> None:
                begun.set()
                may_end.wait(30)

            name = "a" if busy is other else "b"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(busy.write, slow)
                assert await anyio.to_thread.run_sync(begun.wait, 30)
                tasks.start_soon(quick, name)
                for _ in range(50):
                    await anyio.lowlevel.checkpoint()
                assert name not in finished
                may_end.set()
    assert finished == await names(database) == ["a", "b"]


async def test_a_failed_quick_transaction_changes_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await database.write_at_once(inserting("a", error=ZeroDivisionError()))
    with pytest.raises(StoreError, match=r"(?i)unique"):
        await database.write_at_once(inserting("b", "b"))
    assert await database.write_at_once(inserting("c")) == 1
    assert await names(database) == ["c"]


async def test_transactions_at_the_same_time_lose_nothing(database: Database) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            write = database.write_at_once if number % 3 == 0 else database.write
            tasks.start_soon(write, inserting(f"{number:03}"))
    assert await names(database) == [f"{number:03}" for number in range(200)]


async def test_postgresql_in_short(postgres: Cluster) -> None:
    """The one test of transactions on PostgreSQL in the fast run."""
    async with open_database(postgres.store()) as database:
        assert await database.write(inserting("a")) == 1
        with pytest.raises(ZeroDivisionError):
            await database.write(inserting("b", error=ZeroDivisionError()))
        assert await names(database) == ["a"]
