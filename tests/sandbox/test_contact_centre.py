"""A small contact centre over plain HTTP: an application that only knows Telnyx's API and its webhooks."""

import json
from collections.abc import Awaitable, Callable
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


class ContactCentre:
    """Answers calls, asks for a digit, enqueues the caller, and dials an agent who is bridged to the queue."""

    def __init__(self, telnyx: Telnyx) -> None:
        self._telnyx = telnyx
        self._agents: set[str] = set()

    async def on_webhook(self, event: Json) -> None:
        reactions: dict[str, Callable[[Json], Awaitable[None]]] = {
            "call.initiated": self._answer,
            "call.answered": self._greet_or_bridge,
            "call.speak.ended": self._ask,
            "call.gather.ended": self._enqueue,
            "call.enqueued": self._call_agent,
        }
        if event["event_type"] in reactions:
            await reactions[event["event_type"]](event["payload"])

    async def _act(self, call: Json, action: str, **body: Any) -> None:
        await self._telnyx.post(f"/calls/{call['call_control_id']}/actions/{action}", body)

    async def _answer(self, payload: Json) -> None:
        if payload["direction"] == "incoming":
            await self._act(payload, "answer")

    async def _greet_or_bridge(self, payload: Json) -> None:
        if payload["call_control_id"] in self._agents:
            await self._act(payload, "bridge", queue="sales", park_after_unbridge="self")
        else:
            await self._act(payload, "speak", payload="Welcome", voice="female")

    async def _ask(self, payload: Json) -> None:
        await self._act(payload, "gather_using_speak", payload="Press 1", voice="female", maximum_digits=1)

    async def _enqueue(self, payload: Json) -> None:
        if payload["status"] == "valid":
            await self._act(payload, "enqueue", queue_name="sales")
        else:
            await self._act(payload, "record_start", format="mp3", channels="single", max_length=30)

    async def _call_agent(self, _: Json) -> None:
        dialled = {"connection_id": "sandbox", "from": NUMBER, "to": AGENT}
        self._agents.add((await self._telnyx.post("/calls", dialled))["call_control_id"])


@pytest.fixture
async def centre() -> Any:
    async with Receiver() as receiver:
        telnyx = Telnyx(Sandbox(ManualClock(), receiver.url, EMPTY))
        application = ContactCentre(telnyx)
        handled = 0

        async def pass_time(seconds: float) -> None:
            """Advance the clock, and let the application react to every webhook."""
            nonlocal handled
            await telnyx.sandbox.advance(seconds)
            while handled < len(receiver.received):
                envelope = json.loads(receiver.received[handled].body)
                handled += 1
                await application.on_webhook(envelope.get("data", envelope))
                await telnyx.sandbox.advance(0)

        with anyio.fail_after(60):
            yield telnyx, pass_time
        await telnyx.http.aclose()


async def test_a_caller_reaches_an_agent(centre: Any) -> None:
    telnyx, pass_time = centre
    caller = await telnyx.arrival()
    await pass_time(0)
    await pass_time(2)
    await telnyx.post(f"/sandbox/calls/{caller}/press", {"digits": "1"})
    await pass_time(0)
    await pass_time(3)
    legs = {leg["call_control_id"]: leg for leg in telnyx.sandbox.snapshot()["legs"]}
    agent = legs[caller]["place"]["call_control_id"]
    assert (legs[agent]["to"], legs[agent]["place"]["call_control_id"]) == (AGENT, caller)
    assert telnyx.events("call.dequeued")[0]["payload"]["reason"] == "bridged"


async def test_a_caller_who_presses_nothing_leaves_a_voicemail(centre: Any) -> None:
    telnyx, pass_time = centre
    await telnyx.arrival()
    for seconds in (0, 2, 300, 40):
        await pass_time(seconds)
    [recording] = await telnyx.get("/recordings")
    assert (recording["source"], recording["duration_millis"]) == ("call", 30_000)
