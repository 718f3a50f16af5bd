"""Transactions on the store: whole or not at all, one at a time, and never in the way of the event loop for long."""

import threading
from collections.abc import AsyncGenerator, Callable

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from telnyx_conferencing.server.database import Dialect, StoreError, Transaction, open_database

pytestmark = pytest.mark.anyio

NOTE = "INSERT INTO notes (name, value) VALUES (:name, :value)"
NOTES = "SELECT name FROM notes ORDER BY name"


@pytest.fixture
async def database(address: str) -> AsyncGenerator[Dialect]:
    async with open_database(address) as opened:
        yield opened


async def names(database: Dialect) -> list[str]:
    return [name for (name,) in await database.transaction(lambda session: session.rows(NOTES))]


def noting(*given: str, then: Exception | None = None) -> Callable[[Transaction], int]:
    def work(session: Transaction) -> int:
        for name in given:
            session.change(NOTE, name=name, value="")
        if then is not None:
            raise then
        return len(given)

    return work


async def test_what_is_done_is_committed_and_its_result_returned(database: Dialect) -> None:
    assert await database.transaction(noting("a", "b")) == 2
    assert await database.transaction(noting("c"), outlives="process") == 1
    assert await database.at_once(noting("d")) == 1
    assert await names(database) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("kind", ["transaction", "at_once"])
async def test_work_that_fails_changes_nothing_and_its_failure_comes_out(database: Dialect, kind: str) -> None:
    with pytest.raises(ZeroDivisionError):
        await getattr(database, kind)(noting("a", then=ZeroDivisionError()))
    with pytest.raises(StoreError, match=r"(?i)unique"):
        await getattr(database, kind)(noting("b", "b"))
    assert await names(database) == []
    assert await getattr(database, kind)(noting("c")) == 1


async def test_a_quick_transaction_waits_its_turn_while_another_process_writes(database: Dialect, address: str) -> None:
    begun, may_end = threading.Event(), threading.Event()
    done: list[int] = []

    def slow(session: Transaction) -> int:
        begun.set()
        may_end.wait(30)
        return noting("early")(session)

    async def quick() -> None:
        done.append(await database.at_once(noting("late")))

    async with open_database(address) as other, anyio.create_task_group() as tasks:
        tasks.start_soon(other.transaction, slow)
        assert await anyio.to_thread.run_sync(begun.wait, 30)
        tasks.start_soon(quick)
        for _ in range(50):  # the loop goes round meanwhile
            await anyio.lowlevel.checkpoint()
        assert done == []
        may_end.set()
    assert done == [1]
    assert await names(database) == ["early", "late"]


async def test_two_kinds_of_transaction_side_by_side_lose_nothing(database: Dialect) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            kind = (database.at_once, database.transaction)[number % 2]
            tasks.start_soon(kind, noting(f"{number:03}"))
    assert await names(database) == [f"{number:03}" for number in range(200)]
