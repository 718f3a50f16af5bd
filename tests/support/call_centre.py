"""A call centre on the sandbox: an agent with only the tools, a person who approves, and callers at telephones."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.client import Client

from support.guarded_server import Person, guarded
from support.mcp import call, yes
from support.mcp_in_process import World
from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.audio import playbacks
from telnyx_conferencing.server.sandbox.bridges import BridgeEnd
from telnyx_conferencing.server.sandbox.call_audio import PlaybackQueue
from telnyx_conferencing.server.sandbox.conference import Participant
from telnyx_conferencing.server.sandbox.legs import Leg
from telnyx_conferencing.server.sandbox.recordings import Recording

THINKING_S = 1
"""How long an agent takes for each tool call, on the sandbox's clock."""
_LONGEST_WAIT_S = 180

AGENT, EXPERT, SUPERVISOR = "+12025550150", "+12025550151", "+12025550152"
MACHINE, BUSY = "+12025550196", "+12025550198"
CALLER = "+12025550131"
NUMBER = "+12025550100"
VOICE = "AWS.Polly.Joanna"
MUSIC = {"audio_url": "https://example.com/music.mp3"}


class CallCentre:
    """Runs tools in order, and counts them, the questions, and the seconds in which the caller hears nothing."""

    def __init__(self, client: Client, world: World, person: Person) -> None:
        self.world = world
        self.telnyx = Telnyx(world.sandbox)
        self.person = person
        self.tools: list[str] = []
        self.silence_s = 0
        self.client = client
        self._caller: Leg | None = None
        self._questions_before = 0
        self._stored = 0

    # The people at the other ends of the lines

    def watch(self, call_control_id: str) -> None:
        """From now on, count the seconds in which this person hears nothing."""
        self._caller = self.leg(call_control_id)

    def follow(self, call_control_id: str) -> None:
        """The same, and forget what was counted before."""
        self.watch(call_control_id)
        self.silence_s, self.tools, self._questions_before = 0, [], len(self.person.questions)

    async def rings(self, number: str = CALLER) -> str:
        """A caller calls, and is followed."""
        leg: str = (await self.telnyx.post("/sandbox/calls", {"from": number}))["call_control_id"]
        await self._settle()
        self.follow(leg)
        return leg

    async def answered(self, number: str = CALLER) -> str:
        """The same, answered by another application."""
        leg = await self.rings(number)
        await self.telnyx.post(f"/calls/{leg}/actions/answer")
        await self._settle()
        return leg

    async def colleague(self, number: str = AGENT) -> str:
        """A person whose call is up already."""
        leg: str = (await self.telnyx.post("/sandbox/calls", {"from": number}))["call_control_id"]
        await self.telnyx.post(f"/calls/{leg}/actions/answer")
        return leg

    async def room(self, *legs: str) -> str:
        """A conference of these legs, the first of which is the caller."""
        opened = await self.telnyx.post("/conferences", {"call_control_id": legs[0], "name": "Case"})
        for leg in legs[1:]:
            await self.telnyx.act(opened["id"], "join", call_control_id=leg)
        await self._settle()
        self.follow(legs[0])
        return opened["id"]

    async def bridged(self, leg: str, other: str) -> None:
        await self.telnyx.post(f"/calls/{leg}/actions/bridge", {"call_control_id": other})
        await self._settle()
        self.follow(leg)

    async def presses(self, leg: str, digits: str) -> None:
        await self.telnyx.post(f"/sandbox/calls/{leg}/press", {"digits": digits})
        await self._settle()

    async def hangs_up(self, leg: str) -> None:
        await self.telnyx.post(f"/sandbox/calls/{leg}/hangup")
        await self._settle()

    def leg(self, call_control_id: str) -> Leg:
        return self.world.sandbox.state.legs.by_id[call_control_id]

    # The agent

    @property
    def questions(self) -> int:
        """How many questions a person was asked since the caller is followed."""
        return len(self.person.questions) - self._questions_before

    async def tool(self, tool_name: str, /, **arguments: Any) -> dict[str, Any]:
        """One tool call. Time passes until it returns, and while the agent thinks about the next."""
        self.tools.append(tool_name)
        answers: list[dict[str, Any]] = []

        async def run() -> None:
            answers.append(await call(self.client, tool_name, **arguments))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(50):  # nearly every tool returns at once
                if answers:
                    break
                await anyio.sleep(0.01)
            while not answers:
                await self.passes(1)
        await self.passes(THINKING_S)
        return answers[0]

    async def until(self, *types: str, leg: str) -> dict[str, Any]:
        """`wait_for_event`: the newest of these events of a leg, for which time passes."""
        for _ in range(_LONGEST_WAIT_S):
            if any(self._happened(kind, leg) for kind in types):
                break
            await self.passes(1)
        seen = await self.tool("wait_for_event", types=list(types), call_control_id=leg)
        assert not seen["timed_out"], seen["summary"]
        return seen["events"][-1]

    def _happened(self, kind: str, leg: str) -> bool:
        return any(event["payload"].get("call_control_id") == leg for event in self.telnyx.events(kind))

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            if self._caller is not None and not hears(self._caller):
                self.silence_s += 1
            await self.world.sandbox.advance(1)
            await self._settle()

    async def _settle(self) -> None:
        """Let the server store the events so far."""
        happened = len(self.world.sandbox.events)
        with anyio.fail_after(20):
            while self._stored < happened:
                self._stored = (await call(self.client, "list_events", limit=1))["total_results"]


def hears(leg: Leg) -> bool:
    """Whether a caller hears a person, audio or ringing, or is asked to speak or to press keys: not left in silence."""
    if not leg.is_alive or leg.answered_at is None or leg.gathering is not None:
        return True
    queues = [activity for activity in leg.activities if isinstance(activity, PlaybackQueue)]
    if any(queue.waiting for queue in queues) or any(isinstance(activity, Recording) for activity in leg.activities):
        return True
    match leg.location:
        case BridgeEnd():
            return True
        case Participant() as me:
            others = [person for person in me.conference.present.values() if person is not me]
            return (
                me.on_hold  # then hold audio plays
                or any(sound.leg in (None, leg) for sound in playbacks(me.conference))
                or any(not person.muted and not person.on_hold for person in others)
            )
        case _:
            return False


@asynccontextmanager
async def call_centre() -> AsyncGenerator[CallCentre]:
    """A call centre without callers, whose person approves everything that they are asked."""
    world = World(Sandbox(ManualClock(), scene=EMPTY))
    person = Person(yes)
    async with guarded(world, with_events=True, answering=person.slowly) as client:
        centre = CallCentre(client, world, person)
        yield centre
        await centre.telnyx.http.aclose()
