"""The audit writer: one record cannot stop the others, and no record is lost silently."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.mcp import call, refusal
from support.mcp_in_process import World, in_process
from support.webhooks import url_of
from telnyx_conferencing.server.database import Database, StoreError, open_database
from telnyx_conferencing.server.errors import CallRefused
from telnyx_conferencing.server.guard import AuditWriter, Ledger
from telnyx_conferencing.server.lifecycle import Supervisor

pytestmark = pytest.mark.anyio


class Switchable:
    """A store that can be switched off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_on = True

    async def __call__(self) -> Database:
        if not self.is_on:
            raise StoreError("The store is switched off.")
        return self._database


@asynccontextmanager
async def opened(directory: Path) -> AsyncGenerator[tuple[Switchable, Ledger]]:
    async with open_database(url_of(directory / "events.db")) as database:
        store = Switchable(database)
        yield store, Ledger(store)


def minimal(reason: str) -> Mapping[str, Any]:
    return {"outcome": "done", "why": reason}


def add(writer: AuditWriter, **entry: Any) -> None:
    writer.add(lambda: entry, minimal)


def fail() -> Mapping[str, Any]:
    raise RuntimeError("no entry")


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


async def entries(ledger: Ledger) -> list[dict[str, Any]]:
    """All entries, oldest first. The audit is verified."""
    await ledger.verify()
    return [record.entry for record in reversed(await ledger.newest(1_000))]


async def test_a_record_that_cannot_be_written_is_replaced_by_one_that_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, ledger):
        writer = AuditWriter(ledger)
        add(writer, outcome="first")
        writer.add(fail, minimal)
        add(writer, arguments=nested(100_000))
        add(writer, session="\ud800")
        add(writer, outcome="last")
        await writer.flush()
        assert await entries(ledger) == [
            {"outcome": "first"},
            {"outcome": "done", "why": "RuntimeError"},
            {"outcome": "done", "why": "RecursionError"},
            {"outcome": "done", "why": "the store refused it"},
            {"outcome": "last"},
        ]
    assert (writer.queued, writer.lost, writer.problem) == (0, 0, "")


async def test_records_wait_while_the_store_is_away_and_keep_their_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, ledger):
        writer = AuditWriter(ledger)
        store.is_on = False
        for place in range(3):
            add(writer, place=place)
            await writer.flush()
        assert writer.queued == 3
        assert "cannot be written" in writer.problem
        store.is_on = True
        await writer.flush()
        assert writer.problem == ""
        assert await entries(ledger) == [{"place": 0}, {"place": 1}, {"place": 2}]


async def test_a_full_queue_refuses_writes_and_the_audit_says_how_many_reads_it_lost(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, ledger):
        writer = AuditWriter(ledger, max_queued=2)
        store.is_on = False
        for place in range(5):
            if place < 2:
                writer.require_room()
            add(writer, place=place)
        with pytest.raises(CallRefused, match="Nothing was sent"):
            writer.require_room()
        assert "queue is full" in writer.problem
        assert writer.lost == 3
        store.is_on = True
        await writer.flush()
        writer.require_room()
        lost = {
            "outcome": "records lost",
            "why": "3 calls were not recorded: the queue of records was full",
        }
        assert await entries(ledger) == [{"place": 0}, {"place": 1}, lost]


def is_full(writer: AuditWriter) -> bool:
    return True


async def test_a_server_with_a_full_queue_refuses_writes_and_still_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_process(World()) as client:
        monkeypatch.setattr(AuditWriter, "_is_full", is_full)
        assert "cannot record what it does" in await refusal(client, "update_queue", queue_name="support", max_size=7)
        queue = await call(client, "get_queue", queue_name="support")
    assert queue["queue"]["max_size"] != 7


async def test_a_full_queue_is_reported_beside_the_failed_background_tasks(tmp_path: Path) -> None:
    supervisor, reports = Supervisor(), list[Mapping[str, str]]()
    supervisor.on_change(reports.append)
    async with opened(tmp_path) as (store, ledger):
        writer = AuditWriter(ledger, max_queued=2)
        async with writer.running(supervisor):
            store.is_on = False
            for place in range(3):
                add(writer, place=place)
            assert supervisor.problems() == {
                "audit": "its queue is full: writes are refused, and reads are not recorded"
            }
            store.is_on = True
            await writer.flush()
            assert supervisor.problems() == {}
    assert ["audit" in report for report in reports] == [True, False]
