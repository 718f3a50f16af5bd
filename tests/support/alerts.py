"""A server in this process whose alerts the test evaluates, on a clock that only the test moves."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcp.client import Client

from support.guarded_server import Clock
from support.mcp import call
from support.mcp_in_process import World, run_server_parts
from telnyx_conferencing.server.alerts.engine import AlertEngine
from telnyx_conferencing.server.board.board import Board
from telnyx_conferencing.server.events.service import EventService
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox

RAISED, CLEARED = "alert.raised", "alert.cleared"


@dataclass
class Watched:
    """A sandbox, a client of its server, and the engine of that server's alerts."""

    world: World
    client: Client
    engine: AlertEngine
    board: Board
    service: EventService
    ledger_clock: Clock

    @property
    def sandbox(self) -> Sandbox:
        return self.world.sandbox

    async def after(self, seconds: float) -> list[str]:
        """The alert events that are stored when so much time has passed, newest first: `raised NAME`."""
        await self.sandbox.advance(seconds)
        await self.world.settled()
        for _ in range(2):  # an alert about hosts is raised once Telnyx has been asked
            await self.engine.evaluate()
        return [f"{event['type'].removeprefix('alert.')} {event['payload']['alert']}" for event in await self.events()]

    async def events(self) -> list[dict[str, Any]]:
        """The alert events, newest first."""
        return (await call(self.client, "list_events", types=["alert.*"]))["events"]

    async def queue_up(self, number: str, queue: str = "support") -> str:
        """A new call that waits in a queue; its call_control_id."""
        leg = self.arrive(number)
        await call(self.client, "enqueue_call", call_control_id=leg, queue_name=queue)
        return leg

    def arrive(self, number: str) -> str:
        """A new call; its call_control_id."""
        return self.sandbox.state.legs.arrive(number, "+12025550100").call_control_id

    def hang_up(self, call_control_id: str) -> None:
        """The far end hangs up."""
        legs = self.sandbox.state.legs
        legs.person_hangs_up(legs.live(call_control_id))


@asynccontextmanager
async def alerting_client(policy: str, directory: Path, **given: Any) -> AsyncGenerator[Watched]:
    """A client of a server with this policy, without calls at first. Nobody is asked."""
    file = directory / "policy.toml"
    file.write_text(policy)
    world = World(Sandbox(clock=ManualClock(datetime.now(UTC)), scene=EMPTY))
    async with (
        world.http() as http,
        run_server_parts(world, http, with_events=True, policy=file, **given) as (parts, events, guard),
        Client(parts.server) as client,
    ):
        await events.store()
        clock = Clock(datetime.now(UTC))
        guard.ledger.now = clock
        engine = AlertEngine(events, guard.ledger, lambda: guard.policy().alerts, parts.alerts)
        yield Watched(world, client, engine, parts.board, events, clock)
