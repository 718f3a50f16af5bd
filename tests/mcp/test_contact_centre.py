"""What a contact centre does, through the tools alone: an agent who has only this server runs the calls."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from support.mcp import call
from support.mcp_in_process import World, in_process
from support.sandbox_client import Telnyx
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox

pytestmark = pytest.mark.anyio

AGENT = "+12025550150"
EXPERT = "+12025550151"
SUPERVISOR = "+12025550152"
CALLER = "+12025550131"


class Centre:
    """The tools, and the people at the other ends of the lines."""

    def __init__(self, client: Client, telnyx: Telnyx) -> None:
        self._client = client
        self._telnyx = telnyx

    async def tool(self, tool_name: str, /, **arguments: Any) -> dict[str, Any]:
        return await call(self._client, tool_name, **arguments)

    async def caller(self) -> str:
        """A caller calls in and is answered."""
        leg = await self._telnyx.arrival()
        seen = await self.tool("wait_for_event", types=["call.initiated"], since="2000-01-01T00:00:00Z")
        assert leg in [event["call_control_id"] for event in seen["events"]]
        await self.tool("answer_call", call_control_id=leg)
        return leg

    async def dialled(self, to: str, **arguments: Any) -> str:
        """A person is called and answers."""
        dialled = await self.tool("dial", to=to, **arguments)
        await self.pass_time(2)
        return dialled["call"]["call_control_id"]

    async def pass_time(self, seconds: float) -> None:
        await self._telnyx.sandbox.advance(seconds)

    async def press(self, leg: str, digits: str) -> None:
        await self._telnyx.post(f"/sandbox/calls/{leg}/press", {"digits": digits})

    async def hang_up(self, leg: str) -> None:
        await self._telnyx.post(f"/sandbox/calls/{leg}/hangup")

    async def room(self, *legs: str) -> str:
        first, *others = legs
        opened = await self.tool("create_conference", call_control_id=first, name="Case")
        room: str = opened["conference"]["id"]
        for leg in others:
            await self.tool("join_conference", conference_id=room, call_control_id=leg)
        return room

    async def people(self, room: str) -> dict[str, dict[str, Any]]:
        listed = await self.tool("list_participants", conference_id=room)
        return {who["call_control_id"]: who for who in listed["participants"]}

    def place(self, leg: str) -> dict[str, Any]:
        legs = self._telnyx.sandbox.snapshot()["legs"]
        return next(item["place"] for item in legs if item["call_control_id"] == leg)


@asynccontextmanager
async def centre() -> AsyncGenerator[Centre]:
    world = World(Sandbox(ManualClock(), scene=EMPTY))
    telnyx = Telnyx(world.sandbox)
    async with in_process(world, with_events=True) as client:
        yield Centre(client, telnyx)
    await telnyx.http.aclose()


async def test_a_caller_is_greeted_asked_for_a_digit_enqueued_and_picked_up_by_an_agent() -> None:
    async with centre() as at:
        caller = await at.caller()
        await at.tool("speak_to_call", call_control_id=caller, payload="Welcome", voice="female", language="en-US")
        await at.pass_time(2)
        prompt = {"payload": "Press 1", "voice": "female", "maximum_digits": 1}
        await at.tool("gather_from_call", call_control_id=caller, **prompt)
        await at.press(caller, "1")
        gathered = await at.tool("wait_for_event", types=["call.gather.ended"], call_control_id=caller)
        await at.tool("enqueue_call", call_control_id=caller, queue_name="sales")
        waiting = await at.tool("list_queue_calls", queue_name="sales")
        agent = await at.dialled(AGENT)
        await at.tool("bridge_calls", call_control_id=agent, queue_name="sales")
        assert [event["payload"]["digits"] for event in gathered["events"]] == ["1"]
        assert [entry["call_control_id"] for entry in waiting["calls"]] == [caller]
        assert at.place(caller) == {"kind": "bridge", "call_control_id": agent}


@pytest.mark.parametrize("hands_over", [True, False])
async def test_a_warm_transfer_holds_the_caller_and_hands_them_over_or_takes_them_back(hands_over: bool) -> None:
    async with centre() as at:
        caller, agent = await at.caller(), await at.dialled(AGENT)
        room = await at.room(caller, agent)
        await at.tool("hold_participants", conference_id=room, call_control_ids=[caller])
        expert = await at.dialled(EXPERT, conference_config={"id": room})
        held = await at.people(room)
        await at.tool("unhold_participants", conference_id=room, call_control_ids=[caller])
        await at.tool("hangup_call", call_control_id=agent if hands_over else expert)
        left = await at.people(room)
        assert {leg: who["on_hold"] for leg, who in held.items()} == {caller: True, agent: False, expert: False}
        assert left.keys() == {caller, expert if hands_over else agent}
        assert not left[caller]["on_hold"]


async def test_a_supervisor_monitors_whispers_and_barges_in() -> None:
    async with centre() as at:
        caller, agent = await at.caller(), await at.dialled(AGENT)
        room = await at.room(caller, agent)
        boss = await at.dialled(SUPERVISOR)
        await at.tool("join_conference", conference_id=room, call_control_id=boss, supervisor_role="monitor")
        monitoring = (await at.people(room))[boss]
        about = {"conference_id": room, "call_control_id": boss}
        await at.tool("update_supervisor", **about, supervisor_role="whisper", whisper_call_control_ids=[agent])
        whispering = (await at.people(room))[boss]
        await at.tool("update_supervisor", **about, supervisor_role="barge")
        barging = (await at.people(room))[boss]
        assert monitoring["muted"]
        assert whispering["whisper_call_control_ids"] == [agent]
        assert (barging["muted"], barging["whisper_call_control_ids"]) == (False, [])


async def test_a_supervisor_of_one_call_monitors_it_and_barges_in() -> None:
    async with centre() as at:
        caller, agent = await at.caller(), await at.dialled(AGENT)
        await at.tool("bridge_calls", call_control_id=caller, other_call_control_id=agent)
        boss = await at.dialled(SUPERVISOR, supervise_call_control_id=agent, supervisor_role="monitor")
        monitoring = at.place(boss)
        await at.tool("switch_supervisor_role", call_control_id=boss, role="barge")
        assert monitoring == {"kind": "supervision", "call_control_id": agent, "role": "monitor"}
        assert at.place(boss)["role"] == "barge"


async def test_a_voicemail_is_recorded_and_found() -> None:
    async with centre() as at:
        caller = await at.caller()
        await at.tool("speak_to_call", call_control_id=caller, payload="Speak now", voice="female", language="en-US")
        await at.pass_time(2)
        await at.tool("start_call_recording", call_control_id=caller, format="mp3", channels="single", max_length=60)
        await at.pass_time(20)
        await at.hang_up(caller)
        await at.tool("wait_for_event", types=["call.recording.saved"], call_control_id=caller)
        [recording] = (await at.tool("list_recordings", filter={"call_control_id": caller}))["recordings"]
        assert recording["duration_millis"] == 20_000


async def test_a_caller_who_gave_up_is_called_back() -> None:
    async with centre() as at:
        caller = await at.caller()
        await at.tool("enqueue_call", call_control_id=caller, queue_name="sales")
        await at.hang_up(caller)
        missed = await at.tool("wait_for_event", types=["call.hangup"], call_control_id=caller)
        number = missed["events"][0]["payload"]["from"]
        agent = await at.dialled(AGENT, conference_config={"conference_name": "Callback"})
        new_call = await at.dialled(number, conference_config={"conference_name": "Callback"})
        [room] = (await at.tool("list_conferences", filter={"name": "Callback"}))["conferences"]
        assert number == CALLER
        assert (await at.people(room["id"])).keys() == {agent, new_call}


class AheadOfEvents(SandboxTransport):
    """Telnyx, which lists a call as a participant although the events of that are still on their way."""

    def __init__(self, sandbox: Sandbox, leg: str) -> None:
        super().__init__(sandbox.app)
        self._leg = leg

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/participants"):
            return httpx2.Response(200, json={"data": [{"call_control_id": self._leg, "status": "joined"}]})
        return await super().handle_async_request(request)


async def test_a_participant_is_not_shown_as_waiting_while_the_event_of_leaving_the_queue_is_on_its_way() -> None:
    world = World(Sandbox(ManualClock()))
    leg = world.sandbox.state.queues.get_queue("support").calls[0].leg.call_control_id
    async with in_process(world, AheadOfEvents(world.sandbox, leg), with_events=True) as client:
        await world.settled()
        people = await call(client, "list_participants", conference_id="1")
    assert people["summary"] == "1 participant: +12025550111."


async def test_the_first_wait_finds_a_call_that_rang_after_the_start_and_before_any_tool_was_called() -> None:
    world = World(Sandbox(ManualClock()))
    telnyx = Telnyx(world.sandbox)
    async with in_process(world, with_events=True) as client:
        leg = await telnyx.arrival()
        found = await call(client, "wait_for_event", types=["call.initiated"], timeout_secs=1)
    await telnyx.http.aclose()
    assert [event["call_control_id"] for event in found["events"]] == [leg]
