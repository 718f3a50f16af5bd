"""What was missed is fetched from Telnyx's list of webhook deliveries: at the start, again and again, and only once."""

import socket
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.mcp import call, connected
from support.telnyx import Telnyx, open_room, telnyx
from support.webhooks import (
    eventually,
    free_port,
    has_all,
    ids,
    list_all_events,
    posting_telnyx,
    receiving_client,
    stored_in,
    url_of,
)
from telnyx_conferencing.server.errors import CallFailed
from telnyx_conferencing.server.events.event import EventFilter, Via
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.sandbox import Fault, ManualClock, Sandbox
from telnyx_conferencing.server.webhooks.backfill import Backfill, GapDetector, run_backfill
from telnyx_conferencing.tools.base import Command

pytestmark = pytest.mark.anyio

DELIVERIES = "/webhook_deliveries"
A_PAGE = 250


def looks(line: Telnyx) -> int:
    """How often the server has asked for deliveries, with success."""
    return sum(request.path == DELIVERIES and request.status == 200 for request in list(line.sandbox.requests))


def somebody_calls(line: Telnyx, times: int) -> None:
    for _ in range(times):
        line.sandbox.state.legs.arrive("+12025550142", "+12025550100")


async def test_missed_events_are_fetched_at_each_start(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    with telnyx() as line:
        somebody_calls(line, A_PAGE)
        async with connected("--database", url_of(database), env=line.env) as client:
            await eventually(partial(has_all, client, ids(line.sandbox)))
            events = await list_all_events(client)
        somebody_calls(line, 1)
        async with connected("--database", url_of(database), env=line.env) as client:
            await eventually(partial(has_all, client, ids(line.sandbox)))
        asked = [request.query for request in line.sandbox.requests if request.path == DELIVERIES]
        emitted = [envelope.get("data", envelope)["id"] for envelope in line.sandbox.events]
    kept = await stored_in(database)
    assert len(emitted) > A_PAGE
    assert {event["via"] for event in events} == {"catch-up"}
    assert not any("verified" in event for event in events)
    assert [event["id"] for event in events] == emitted[-2::-1]
    assert {query["page[number]"] for query in asked} == {"1", "2"}
    assert [event.id for event in kept] == emitted
    assert {event.via for event in kept} == {Via.CATCH_UP}


async def test_with_catch_up_later_events_are_fetched_too_and_failed_requests_are_repeated(era: str) -> None:
    with telnyx() as line:
        for fault in (Fault(kind="status", status=403, times=2), Fault(kind="status", status=500, times=1)):
            fault.path = DELIVERIES
            line.sandbox.faults.add(fault)
        async with connected("--catch-up", "1s", "--approval", "never", era=era, env=line.env) as client:
            await eventually(partial(has_all, client, ids(line.sandbox)))
            anna, ben = line.waiting()[:2]
            room = await open_room(client, anna, ben)
            seen = await call(
                client, "wait_for_event", types=["conference.participant.joined"], call_control_id=ben, timeout_secs=20
            )
            summary = await call(client, "conference_summary", conference_id=room)
        statuses = [request.status for request in line.sandbox.requests if request.path == DELIVERIES]
    assert statuses[:4] == [403, 403, 500, 200]
    assert [(event["conference_id"], event["via"]) for event in seen["events"]] == [(room, "catch-up")]
    assert {person["call_control_id"] for person in summary["conference"]["participants"]} == {anna, ben}


async def test_a_backfill_does_not_store_a_received_webhook_again(tmp_path: Path) -> None:
    port, database = free_port(), tmp_path / "events.db"
    with posting_telnyx(port) as line:
        async with receiving_client(line, port, database) as client:
            room = await open_room(client, *line.waiting())
            await eventually(partial(has_all, client, ids(line.sandbox)))
            done = looks(line)

            async def has_looked_again() -> bool:
                return looks(line) >= done + 4  # a look is two requests

            await eventually(has_looked_again)
            page = await call(client, "list_events", limit=1)
        everything = ids(line.sandbox)
    kept = [event.id for event in await stored_in(database)]
    assert room
    assert sorted(kept) == sorted(everything)
    assert page["total_results"] == len(everything)


class Deliveries:
    """Telnyx's list of deliveries, which fails as often as told to."""

    def __init__(self, failures: int) -> None:
        self.sandbox = Sandbox(clock=ManualClock())
        self.failures = failures
        self.slept: list[float] = []
        self.asked = 0

    async def read(self, command: Command) -> Any:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise CallFailed("Telnyx cannot be reached.")
        deliveries = [{"webhook": envelope.get("data", envelope)} for envelope in reversed(self.sandbox.events)]
        return {"data": [*deliveries, {"webhook": "?"}, {"webhook": {"id": "no type"}}], "meta": {"total_pages": 1}}

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_the_backfill_at_the_start_is_repeated_until_it_succeeds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    telnyx = Deliveries(failures=3)
    async with Store.open(url_of(tmp_path / "events.db")) as store:
        catch_up = Backfill(telnyx.read, telnyx.sandbox.clock.now)
        await run_backfill(catch_up, store, None, None, telnyx.sleep)
    assert {event.id for event in await stored_in(tmp_path / "events.db")} == ids(telnyx.sandbox)
    assert telnyx.slept == [30.0] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "Could not look for missed events: Telnyx cannot be reached."
    ]


async def test_a_backfill_follows_cursors_where_telnyx_answers_with_them(tmp_path: Path) -> None:
    telnyx = Deliveries(failures=0)

    async def read(command: Command) -> Any:
        """Two deliveries a page."""
        begin = int(command.request().query.get("page[after]", 0))
        data = (await telnyx.read(command))["data"]
        end = begin + 2
        following = f"/v2/webhook_deliveries?page[after]={end}" if end < len(data) else ""
        meta = {"cursors": {"after": str(end), "before": ""}, "next": following, "total_items": len(data)}
        return {"data": data[begin:end], "meta": meta}

    async with Store.open(url_of(tmp_path / "events.db")) as store:
        await Backfill(read, telnyx.sandbox.clock.now).run_once(store, latest=None)
    assert {event.id for event in await stored_in(tmp_path / "events.db")} == ids(telnyx.sandbox)


async def test_a_new_process_starts_at_the_last_successful_backfill(tmp_path: Path) -> None:
    telnyx = Deliveries(failures=0)
    wanted: list[str] = []

    async def read(command: Command) -> Any:
        wanted.append(str(command.request().query))
        return await telnyx.read(command)

    clock = telnyx.sandbox.clock
    for later in (0, 3600, 60):
        await telnyx.sandbox.advance(later)
        async with Store.open(url_of(tmp_path / "events.db")) as store:
            await Backfill(read, clock.now).run_once(store, latest=clock.now())
    starts = [clock.now() - timedelta(seconds=ago) - timedelta(minutes=5) for ago in (3660, 3660, 60)]
    for start, looked in zip(starts, wanted[::2], strict=True):
        assert f"{start:%Y-%m-%dT%H:%M:%S}" in looked


class Beats:
    """A clock that moves during each sleep, by the listed seconds more than the sleep, and then stops."""

    def __init__(self, *late: float) -> None:
        self.moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self._late = list(late)

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        if not self._late:
            await anyio.sleep_forever()
        self.moment += timedelta(seconds=seconds + self._late.pop(0))


async def is_noted(*late: float) -> bool:
    """Whether heartbeats that are this many seconds late count as a gap."""
    clock, noted = Beats(*late), anyio.Event()
    gaps = GapDetector(clock.now, clock.sleep)

    async def note() -> None:
        await gaps.wait()
        noted.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note)
        tasks.start_soon(gaps.watch)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    return noted.is_set()


async def test_a_machine_that_slept_is_distinguished_from_a_busy_one() -> None:
    assert not await is_noted()
    assert not await is_noted(0, 0.5, 20, 0)
    assert not await is_noted(60, 60, 60)
    assert not await is_noted(-3600)  # the clock was set
    assert await is_noted(0, 91, 0)
    assert await is_noted(8 * 3600)


async def test_each_gap_causes_one_more_backfill(tmp_path: Path) -> None:
    telnyx, clock = Deliveries(failures=0), Beats()
    gaps = GapDetector(clock.now, clock.sleep)
    async with Store.open(url_of(tmp_path / "events.db")) as store, anyio.create_task_group() as tasks:

        async def has_looked(times: int) -> bool:
            there = {event.id for event in await store.find(EventFilter(), limit=100)}
            return telnyx.asked == 2 * times and there == ids(telnyx.sandbox)  # a look is two requests

        catch_up = Backfill(telnyx.read, telnyx.sandbox.clock.now)
        tasks.start_soon(partial(run_backfill, catch_up, store, None, None, telnyx.sleep, gaps=gaps))
        await eventually(partial(has_looked, 1))
        for looks_before in (1, 2):
            telnyx.sandbox.state.legs.arrive("+12025550142", "+12025550100")
            await anyio.wait_all_tasks_blocked()
            assert telnyx.asked == 2 * looks_before
            gaps.report()
            await eventually(partial(has_looked, looks_before + 1))
        tasks.cancel_scope.cancel()
    assert telnyx.slept == []


async def test_taking_over_the_port_causes_a_backfill(tmp_path: Path) -> None:
    with telnyx() as line, socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ("--webhook-port", str(taken.getsockname()[1]), "--database", url_of(tmp_path / "events.db"))
        env = {**line.env, "TELNYX_PUBLIC_KEY": line.sandbox.public_key}
        async with connected(*arguments, env=env) as client:
            await eventually(partial(has_all, client, ids(line.sandbox)))

            async def has_looked(times: int) -> bool:
                return looks(line) == 2 * times

            await eventually(partial(has_looked, 1))
            somebody_calls(line, 1)
            taken.close()
            await eventually(partial(has_all, client, ids(line.sandbox)))
            await eventually(partial(has_looked, 2))
