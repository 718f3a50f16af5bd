"""Small applications over plain HTTP, as public ones are: they know only Telnyx's API and its webhooks."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from support.sandbox_client import Telnyx
from support.sandbox_receiver import Receiver
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
NUMBER = "+12025550100"
AGENT = "+12025550150"
EXPERT = "+12025550151"
CALLER = "+12025550131"
MUSIC = "https://example.com/music.mp3"


class Application:
    """Reacts to webhooks with commands. A subclass has a method for each event type, such as `call_answered`."""

    def __init__(self, telnyx: Telnyx) -> None:
        self.telnyx = telnyx

    async def on_webhook(self, event: Json) -> None:
        method: Callable[[Json], Awaitable[None]] | None = getattr(self, event["event_type"].replace(".", "_"), None)
        if method is not None:
            await method(event["payload"])

    async def on_call(self, call: Json, action: str, **body: Any) -> None:
        await self.telnyx.post(f"/calls/{call['call_control_id']}/actions/{action}", body)

    async def dial(self, to: str, **body: Any) -> str:
        fields = {"connection_id": "sandbox", "from": NUMBER, "to": to, **body}
        return (await self.telnyx.post("/calls", fields))["call_control_id"]

    async def call_initiated(self, payload: Json) -> None:
        if payload["direction"] == "incoming":
            await self.on_call(payload, "answer")


class Running:
    """A sandbox with an application that gets its webhooks, and the people at the other ends of the lines."""

    def __init__(self, telnyx: Telnyx, receiver: Receiver, application: Application) -> None:
        self.telnyx = telnyx
        self._receiver = receiver
        self._application = application
        self._handled = 0

    async def pass_time(self, seconds: float = 0) -> None:
        """Advance the clock, and let the application react to every webhook."""
        await self.telnyx.sandbox.advance(seconds)
        while self._handled < len(self._receiver.received):
            envelope = json.loads(self._receiver.received[self._handled].body)
            self._handled += 1
            await self._application.on_webhook(envelope.get("data", envelope))
            await self.telnyx.sandbox.advance(0)

    async def call(self, number: str = CALLER) -> str:
        leg = (await self.telnyx.post("/sandbox/calls", {"from": number}))["call_control_id"]
        await self.pass_time()
        return leg

    async def press(self, leg: str, digits: str) -> None:
        await self.telnyx.post(f"/sandbox/calls/{leg}/press", {"digits": digits})
        await self.pass_time()

    def leg(self, number: str) -> Json:
        """The newest call leg with this number at its other end."""
        legs = self.telnyx.sandbox.snapshot()["legs"]
        return next(leg for leg in reversed(legs) if number in (leg["from"], leg["to"]))

    def place(self, leg: str) -> Json:
        return self.state(leg)["place"]

    def state(self, leg: str) -> Json:
        legs = self.telnyx.sandbox.snapshot()["legs"]
        return next(item for item in legs if item["call_control_id"] == leg)

    def people(self) -> dict[str, Json]:
        """Who is in the one conference, by call_control_id."""
        [conference] = self.telnyx.sandbox.snapshot()["conferences"]
        return {who["call_control_id"]: who for who in conference["participants"] if who["status"] == "joined"}


@asynccontextmanager
async def running(application: type[Application]) -> AsyncGenerator[Running]:
    async with Receiver() as receiver:
        telnyx = Telnyx(Sandbox(ManualClock(), receiver.url, EMPTY))
        with anyio.fail_after(60):
            yield Running(telnyx, receiver, application(telnyx))
        await telnyx.http.aclose()


class ContactCentre(Application):
    """Greets a caller, asks for a digit, enqueues the caller, and dials an agent who is bridged to the queue.

    A caller who presses nothing leaves a voicemail.
    """

    async def call_answered(self, payload: Json) -> None:
        if payload["to"] == AGENT:
            await self.on_call(payload, "bridge", queue="sales", park_after_unbridge="self")
        else:
            await self.on_call(payload, "speak", payload="Welcome", voice="female")

    async def call_speak_ended(self, payload: Json) -> None:
        await self.on_call(payload, "gather_using_speak", payload="Press 1", voice="female", maximum_digits=1)

    async def call_gather_ended(self, payload: Json) -> None:
        if payload["status"] == "valid":
            await self.on_call(payload, "enqueue", queue_name="sales")
        else:
            await self.on_call(payload, "record_start", format="mp3", channels="single", max_length=30)

    async def call_enqueued(self, _: Json) -> None:
        await self.dial(AGENT)


async def test_a_caller_reaches_an_agent() -> None:
    async with running(ContactCentre) as world:
        caller = await world.call()
        await world.pass_time(2)
        await world.press(caller, "1")
        await world.pass_time(3)
        agent = world.place(caller)["call_control_id"]
        assert (world.state(agent)["to"], world.place(agent)["call_control_id"]) == (AGENT, caller)
        assert world.telnyx.events("call.dequeued")[0]["payload"]["reason"] == "bridged"


async def test_a_caller_who_presses_nothing_leaves_a_voicemail() -> None:
    async with running(ContactCentre) as world:
        await world.call()
        for seconds in (2, 300, 40):
            await world.pass_time(seconds)
        [recording] = await world.telnyx.get("/recordings")
        assert (recording["source"], recording["duration_millis"]) == ("call", 30_000)


class WarmTransfer(Application):
    """Connects a caller and an agent in a conference. The agent presses 1 to consult an expert while the caller hears
    music, then 2 to hand the caller over, or 3 to take the caller back.
    """

    def __init__(self, telnyx: Telnyx) -> None:
        super().__init__(telnyx)
        self._caller = self._expert = self._room = ""

    async def call_answered(self, payload: Json) -> None:
        if payload["to"] == NUMBER:
            self._caller = payload["call_control_id"]
            body = {"call_control_id": self._caller, "name": payload["call_session_id"]}
            self._room = (await self.telnyx.post("/conferences", body))["id"]
            await self.dial(AGENT, conference_config={"id": self._room})
        elif payload["to"] == AGENT:
            await self.on_call(payload, "gather", maximum_digits=1, timeout_millis=600_000)

    async def call_gather_ended(self, payload: Json) -> None:
        if payload["status"] != "valid":
            return
        if payload["digits"] == "1":
            await self.telnyx.act(self._room, "hold", call_control_ids=[self._caller], audio_url=MUSIC)
            self._expert = await self.dial(EXPERT, conference_config={"id": self._room})
            await self.on_call(payload, "gather", maximum_digits=1, timeout_millis=600_000)
            return
        await self.telnyx.act(self._room, "unhold", call_control_ids=[self._caller])
        leaves = payload if payload["digits"] == "2" else {"call_control_id": self._expert}
        await self.on_call(leaves, "hangup")


@pytest.mark.parametrize(("digit", "stays"), [("2", EXPERT), ("3", AGENT)])
async def test_a_warm_transfer_hands_the_caller_over_or_takes_them_back(digit: str, stays: str) -> None:
    async with running(WarmTransfer) as world:
        caller = await world.call()
        await world.pass_time(2)
        agent = world.leg(AGENT)["call_control_id"]
        await world.press(agent, "1")
        await world.pass_time(2)
        expert = world.leg(EXPERT)["call_control_id"]
        assert {leg: who["on_hold"] for leg, who in world.people().items()} == {
            caller: True,
            agent: False,
            expert: False,
        }
        await world.press(agent, digit)
        assert {leg: who["on_hold"] for leg, who in world.people().items()} == {
            caller: False,
            world.leg(stays)["call_control_id"]: False,
        }


class Supervision(Application):
    """A caller talks to an agent in a conference. A supervisor who calls in monitors it, presses 1 to whisper to the
    agent and 2 to barge in.
    """

    def __init__(self, telnyx: Telnyx) -> None:
        super().__init__(telnyx)
        self._agent = ""

    async def call_answered(self, payload: Json) -> None:
        leg = payload["call_control_id"]
        if payload["from"] == CALLER:
            await self.telnyx.post("/conferences", {"call_control_id": leg, "name": "case"})
            self._agent = await self.dial(AGENT, conference_config={"conference_name": "case"})
        elif payload["from"] == SUPERVISOR:
            await self.telnyx.act("case", "join", call_control_id=leg, supervisor_role="monitor")
            await self.on_call(payload, "gather", maximum_digits=1, timeout_millis=600_000)

    async def call_gather_ended(self, payload: Json) -> None:
        leg = payload["call_control_id"]
        if payload["digits"] == "1":
            whisper = {"supervisor_role": "whisper", "whisper_call_control_ids": [self._agent]}
            await self.telnyx.act("case", "update", call_control_id=leg, **whisper)
            await self.on_call(payload, "gather", maximum_digits=1, timeout_millis=600_000)
        elif payload["digits"] == "2":
            await self.telnyx.act("case", "update", call_control_id=leg, supervisor_role="barge")


SUPERVISOR = "+12025550160"


async def test_a_supervisor_monitors_whispers_and_barges_in() -> None:
    async with running(Supervision) as world:
        await world.call()
        await world.pass_time(2)
        boss = await world.call(SUPERVISOR)
        assert (world.people()[boss]["role"], world.people()[boss]["muted"]) == ("monitor", True)
        await world.press(boss, "1")
        agent = world.leg(AGENT)["call_control_id"]
        assert (world.people()[boss]["role"], world.people()[boss]["whisper_call_control_ids"]) == ("whisper", [agent])
        await world.press(boss, "2")
        assert (world.people()[boss]["role"], world.people()[boss]["muted"]) == ("none", False), "as anyone"
        assert len(world.people()) == 3


class Callback(Application):
    """A caller in the queue presses 1 to be called back. The next agent who calls in is connected with them."""

    def __init__(self, telnyx: Telnyx) -> None:
        super().__init__(telnyx)
        self._to_call: list[str] = []

    async def call_answered(self, payload: Json) -> None:
        if payload["from"] == AGENT:
            link = {"link_to": payload["call_control_id"], "bridge_on_answer": True}
            await self.dial(self._to_call.pop(0), **link)
        elif payload["to"] == NUMBER:
            await self.on_call(payload, "enqueue", queue_name="sales")
            await self.on_call(payload, "gather", maximum_digits=1, timeout_millis=600_000)

    async def call_gather_ended(self, payload: Json) -> None:
        if payload["digits"] == "1":
            self._to_call.append(payload["from"])
            await self.on_call(payload, "speak", payload="We will call you back", voice="female")

    async def call_speak_ended(self, payload: Json) -> None:
        await self.on_call(payload, "hangup")


async def test_a_caller_who_asks_for_a_call_back_is_called_back() -> None:
    async with running(Callback) as world:
        first = await world.call()
        assert world.place(first)["kind"] == "queue"
        await world.press(first, "1")
        await world.pass_time(3)
        assert not world.state(first)["is_alive"]
        assert world.telnyx.events("call.dequeued")[0]["payload"]["reason"] == "hangup"
        agent = await world.call(AGENT)
        await world.pass_time(2)
        second = world.place(agent)["call_control_id"]
        assert (world.state(second)["to"], world.place(second)["call_control_id"]) == (CALLER, agent)
