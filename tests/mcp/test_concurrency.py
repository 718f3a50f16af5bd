"""Calls side by side, and calls that are given up."""

import anyio
import httpx2
import pytest
from mcp.client import Client

from support.mcp import ERAS, call
from support.mcp_in_process import World, in_process, run_server
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.sandbox import Fault

pytestmark = pytest.mark.anyio


class Watched(SandboxTransport):
    """Tells when a request is under way, and when it was cancelled."""

    def __init__(self, world: World) -> None:
        super().__init__(world.sandbox.app)
        self.started = anyio.Event()
        self.cancelled = anyio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.started.set()
        try:
            return await super().handle_async_request(request)
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise


async def test_a_call_that_the_client_cancels_cancels_its_request(era: str) -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="hang"))
    transport = Watched(world)
    async with world.http(transport) as http, run_server(world, http) as server:
        async with Client(server, mode=ERAS[era]) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "create_queue", {"queue_name": "sales"})
            with anyio.fail_after(5):
                await transport.started.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await transport.cancelled.wait()
    assert [request.applied for request in world.sandbox.requests] == [False]


async def test_calls_side_by_side_each_get_their_own_answer() -> None:
    world = World()
    answers: dict[str, str] = {}
    async with in_process(world) as client:

        async def create(name: str) -> None:
            answers[name] = (await call(client, "create_queue", queue_name=name))["queue"]["name"]

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(create, f"queue {number}")
    assert answers == {name: name for name in answers}
    assert len(answers) == 50
    assert sum(request.applied for request in world.sandbox.requests) == 50
