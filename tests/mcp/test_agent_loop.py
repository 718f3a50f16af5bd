"""An agent that only waits for events handles many callers at once, from ringing to an agent or a voicemail."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp.client import Client

from support.call_centre import BUSY, CALLER, MUSIC, VOICE, CallCentre, call_centre
from support.mcp import call
from support.webhooks import eventually
from telnyx_conferencing.server.sandbox.bridges import BridgeEnd

pytestmark = pytest.mark.anyio

TYPES = [
    "call.initiated",
    "call.answered",
    "call.gather.ended",
    "call.speak.ended",
    "call.recording.saved",
    "call.hangup",
]
FREE = "+12025550150"
ToolCall = tuple[str, dict[str, Any]]


class ScriptedModel:
    """Decides on one event at a time. What it must remember of a call comes back in the client_state of its events."""

    def __init__(self, agents: list[str]) -> None:
        self._agents = agents

    def next_calls(self, event: dict[str, Any]) -> Iterator[ToolCall]:
        payload, leg = event["payload"], event["call_control_id"]
        note: str = payload.get("client_state") or ""
        match event["type"]:
            case "call.initiated" if payload["direction"] == "incoming":
                yield "answer_call", {"call_control_id": leg}
            case "call.answered" if note.startswith("for "):
                caller = note.removeprefix("for ")
                yield "stop_call_audio", {"call_control_id": caller}
                yield "bridge_calls", {"call_control_id": leg, "other_call_control_id": caller}
            case "call.answered":
                menu = {"payload": "Press 1 for an agent, or wait to leave a message.", "maximum_digits": 1}
                yield "gather_from_call", {"call_control_id": leg, "voice": VOICE, "maximum_tries": 1, **menu}
            case "call.gather.ended" if payload["digits"] == "1":
                yield "play_to_call", {"call_control_id": leg, **MUSIC, "loop": "infinity"}
                yield "dial", {"to": self._agents.pop(0), "client_state": f"for {leg}"}
            case "call.gather.ended" if payload["status"] != "call_hangup":
                yield from self._voicemail(leg)
            case "call.hangup" if note.startswith("for ") and payload["hangup_cause"] == "user_busy":
                yield "stop_call_audio", {"call_control_id": note.removeprefix("for ")}
                yield from self._voicemail(note.removeprefix("for "))
            case "call.speak.ended" if note == "message":
                message = {"format": "mp3", "channels": "single", "play_beep": True, "max_length": 20}
                yield "start_call_recording", {"call_control_id": leg, "client_state": "recording", **message}
            case _:
                pass

    def _voicemail(self, leg: str) -> Iterator[ToolCall]:
        words = {"payload": "Please leave a message after the beep. It is recorded.", "voice": VOICE}
        yield "speak_to_call", {"call_control_id": leg, "client_state": "message", **words}


class AgentLoop:
    """Waits for the next events, asks the model what to do about each, and does that."""

    def __init__(self, client: Client, model: ScriptedModel) -> None:
        self._client = client
        self._model = model
        self.handled = 0
        self.used: Counter[str] = Counter()
        self.timeouts = 0

    async def run(self) -> None:
        since = {"since": "2000-01-01T00:00:00Z"}
        while True:
            seen = await self._tool("wait_for_event", types=TYPES, timeout_secs=50, **since)
            self.timeouts += seen["timed_out"]
            for event in seen["events"]:
                for tool, arguments in self._model.next_calls(event):
                    await self._tool(tool, **arguments)
                since = {"since": event["id"]}
                self.handled += 1

    async def _tool(self, tool_name: str, /, **arguments: Any) -> dict[str, Any]:
        self.used[tool_name] += 1
        return await call(self._client, tool_name, **arguments)


async def catch_up(at: CallCentre, agent: AgentLoop, seconds: int = 0) -> None:
    """Let this many seconds pass. The agent reacts to the events of each second."""

    async def is_idle() -> bool:
        return agent.handled == len(at.telnyx.events(*TYPES))

    await eventually(is_idle)
    for _ in range(seconds):
        await at.world.sandbox.advance(1)
        await eventually(is_idle)


async def a_busy_morning(at: CallCentre, agent: AgentLoop) -> list[str]:
    """Ten callers: five press 1, one hangs up, the others say nothing."""
    callers = [await at.rings(f"{CALLER[:-1]}{place}") for place in range(10)]
    await catch_up(at, agent, 2)
    for caller in callers[:5]:
        await at.presses(caller, "1")
    await at.hangs_up(callers[5])
    await catch_up(at, agent, 120)
    return callers


async def test_ten_callers_at_once_reach_an_agent_or_leave_a_message_without_any_polling() -> None:
    async with call_centre() as at:
        agent = AgentLoop(at.client, ScriptedModel([FREE, BUSY, FREE, BUSY, FREE]))
        callers: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.run)
            callers += await a_busy_morning(at, agent)
            tasks.cancel_scope.cancel()
        recordings = await call(at.client, "list_recordings", page_size=20)
        bridged = [leg for leg in callers if isinstance(at.leg(leg).location, BridgeEnd)]
    messages: list[dict[str, Any]] = recordings["recordings"]
    assert len(bridged) == 3
    assert sorted(message["call_control_id"] for message in messages) == sorted({*callers} - {*bridged, callers[5]})
    assert agent.timeouts == 0
    assert agent.used["answer_call"] == 10
    assert not [tool for tool in agent.used if tool.startswith(("list_", "get_"))]
    assert len(at.person.questions) >= 6, "each recording was asked about"
