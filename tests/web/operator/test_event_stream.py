"""The page's stream of changes, which lasts as long as its session."""

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import TaskStatus
from starlette.routing import Router

from support.operator_visitor import Clock, Visitor, asked
from support.webhooks import PATIENCE, eventually, free_port, url_of
from telnyx_conferencing.server.asgi_server import listen, serving
from telnyx_conferencing.server.database import StoreError
from telnyx_conferencing.server.guard.ledger import Ledger
from telnyx_conferencing.server.settings import SettingsError
from telnyx_conferencing.server.web.operator import OperatorPage, serve_operator_page
from telnyx_conferencing.server.web.operator.server import open_stored_calls
from telnyx_conferencing.server.web.operator.sign_in import create_code

pytestmark = pytest.mark.anyio


@dataclass
class Served:
    """A page over real HTTP, which looks at its ledger all the time."""

    ledger: Ledger
    page: OperatorPage
    clock: Clock
    url: str
    open: AsyncExitStack

    async def signed_in(self) -> Visitor:
        visitor = Visitor(await self.open.enter_async_context(browser(self.url)))
        await visitor.sign_in(await create_code(self.ledger, "anna@desk"))
        return visitor


def browser(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Served]:
    async with serve(tmp_path, interval_s=0.01) as running:
        yield running


@asynccontextmanager
async def serve(tmp_path: Path, interval_s: float) -> AsyncGenerator[Served]:
    clock = Clock()
    listener = listen(0)
    port = listener.getsockname()[1]
    url = url_of(tmp_path / "store.db")
    async with open_stored_calls(url) as (_, live), Ledger.open(url, now=clock.now) as ledger:
        page = OperatorPage(ledger, live, port, now=clock.now, interval_s=interval_s)
        async with serving(Router(page.routes), listener), AsyncExitStack() as stack:
            try:
                yield Served(ledger, page, clock, f"http://127.0.0.1:{port}", stack)
            finally:
                page.close()


@asynccontextmanager
async def watch_stream(visitor: Visitor) -> AsyncGenerator[AsyncIterator[tuple[str, Any]]]:
    """The events of a stream, as they come."""
    headers = {"x-operator-key": visitor.key}
    with anyio.fail_after(PATIENCE):
        async with visitor.http.stream("GET", "/operator/api/events", headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "content-security-policy" in answer.headers
            yield events(answer)


async def events(answer: httpx2.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in answer.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


async def test_a_stream_begins_with_the_state_and_sends_every_change(served: Served) -> None:
    visitor = await served.signed_in()
    async with watch_stream(visitor) as stream:
        name, state = await anext(stream)
        assert (name, state["waiting"], state["stopped"], state["rooms"]) == ("state", 0, None, [])
        left = await served.ledger.add_pending(asked())
        _, state = await anext(stream)
        assert [shown["code"] for shown in state["pending"]] == [left.code]
        await served.ledger.stop("Anna", None)
        _, state = await anext(stream)
        assert state["stopped"]["by"] == "Anna"


async def test_a_request_of_this_process_appears_at_once(tmp_path: Path) -> None:
    async with serve(tmp_path, interval_s=3600) as served, watch_stream(await served.signed_in()) as stream:
        await anext(stream)
        left = await served.ledger.add_pending(asked())
        _, state = await anext(stream)
        assert [shown["code"] for shown in state["pending"]] == [left.code]


async def test_the_response_to_a_button_is_never_older_than_the_stream(served: Served) -> None:
    visitor = await served.signed_in()
    async with watch_stream(visitor) as stream:
        _, before = await anext(stream)
        answered = (await visitor.post("stop")).json()["state"]
        _, after = await anext(stream)
        assert before["number"] < answered["number"] <= after["number"]
        assert after["stopped"] == answered["stopped"]


async def test_signing_out_ends_the_streams_of_that_session_only(served: Served) -> None:
    visitor, other = await served.signed_in(), await served.signed_in()
    async with watch_stream(visitor) as first, watch_stream(visitor) as second, watch_stream(other) as others:
        for stream in (first, second, others):
            await anext(stream)
        await visitor.post("sign-out")
        for stream in (first, second):
            assert await anext(stream) == ("ended", {"why": "You signed out."})
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        await served.ledger.stop("Anna", None)
        assert (await anext(others))[0] == "state"


async def test_an_open_page_stays_signed_in(served: Served) -> None:
    visitor = await served.signed_in()
    async with watch_stream(visitor) as stream:
        await anext(stream)
        for hours in (8, 23, 23):
            served.clock.move(hours=hours)
            await served.ledger.stop("Anna", None)
            assert (await anext(stream))[0] == "state"
            await served.ledger.resume("Anna")
            assert (await anext(stream))[0] == "state"
    assert await visitor.is_signed_in()


async def test_a_sign_in_that_is_ended_elsewhere_ends_its_stream(served: Served) -> None:
    visitor, other = await served.signed_in(), await served.signed_in()
    async with watch_stream(visitor) as stream:
        await anext(stream)
        [mine] = [session for session in (await visitor.get("sessions")).json()["sessions"] if session["current"]]
        await other.post("end-session", {"id": mine["id"]})
        assert await anext(stream) == ("ended", {"why": "This sign-in was ended on another page."})


async def test_a_session_has_at_most_four_streams_at_a_time(served: Served) -> None:
    visitor = await served.signed_in()
    headers = {"x-operator-key": visitor.key}
    async with watch_stream(visitor), watch_stream(visitor), watch_stream(visitor):
        async with watch_stream(visitor):
            refused = await visitor.http.get("/operator/api/events", headers=headers)
            assert (refused.status_code, "Close one" in refused.json()["error"]) == (429, True)
        with anyio.fail_after(PATIENCE):
            while True:
                async with visitor.http.stream("GET", "/operator/api/events", headers=headers) as answer:
                    if answer.status_code == 200:
                        break


async def test_a_page_has_at_most_sixteen_streams(served: Served) -> None:
    async with anyio.create_task_group() as tasks:

        async def watch(visitor: Visitor) -> None:
            async with watch_stream(visitor) as stream:
                await anext(stream)
                ready.release()
                await anyio.sleep_forever()

        ready = anyio.Semaphore(0)
        for _ in range(4):
            visitor = await served.signed_in()
            for _ in range(4):
                tasks.start_soon(watch, visitor)
        for _ in range(16):
            await ready.acquire()
        late = await served.signed_in()
        assert (await late.http.get("/operator/api/events", headers={"x-operator-key": late.key})).status_code == 429
        tasks.cancel_scope.cancel()


async def test_the_ledger_is_read_only_while_a_stream_is_open(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    pending = served.ledger.pending

    async def counted() -> Any:
        looked.append(1)
        return await pending()

    monkeypatch.setattr(served.ledger, "pending", counted)
    visitor = await served.signed_in()
    await visitor.get("session")
    assert looked == []
    async with watch_stream(visitor) as stream:
        await anext(stream)
        assert looked

    async def gone() -> bool:
        return not served.page.streams

    await eventually(gone)
    before = len(looked)
    await anyio.sleep(0.05)
    assert len(looked) == before


async def test_a_store_error_is_shown_until_the_store_works_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await served.signed_in()

    async def fails() -> None:
        raise StoreError("The disk is full: make room.")

    async with watch_stream(visitor) as stream:
        await anext(stream)
        with monkeypatch.context() as broken:
            broken.setattr(served.ledger, "pending", fails)
            assert (await anext(stream))[1]["trouble"] == "The disk is full: make room."
        assert "trouble" not in (await anext(stream))[1]


async def test_shutdown_ends_an_open_stream_at_once_and_keeps_the_sign_in(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    url = url_of(tmp_path / "store.db")
    async with open_stored_calls(url) as (ledger, live), anyio.create_task_group() as tasks:

        async def watch(address: str, task_status: TaskStatus[None]) -> None:
            async with browser(address.removesuffix("/operator")) as http:
                visitor = Visitor(http)
                await visitor.sign_in(await create_code(ledger, "anna@desk"))
                async with watch_stream(visitor) as stream:
                    seen.append(await anext(stream))
                    task_status.started()
                    seen.extend([event async for event in stream])

        async with serve_operator_page(ledger, live, 0) as address:
            await tasks.start(watch, address)
            before = anyio.current_time()
        assert anyio.current_time() - before < 3  # a request in progress is given five seconds
        assert len(await ledger.sign_ins()) == 1
    assert seen[1:] == [("closed", {})]


async def test_a_port_in_use_is_a_settings_error(tmp_path: Path) -> None:
    port = free_port()
    async with open_stored_calls(url_of(tmp_path / "store.db")) as parts, serve_operator_page(*parts, port):
        with pytest.raises(SettingsError, match=f"operator page: port {port} is already in use"):
            async with serve_operator_page(*parts, port):
                pass


def test_a_server_without_the_page_does_not_load_its_code() -> None:
    code = "import sys, telnyx_conferencing.server.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if ".server.web" in f"{name}." and ".server.webhooks" not in name]
