"""Several processes with one event store, and its contents after they are killed."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
import anyio.abc
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from support.stored_events import add_all, series
from telnyx_conferencing.server.events.event import EventFilter, StoredEvent
from telnyx_conferencing.server.events.store import Store

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("STORE_KILLS", "20"))
COMMITS = 300


def command(what: str, address: str, name: str) -> list[str]:
    return [sys.executable, "-m", "support.stored_events", what, address, name]


class Other:
    """A process that shares the store."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self.received: list[tuple[int, str]] = []

    async def send(self, line: str) -> None:
        await self._stdin.send(f"{line}\n".encode())

    async def line(self) -> str:
        with anyio.fail_after(30):
            return (await self._stdout.receive_until(b"\n", 10_000)).decode()

    async def until(self, last_line: str) -> None:
        """Read its output up to this line. Events in it are kept."""
        while (line := await self.line()) != last_line:
            await self._note(line)

    async def until_received(self, count: int) -> None:
        while len(self.received) < count:
            await self._note(await self.line())

    async def _note(self, line: str) -> None:
        if line.startswith("event "):
            _, number, name = line.split()
            self.received.append((int(number), name))


@asynccontextmanager
async def another(address: str, name: str) -> AsyncGenerator[Other]:
    """A process that opens the store when it receives a line."""
    async with await anyio.open_process(command("share", address, name), cwd=ROOT, stderr=None) as process:
        other = Other(process)
        await other.until("here")
        try:
            yield other
        finally:
            process.terminate()


def pour_until_killed(address: str, name: str, after: int) -> list[str]:
    """The ids of the events that a process has stored. It is killed after this many of them."""
    with subprocess.Popen(command("pour", address, name), cwd=ROOT, stdin=PIPE, stdout=PIPE, bufsize=0) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"go\n")
        output = b""
        while output.count(b"\n") <= after and (some := process.stdout.read(4096)):
            output += some
        process.kill()
        output += process.stdout.read()
    return output.decode().split("\n")[1:-1]


async def test_after_kill_9_every_event_that_was_stored_is_there_once(address: str) -> None:
    chance = random.Random()
    confirmed: list[str] = []
    for run in range(KILLS):
        confirmed += await anyio.to_thread.run_sync(pour_until_killed, address, f"run{run}", chance.randrange(1, 600))
    async with Store.open(address) as store:
        there = [event.id for event in await store.find(EventFilter(), limit=1_000_000)]
    assert len(confirmed) >= KILLS
    assert len(there) == len(set(there))
    assert set(confirmed) <= set(there)
    if address.startswith("sqlite:"):
        with sqlite3.connect(address.removeprefix("sqlite:///")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_two_processes_write_and_each_receives_all_events_in_the_order_of_numbers(address: str) -> None:
    async with another(address, "one") as one, another(address, "two") as two:
        for process in (one, two):
            await process.send("open")
            await process.until("ready")
        for _ in range(5):
            await one.send("40")
            await two.send("40")
        for process in (one, two):
            await process.until_received(400)
    assert one.received == two.received
    assert [number for number, _ in one.received] == list(range(1, 401))
    assert {name for _, name in one.received} == {f"{name}-{place}" for name in ("one", "two") for place in range(200)}


async def test_a_process_that_stores_nothing_receives_the_events_of_another(address: str) -> None:
    async with Store.open(address) as store, another(address, "other") as other:
        await other.send("open")
        await other.until("ready")
        await add_all(store, series(3))
        await other.until_received(3)
    assert [name for _, name in other.received] == ["e0", "e1", "e2"]


async def test_processes_can_open_a_new_store_at_the_same_time(empty_address: str) -> None:
    address = empty_address
    async with (
        another(address, "one") as one,
        another(address, "two") as two,
        another(address, "three") as three,
    ):
        for process in (one, two, three):
            await process.send("open")
        for process in (one, two, three):
            await process.until("ready")
        for process in (one, two, three):
            await process.send("10")
        for process in (one, two, three):
            await process.until_received(30)
    assert one.received == two.received == three.received


async def test_a_reader_that_pages_by_number_misses_no_event_while_several_processes_write(address: str) -> None:
    names = ("one", "two", "three")
    async with Store.open(address) as store, AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(another(address, name)) for name in names]
        for writer in writers:
            await writer.send("open")
            await writer.until("ready")
        for writer in writers:  # one event after another, so that commits are small and cross each other
            for _ in range(COMMITS):
                await writer.send("1")
        seen: list[StoredEvent] = []
        with anyio.fail_after(60):
            while len(seen) < COMMITS * len(names):
                after = seen[-1].number if seen else 0
                seen += await store.find(EventFilter(after_number=after), limit=1_000, newest_first=False)
    assert {event.id for event in seen} == {f"{name}-{place}" for name in names for place in range(COMMITS)}
