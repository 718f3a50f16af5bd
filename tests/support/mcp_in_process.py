"""The server and its Telnyx in this process, on a clock that only the test moves."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import anyio
import httpx2
from mcp.client import Client
from mcp.server import Server

from support.webhooks import eventually
from telnyx_conferencing.server.adapters.call_watch import CallWatch
from telnyx_conferencing.server.adapters.guard_factory import GuardRuntime
from telnyx_conferencing.server.adapters.live_facts import TelnyxFacts
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.app import ServerParts, build
from telnyx_conferencing.server.events.event import StoredEvent
from telnyx_conferencing.server.events.service import EventService
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.server.settings import load
from telnyx_conferencing.server.stores import open_event_store, store_url
from telnyx_conferencing.server.telnyx import TelnyxClient
from telnyx_conferencing.server.webhooks.ingest import EventIngest


@dataclass
class World:
    """A sandbox on a manual clock, and Telnyx's client on the same clock."""

    sandbox: Sandbox = field(default_factory=lambda: Sandbox(clock=ManualClock()))
    waited: list[float] = field(default_factory=list[float])
    """The pauses between attempts, in seconds."""
    watches: list[CallWatch] = field(default_factory=list[CallWatch])
    """What acts on events in the servers that get the sandbox's events."""
    stored: set[str] = field(default_factory=set[str])
    """The ids of the events that servers have stored."""
    _newest_stored: str = ""
    """The id of an event before which all were stored when it was looked at."""

    def now(self) -> float:
        return self.sandbox.clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await self.sandbox.advance(seconds)

    async def settled(self) -> None:
        """Return once the server knows all events of the sandbox, and has acted on them."""

        async def are_known() -> bool:
            return self._are_stored() and all(watch.is_idle for watch in self.watches)

        if self.watches:
            await eventually(are_known, pause_s=0.001)

    def _are_stored(self) -> bool:
        ids = [event.get("data", event)["id"] for event in takewhile(self._is_newer, reversed(self.sandbox.events))]
        are_stored = self.stored.issuperset(ids)
        if are_stored and ids:
            self._newest_stored = ids[0]
        return are_stored

    def _is_newer(self, event: Mapping[str, Any]) -> bool:
        return event.get("data", event)["id"] != self._newest_stored

    def on_stored(self, changed: set[str], events: list[StoredEvent]) -> None:
        self.stored.update(event.id for event in events)

    def http(self, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url="http://sandbox/v2",
            headers={"Authorization": "Bearer KEYtests"},
            transport=transport or SandboxTransport(self.sandbox.app),
        )

    def telnyx(self, http: httpx2.AsyncClient) -> TelnyxClient:
        return TelnyxClient(http, now=self.now, sleep=self.sleep)


def current_world() -> World:
    """A world whose clock starts at the real time."""
    return World(Sandbox(clock=ManualClock(datetime.now(UTC))))


@asynccontextmanager
async def run_server(
    world: World, http: httpx2.AsyncClient, *, with_events: bool = False, **given: Any
) -> AsyncGenerator[Server[Any]]:
    """The MCP server on this world, with a store of its own and all tools; nobody is asked.

    `with_events`: it gets the webhooks.
    """
    async with run_server_parts(world, http, with_events=with_events, **given) as (parts, _, _):
        yield parts.server


@asynccontextmanager
async def run_server_parts(
    world: World, http: httpx2.AsyncClient, *, with_events: bool = False, **given: Any
) -> AsyncGenerator[tuple[ServerParts, EventService, GuardRuntime]]:
    """The same, with the parts that the server is made of."""
    telnyx = world.telnyx(http)
    settings = load(sandbox=True, **({"approval": "never", "toolsets": "all"} | given))
    with store_url(settings) as database:
        now = world.sandbox.clock.now if with_events else lambda: datetime.now(UTC)
        events = EventService(lambda: open_event_store(settings, database), TelnyxFacts(telnyx.read), now)
        if with_events:
            events.on_change(world.on_stored)
            EventIngest(settings, events, telnyx, world.sandbox, None)
        guarding = GuardRuntime(settings, telnyx, events, database)
        async with (
            events.connection.running(),
            guarding.guard.audit_writer.running(),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(guarding.call_watch.run)
            if with_events:
                world.watches.append(guarding.call_watch)
            parts = build(settings, telnyx, events, guarding)
            tasks.start_soon(parts.tool_calls.room_transcription.run)
            try:
                yield parts, events, guarding
            finally:
                if with_events:
                    world.watches.remove(guarding.call_watch)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def in_process(
    world: World, transport: httpx2.AsyncBaseTransport | None = None, **given: Any
) -> AsyncGenerator[Client]:
    """An MCP client of a server on this world."""
    async with world.http(transport) as http, run_server(world, http, **given) as server, Client(server) as client:
        yield client
