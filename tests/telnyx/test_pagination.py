"""Lists are read to their end in both forms that Telnyx uses: page numbers and cursors."""

from typing import Any

import httpx2
import pytest

from support.guarded_server import guarded
from support.mcp import call, refusal
from support.mcp_in_process import World
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.sandbox import Sandbox
from telnyx_conferencing.tools.calls import ListActiveCalls
from telnyx_conferencing.tools.pagination import all_of, count_of

pytestmark = pytest.mark.anyio

LEGS = [f"v3:leg{number}" for number in range(1, 151)]
LISTING = ListActiveCalls(connection_id="1")


def item(leg: str) -> dict[str, Any]:
    return {"record_type": "call", "call_control_id": leg, "call_duration": 50, "client_state": ""}


def by_number(query: httpx2.QueryParams) -> dict[str, Any]:
    """A page as Telnyx numbers them."""
    number, size = int(query.get("page[number]", 1)), int(query.get("page[size]", 20))
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": -(-len(LEGS) // size),
        "total_results": len(LEGS),
    }
    return {"data": list(map(item, LEGS[(number - 1) * size : number * size])), "meta": meta}


def by_cursor(query: httpx2.QueryParams) -> dict[str, Any]:
    """A page with cursors, which name the last and the first item even where no page follows."""
    size = int(query.get("page[size]", 20))
    begin = int(query.get("page[after]", "0"))
    legs, end = LEGS[begin : begin + size], begin + size
    path = f"/v2/connections/1/active_calls?page[after]={end}" if end < len(LEGS) else ""
    cursors = {"after": str(end), "before": str(begin)}
    meta = {"cursors": cursors, "next": path, "previous": "", "total_items": len(LEGS)}
    return {"data": list(map(item, legs)), "meta": meta}


class Lists(httpx2.AsyncBaseTransport):
    """A Telnyx with 150 active calls. Everything else is the sandbox's."""

    def __init__(self, sandbox: Sandbox, page: Any) -> None:
        self._sandbox = SandboxTransport(sandbox.app)
        self._page = page
        self.dialled = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/active_calls"):
            return httpx2.Response(200, json=self._page(request.url.params))
        self.dialled += request.url.path.endswith("/calls")
        return await self._sandbox.handle_async_request(request)


FORMS = {"page numbers": by_number, "cursors": by_cursor}


@pytest.mark.parametrize("form", FORMS)
async def test_every_page_is_read_and_counted(form: str) -> None:
    world = World()
    async with world.http(Lists(world.sandbox, FORMS[form])) as http:
        read = world.telnyx(http).read
        assert [entry["call_control_id"] for entry in await all_of(read, LISTING)] == LEGS
        assert await count_of(read, LISTING) == 150


@pytest.mark.parametrize("form", FORMS)
async def test_a_model_reads_the_total_and_follows_the_list_to_its_end(form: str) -> None:
    world, seen = World(), list[str]()
    async with guarded(world, transport=Lists(world.sandbox, FORMS[form]), connection_id="1") as client:
        position: dict[str, Any] = {}
        while True:
            page = await call(client, "list_active_calls", page_size=100, **position)
            assert page["total_results"] == 150
            assert "150 calls" in page["summary"]
            seen += [entry["call_control_id"] for entry in page["calls"]]
            position = {name.removeprefix("next_"): page[name] for name in page if name.startswith("next_")}
            if not position:
                break
            (argument,) = position
            assert f"Next: {argument} {position[argument]}" in page["summary"]
    assert seen == LEGS


@pytest.mark.parametrize("form", FORMS)
async def test_the_limit_of_concurrent_calls_counts_the_calls_on_every_page(form: str) -> None:
    world = World()
    transport = Lists(world.sandbox, FORMS[form])
    async with guarded(world, transport=transport, connection_id="1", approval="never", concurrent_calls=3) as client:
        refused = await refusal(client, "dial", to="+12025550123", **{"from": "+12025550100"})
    assert "150 calls are up" in refused
    assert "allows 3 at once" in refused
    assert transport.dialled == 0


@pytest.mark.parametrize("form", FORMS)
async def test_nothing_on_a_later_page_is_reported_as_missing(form: str) -> None:
    world = World()
    async with guarded(
        world, transport=Lists(world.sandbox, FORMS[form]), connection_id="1", approval="never"
    ) as client:
        on_a_later_page = await refusal(client, "hangup_call", call_control_id="v3:leg149")
        nowhere = await refusal(client, "hangup_call", call_control_id="v3:leg151")
    assert "is not among" not in on_a_later_page
    assert "is not among the calls" in nowhere


async def test_the_active_calls_of_the_sandbox_are_followed_by_cursor() -> None:
    world, seen = World(), list[str]()
    async with guarded(world, connection_id="sandbox") as client:
        after = None
        for _ in range(3):
            page = await call(client, "list_active_calls", page_size=2, page_after=after)
            seen += [entry["call_control_id"] for entry in page["calls"]]
            assert page["total_results"] == 5
            after = page.get("next_page_after")
    assert len(seen) == len(set(seen)) == 5
    assert after is None


CURSOR_LISTS = {
    "list_conferences": {},
    "list_participants": {"conference_id": "standup"},
    "list_queue_calls": {"queue_name": "support"},
}


@pytest.mark.parametrize("tool", CURSOR_LISTS)
async def test_each_list_that_telnyx_documents_with_cursors_takes_the_one_that_its_result_names(tool: str) -> None:
    world, pages = World(), list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/webhook_deliveries"):
            return httpx2.Response(200, json={"data": []})
        pages.append(request.url.params.get("page[after]", ""))
        meta = {"cursors": {"after": "QWZ0ZXI="}, "next": "/v2/...", "total_items": 45}
        return httpx2.Response(200, json={"data": [{"id": "1"}], "meta": meta})

    async with guarded(world, transport=httpx2.MockTransport(answer)) as client:
        page = await call(client, tool, **CURSOR_LISTS[tool])
        assert "Next: page_after QWZ0ZXI=" in page["summary"]
        await call(client, tool, **CURSOR_LISTS[tool], page_after=page["next_page_after"])
    assert pages[-1] == "QWZ0ZXI="
