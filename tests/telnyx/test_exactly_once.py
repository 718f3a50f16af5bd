"""Under random faults no command takes effect twice, none reported as done is missing, and what is unknown is said."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from mcp.client import Client

from support.mcp import text
from support.mcp_in_process import World, in_process
from telnyx_conferencing.server.sandbox import Fault
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import Retry

pytestmark = pytest.mark.anyio

RUNS = ((0, 100), *(pytest.param(seed, 400, marks=pytest.mark.slow) for seed in range(8)))
"""A seed, and the number of calls."""
KINDS: tuple[Literal["status", "drop"], ...] = ("status", "drop")
RETRY = {command.tool_name(): command.retry for command in COMMANDS}


@dataclass
class Room:
    """The legs and conferences that the calls use. They are replaced when used up."""

    rng: random.Random
    conference: str = ""
    legs: list[str] = field(default_factory=list[str])
    queues: int = 0
    rooms: int = 0


def faults(rng: random.Random) -> list[Fault]:
    """None to three faults, each for one or a few requests."""
    made: list[Fault] = []
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        kind = rng.choice(KINDS)
        status = rng.choice([429, 500, 502, 503])
        after = rng.random() < 0.5 and not (kind == "status" and status == 429)
        made.append(Fault(kind=kind, status=status, after=after, times=rng.choice([1, 1, 2, 30])))
    return made


Arguments = Callable[[Room], dict[str, Any]]

CALLED: dict[str, Arguments] = {
    "join_conference": lambda room: {"conference_id": room.conference, "call_control_id": room.legs[1]},
    "leave_conference": lambda room: {"conference_id": room.conference, "call_control_id": room.legs[1]},
    "speak_text": lambda room: {
        "conference_id": room.conference,
        "call_control_ids": "everyone",
        "payload": "Two minutes.",
        "voice": "female",
    },
    "play_audio": lambda room: {
        "conference_id": room.conference,
        "call_control_ids": "everyone",
        "media_name": "music",
    },
    "send_dtmf": lambda room: {"conference_id": room.conference, "call_control_ids": [room.legs[0]], "digits": "1"},
    "start_recording": lambda room: {"conference_id": room.conference, "format": "wav"},
    "stop_recording": lambda room: {"conference_id": room.conference},
    "mute_participants": lambda room: {"conference_id": room.conference, "call_control_ids": [room.legs[0]]},
    "create_queue": lambda room: {"queue_name": f"queue {room.queues}"},
    "delete_queue": lambda room: {"queue_name": f"queue {room.queues}"},
    "enqueue_call": lambda room: {"call_control_id": room.legs[1], "queue_name": "back"},
    "leave_queue": lambda room: {"call_control_id": room.legs[1]},
    "end_conference": lambda room: {"conference_id": room.conference},
}


async def fresh(world: World, client: Client, room: Room) -> None:
    """A new conference with one of two new call legs in it, without faults."""
    world.sandbox.faults.clear()
    legs = world.sandbox.state.legs
    room.legs = [legs.arrive(f"+120255590{place:02}", "+12025550100").call_control_id for place in range(2)]
    room.rooms += 1
    made = await client.call_tool("create_conference", {"call_control_id": room.legs[0], "name": f"Room {room.rooms}"})
    assert made.structured_content, text(made)
    room.conference = made.structured_content["conference"]["id"]


def judge(tool: str, failed: str | None, effects: int, seen: int, *, gone: bool) -> str | None:
    """What is wrong with a call that ended so and had so many effects; None when nothing is.

    `gone`: its last request was to delete something that was not there (any more), which is what it wanted.
    """
    most = 1 if RETRY[tool] is not Retry.IDEMPOTENT else seen
    if effects > most:
        return f"took effect {effects} times"
    if failed is None and effects == 0 and not gone:
        return "was reported as done and had no effect"
    if failed and "unknown" not in failed and effects:
        return f"had an effect and was reported as: {failed}"
    return None


@pytest.mark.parametrize(("seed", "calls"), RUNS)
async def test_exactly_once_under_random_faults(seed: int, calls: int) -> None:
    rng = random.Random(seed)
    world = World()
    room = Room(rng)
    wrong: list[str] = []
    outcomes = {"done": 0, "unknown": 0, "nothing done": 0}
    async with in_process(world) as client:
        for number in range(calls):
            if number % 20 == 0:
                await fresh(world, client, room)
            world.sandbox.faults.clear()
            for fault in faults(rng):
                world.sandbox.faults.add(fault)
            tool = rng.choice(list(CALLED))
            world.sandbox.requests.clear()
            result = await client.call_tool(tool, CALLED[tool](room))
            failed = text(result) if result.is_error else None
            sent = [request for request in world.sandbox.requests if request.method != "GET"]
            gone = bool(sent) and sent[-1].method == "DELETE" and sent[-1].status == 404
            complaint = judge(tool, failed, sum(request.applied for request in sent), len(sent), gone=gone)
            if complaint:
                wrong.append(f"{number} {tool} {complaint}")
            outcomes["done" if failed is None else "unknown" if "unknown" in failed else "nothing done"] += 1
            room.queues += tool == "delete_queue"
            await world.sandbox.advance(61)  # past Telnyx's memory, so that nothing hides behind it
    assert wrong == []
    assert min(outcomes.values()) > 0, outcomes
