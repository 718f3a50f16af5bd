"""Queue announcements over MCP: who hears which position, how often, under which limits."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client

from support.guarded_server import Clock, Person, guarded
from support.mcp import call, no, refusal, yes
from support.mcp_in_process import World
from support.webhooks import url_of
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.sandbox import EMPTY, Fault, ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.legs import Leg
from telnyx_conferencing.tools.queues import CreateQueue, EnqueueCall

pytestmark = pytest.mark.anyio

VOICE = "AWS.Polly.Joanna"


def queue_of(people: int) -> tuple[World, list[str]]:
    """A sandbox with this many callers in queue "support", and their legs in order."""
    world = World(Sandbox(clock=ManualClock(), scene=EMPTY))
    state = world.sandbox.state
    state.queues.create(CreateQueue(queue_name="support"))
    legs: list[str] = []
    for number in range(people):
        leg: Leg = state.legs.arrive(f"+1303555{number:04}", "+12025550100")
        state.legs.answer(leg)
        state.queues.enqueue(EnqueueCall(call_control_id=leg.call_control_id, queue_name="support"))
        legs.append(leg.call_control_id)
    return world, legs


def heard(world: World) -> list[tuple[str, str]]:
    """What was spoken to which leg, as the sandbox received it."""
    spoken = [
        request for request in world.sandbox.requests if request.applied and request.path.endswith("/actions/speak")
    ]
    return [
        (request.path.split("/")[2].replace("%3A", ":"), str((request.body or {})["payload"])) for request in spoken
    ]


async def announce(client: Client, **given: Any) -> dict[str, Any]:
    return await call(client, "announce_positions", queue_name="support", voice=VOICE, **given)


async def test_each_of_twenty_callers_hears_their_position_and_nobody_hears_it_twice_within_the_time() -> None:
    world, legs = queue_of(20)
    clock = Clock(datetime.now(UTC))
    async with guarded(world, clock=clock, approval="never") as client:
        first = await announce(client, skip_within_secs=60)
        assert heard(world) == [(leg, f"You are number {place} in line.") for place, leg in enumerate(legs, 1)]
        assert [caller["position"] for caller in first["announced"]] == list(range(1, 21))
        clock.move(seconds=59)
        again = await announce(client, skip_within_secs=60)
        assert (again["announced"], again["skipped"]) == ([], legs)
        assert "0 callers spoken to, 20 skipped" in again["summary"]
        assert len(heard(world)) == 20
        clock.move(seconds=2)
        world.sandbox.state.legs.person_hangs_up(world.sandbox.state.legs.live(legs[0]))
        later = await announce(client, skip_within_secs=60)
        assert [caller["position"] for caller in later["announced"]] == list(range(1, 20))
        assert heard(world)[20:] == [(leg, f"You are number {place} in line.") for place, leg in enumerate(legs[1:], 1)]


class HangsUpAfter(SandboxTransport):
    """The sandbox. A caller hangs up after this many announcements."""

    def __init__(self, world: World, spoken_to: int, leg: str) -> None:
        super().__init__(world.sandbox.app)
        self._world, self._spoken_to, self._leg = world, spoken_to, leg

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        legs = self._world.sandbox.state.legs
        if len(heard(self._world)) == self._spoken_to and self._leg in legs.by_id and legs.by_id[self._leg].is_alive:
            legs.person_hangs_up(legs.live(self._leg))
            await self._world.settled()
        return response


async def test_callers_move_up_while_the_announcements_run_when_one_leaves() -> None:
    world, legs = queue_of(6)
    transport = HangsUpAfter(world, 3, legs[1])
    async with guarded(world, transport=transport, with_events=True, approval="never") as client:
        await world.settled()
        result = await announce(client, text="{position} of {waiting}")
    places = ["1 of 6", "2 of 6", "3 of 6", "3 of 5", "4 of 5", "5 of 5"]
    assert heard(world) == list(zip(legs, places, strict=True))
    assert [caller["position"] for caller in result["announced"]] == [1, 2, 3, 3, 4, 5]


async def test_a_caller_who_has_left_the_queue_hears_no_position() -> None:
    world, legs = queue_of(4)
    transport = HangsUpAfter(world, 1, legs[2])
    async with guarded(world, transport=transport, with_events=True, approval="never") as client:
        await world.settled()
        result = await announce(client, text="{position} of {waiting}")
    assert heard(world) == [(legs[0], "1 of 4"), (legs[1], "2 of 3"), (legs[3], "3 of 3")]
    assert result["failed"] == [{"call_control_id": legs[2], "why": "This caller has left the queue."}]


async def test_two_processes_at_once_announce_to_each_caller_once(tmp_path: Path) -> None:
    world, legs = queue_of(20)
    shared: dict[str, Any] = {"approval": "never", "database": url_of(tmp_path / "events.db")}
    results: list[dict[str, Any]] = []
    async with guarded(world, **shared) as one, guarded(world, **shared) as other:

        async def run(client: Client) -> None:
            results.append(await announce(client))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, one)
            tasks.start_soon(run, other)
    assert sorted(leg for leg, _ in heard(world)) == sorted(legs)
    assert sum(len(result["announced"]) for result in results) == 20
    assert sum(len(result.get("skipped", ())) for result in results) == 20


async def test_a_limit_of_the_policy_ends_the_announcements_and_is_named() -> None:
    world, legs = queue_of(20)
    async with guarded(world, approval="never", calls_per_minute=11) as client:
        result = await announce(client)
    assert len(heard(world)) == 10  # the tool's own call counts too
    assert [caller["call_control_id"] for caller in result["announced"]] == legs[:10]
    assert [caller["call_control_id"] for caller in result["failed"]] == legs[10:]
    assert "this server's policy allows 11" in result["failed"][0]["why"]


async def test_the_announcement_touches_no_more_people_than_the_policy_allows(tmp_path: Path) -> None:
    world, _ = queue_of(4)
    policy = tmp_path / "policy.toml"
    policy.write_text("[limits]\nmost_people = 3\n")
    async with guarded(world, approval="never", policy=policy) as client:
        refused = await refusal(client, "announce_positions", queue_name="support", voice=VOICE)
        assert "would touch 4 people" in refused
        assert len((await announce(client, limit=3))["announced"]) == 3


async def test_a_caller_on_a_connection_outside_the_scope_is_not_spoken_to(tmp_path: Path) -> None:
    world, legs = queue_of(3)
    policy = tmp_path / "policy.toml"
    policy.write_text('[scope]\nconnections = ["another"]\n')
    async with guarded(world, approval="never", policy=policy, with_events=True) as client:
        await world.settled()
        answer = await announce(client)
        assert [caller["call_control_id"] for caller in answer["failed"]] == legs
        assert "lets only connections another be touched" in answer["failed"][2]["why"]
        assert heard(world) == []


async def test_a_call_that_cannot_be_spoken_to_does_not_keep_the_others_waiting() -> None:
    world, legs = queue_of(3)
    world.sandbox.faults.add(Fault("status", path=r"/actions/speak$", status=422, times=1))
    async with guarded(world, approval="never") as client:
        result = await announce(client)
    assert [caller["call_control_id"] for caller in result["failed"]] == legs[:1]
    assert [caller["position"] for caller in result["announced"]] == [2, 3]


async def test_the_text_can_say_how_many_wait_and_for_how_long_and_music_follows() -> None:
    world, legs = queue_of(2)
    async with guarded(world, approval="never") as client:
        text = "Number {position} of {waiting}, about {minutes} min."
        await announce(client, text=text, media_name="hold music")
        wrong = await refusal(client, "announce_positions", queue_name="support", voice=VOICE, text="{name}")
    assert [words for _, words in heard(world)] == ["Number 1 of 2, about 1 min.", "Number 2 of 2, about 1 min."]
    played = [request.body for request in world.sandbox.requests if request.path.endswith("/actions/playback_start")]
    assert [(body or {})["media_name"] for body in played] == ["hold music"] * len(legs)
    assert {(body or {})["loop"] for body in played} == {"infinity"}
    assert "it takes {position}, {waiting} and {minutes}" in wrong


async def test_a_person_is_asked_once_where_every_write_is_asked_about() -> None:
    world, legs = queue_of(3)
    person = Person(yes)
    async with guarded(world, answering=person.slowly, approval="all") as client:
        await announce(client)
    [question] = person.questions
    assert question.startswith(
        "Say to each of at most 50 callers in queue 'support', in voice 'AWS.Polly.Joanna': 'You"
    )
    assert len(heard(world)) == len(legs)
    world, _ = queue_of(3)
    async with guarded(world, answering=Person(no).slowly, approval="all") as client:
        await refusal(client, "announce_positions", queue_name="support", voice=VOICE)
    assert heard(world) == []
