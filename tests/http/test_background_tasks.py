"""Background tasks: one that fails is restarted, and `/readyz`, the metrics and `doctor` report it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from support.homes import Home
from support.mcp import call
from support.mcp_in_process import World, in_process
from support.webhooks import url_of
from telnyx_conferencing.server.adapters.guard_factory import GuardRuntime
from telnyx_conferencing.server.adapters.running_servers import registered_server
from telnyx_conferencing.server.events.event import StoredEvent
from telnyx_conferencing.server.events.projection.projection import Projection
from telnyx_conferencing.server.http.app import open_http_app
from telnyx_conferencing.server.lifecycle import Supervisor
from telnyx_conferencing.server.settings import load

pytestmark = pytest.mark.anyio

PROBLEM = "this background task failed 3 times and is about to restart: see the server's log"


async def failing() -> None:
    raise RuntimeError("broken")


class Delays:
    """A sleep that returns at once and notes its seconds, or never returns."""

    def __init__(self, most: int) -> None:
        self.seconds: list[float] = []
        self.reached = anyio.Event()
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._most:
            self.reached.set()
            await anyio.sleep_forever()


async def test_a_failing_task_is_restarted_after_growing_delays_and_is_reported_meanwhile() -> None:
    delays = Delays(9)
    supervisor = Supervisor(delays)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run, "watch", failing)
        await delays.reached.wait()
        assert supervisor.problems() == {"watch": PROBLEM.replace("3", "9")}
        tasks.cancel_scope.cancel()
    assert delays.seconds == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_task_that_works_again_is_reported_no_more() -> None:
    supervisor = Supervisor(Delays(9))
    failures = iter([RuntimeError(), ValueError()])
    working = anyio.Event()

    async def task() -> None:
        if failure := next(failures, None):
            raise failure
        working.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run, "watch", task)
        await working.wait()
        assert supervisor.problems() == {}
        assert supervisor.tasks["watch"].failures == 2
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def http_server(directory: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    settings = load(sandbox=True, transport="http", database=url_of(directory / "events.db"))
    async with open_http_app(settings) as served:
        transport = httpx2.ASGITransport(served.app)
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{settings.port}") as http:
            yield http


async def test_ready_and_metrics_report_a_failed_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def watch(runtime: GuardRuntime) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(GuardRuntime, "watch", watch)
    async with http_server(tmp_path) as http:
        ready = await http.get("/readyz")
        metrics = (await http.get("/metrics")).text
    assert ready.status_code == 503
    assert list(ready.json()["problems"]) == ["policy watch"]
    assert 'telnyx_conferencing_background_task_running{task="policy watch"} 0.0' in metrics
    assert 'telnyx_conferencing_background_task_running{task="audit"} 1.0' in metrics
    assert 'telnyx_conferencing_background_task_failures_total{task="policy watch"} 1.0' in metrics
    assert "telnyx_conferencing_audit_lost_total 0.0" in metrics


async def test_an_event_that_the_projection_cannot_handle_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Projection.add

    def failing_add(projection: Projection, event: StoredEvent) -> set[str]:
        if event.type == "conference.created":
            raise RuntimeError("broken")
        return add(projection, event)

    monkeypatch.setattr(Projection, "add", failing_add)
    async with in_process(World(), with_events=True) as client:
        [first, *_] = (await call(client, "list_queue_calls", queue_name="support"))["calls"]
        opened = await call(client, "create_conference", call_control_id=first["call_control_id"], name="Standup")
        about = {"conference_id": opened["conference"]["id"]}
        for type_ in ("conference.created", "conference.participant.joined"):
            assert (await call(client, "wait_for_event", types=[type_], **about))["timed_out"] is False
        [content] = (await client.read_resource(f"telnyx://conferences/{about['conference_id']}")).contents
    assert first["call_control_id"] in str(content)


def test_doctor_reports_the_failed_tasks_of_each_running_server(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.env.items():
            patch.setenv(name, value)
        with registered_server(transport="stdio", sandbox=True, database=None, page=None) as report:
            report({"audit": PROBLEM})
            ended = home.run("doctor", "--json", "--sandbox")
            report({})
            after = home.run("doctor", "--json", "--sandbox")
    findings: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]
    [finding] = [finding for finding in findings if finding["name"] == "server: audit"]
    assert (ended.returncode, finding["state"]) == (1, "wrong")
    assert finding["says"].endswith(PROBLEM)
    assert (after.returncode, "server: audit" in after.stdout) == (0, False)
