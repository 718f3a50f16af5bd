"""What a call does to people decides whether a person is asked, not the tool's name."""

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import anyio.lowlevel
import httpx2
import pytest
from mcp.client import Client
from mcp_types import CallToolResult, ElicitResult

from support.guarded_server import changes, guarded, room
from support.mcp import call, text
from support.mcp_in_process import World
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.sandbox.conference import JoinOptions
from telnyx_conferencing.server.sandbox.faults import Fault


class Scene:
    """Two conferences of three, with a host in the first, and callers in queues."""

    def __init__(self) -> None:
        self.world = World()
        state = self.world.sandbox.state
        self.room, self.other = room(self.world.sandbox, "Refunds", 3), room(self.world.sandbox, "Second", 2)
        self.people = list(state.conferences.by_id[self.room].present)
        self.host, self.guest = self.people[0], self.people[1]
        state.conferences.by_id[self.room].present[self.host].ends_on_exit = True
        self.waiting = state.queues.by_name["support"].calls[0].leg.call_control_id
        self.parked = state.legs.arrive("+12025550188", "+12025550100").call_control_id


DIAL = {"to": "+12025550150", "from": "+12025550100", "connection_id": "sandbox"}


def asked(scene: Scene) -> Mapping[str, tuple[str, dict[str, Any], str]]:
    """Calls that must be asked about, each with words of the reason."""
    room, host, parked = scene.room, scene.host, scene.parked
    join = {"conference_id": room, "call_control_id": parked}
    ends = "the conference end"
    return {
        "joins as host": ("join_conference", {**join, "end_conference_on_exit": True}, ends),
        "joins as soft host": ("join_conference", {**join, "soft_end_conference_on_exit": True}, ends),
        "becomes host": (
            "update_participant",
            {"conference_id": room, "participant_id": scene.guest, "end_conference_on_exit": True},
            ends,
        ),
        "the host leaves": ("leave_conference", {"conference_id": room, "call_control_id": host}, "is its host"),
        "the host is enqueued": ("enqueue_call", {"call_control_id": host, "queue_name": "new"}, "is its host"),
        "the host opens another": ("create_conference", {"call_control_id": host, "name": "New"}, "is its host"),
        "the host joins another": (
            "join_conference",
            {"conference_id": scene.other, "call_control_id": host},
            "hangs up 2 people: +12025559001, +12025559002",
        ),
        "the host is bridged": (
            "bridge_calls",
            {"call_control_id": parked, "other_call_control_id": host},
            "is its host",
        ),
        "dials a host": (
            "dial",
            {**DIAL, "conference_config": {"id": room, "end_conference_on_exit": True}, "time_limit_secs": 30},
            ends,
        ),
        "opens for a minute": (
            "create_conference",
            {"call_control_id": parked, "name": "New", "duration_minutes": 1},
            ends,
        ),
        "waits in another queue": (
            "enqueue_call",
            {"call_control_id": scene.waiting, "queue_name": "new", "max_wait_time_secs": 1},
            "place is lost",
        ),
        "loses the place when it hangs up": (
            "update_queue_call",
            {"call_control_id": scene.waiting, "queue_name": "support", "keep_after_hangup": False},
            "place in the queue when they hang up",
        ),
        "joins muted without a beep": ("join_conference", {**join, "mute": True}, "unnoticed"),
        "barges muted": ("join_conference", {**join, "mute": True, "supervisor_role": "barge"}, "unnoticed"),
        "dials muted by name": (
            "dial",
            {**DIAL, "conference_config": {"conference_name": "Refunds", "mute": True}},
            "3 people are in it",
        ),
        "supervises without a role": ("dial", {**DIAL, "supervise_call_control_id": host}, "not part of"),
        "dials a monitor": (
            "dial",
            {**DIAL, "conference_config": {"conference_name": "Refunds", "supervisor_role": "monitor"}},
            "3 people are in it",
        ),
        "a host hangs up": ("hangup_call", {"call_control_id": host}, "is its host"),
    }


def routine(scene: Scene) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Everyday calls, about which nobody is asked."""
    join = {"conference_id": scene.room, "call_control_id": scene.parked}
    return {
        "joins muted with a beep": ("join_conference", {**join, "mute": True, "beep_enabled": "on_enter"}),
        "a guest leaves": ("leave_conference", {"conference_id": scene.room, "call_control_id": scene.guest}),
        "takes the next caller": ("join_conference", {"conference_id": scene.room, "call_control_id": scene.waiting}),
        "a parked call waits for a while": (
            "enqueue_call",
            {"call_control_id": scene.parked, "queue_name": "new", "max_wait_time_secs": 5},
        ),
        "dials with a limit": ("dial", {**DIAL, "time_limit_secs": 60}),
        "holds": ("hold_participants", {"conference_id": scene.room, "call_control_ids": [scene.people[2]]}),
    }


@pytest.mark.anyio
@pytest.mark.parametrize("with_events", [True, False])
async def test_a_call_that_ends_calls_or_lets_people_listen_is_asked_about(with_events: bool) -> None:
    scene = Scene()
    wrong: dict[str, str] = {}
    async with guarded(scene.world, with_events=with_events) as client:
        await settled(client)
        for name, (tool, arguments, words) in asked(scene).items():
            result = await client.call_tool(tool, arguments)
            message = text(result)
            if not result.is_error or "needs a person's yes" not in message or words not in message.replace("...", ""):
                wrong[name] = message
    if not with_events:
        wrong = {name: message for name, message in wrong.items() if "unknown caller" not in message}
    assert wrong == {}
    assert changes(scene.world.sandbox) == []


@pytest.mark.anyio
async def test_everyday_calls_are_not_asked_about() -> None:
    wrong: dict[str, str] = {}
    for name in routine(Scene()):
        scene = Scene()
        tool, arguments = routine(scene)[name]
        async with guarded(scene.world, with_events=True) as client:
            await settled(client)
            result = await client.call_tool(tool, arguments)
            if result.is_error:
                wrong[name] = text(result)
    assert wrong == {}


@pytest.mark.anyio
async def test_everyday_calls_look_up_nothing_or_little() -> None:
    scene = Scene()
    reads: dict[str, int] = {}
    async with guarded(scene.world, with_events=True) as client:
        await settled(client)
        for name, (tool, arguments) in routine(scene).items():
            before = len(scene.world.sandbox.requests)
            await client.call_tool(tool, arguments)
            reads[name] = len(scene.world.sandbox.requests) - before - 1
    assert reads == {
        "joins muted with a beep": 0,
        "a guest leaves": 1,
        "takes the next caller": 0,
        "a parked call waits for a while": 1,  # it has joined the conference above, and may be its host
        "dials with a limit": 0,
        "holds": 0,
    }


@pytest.mark.anyio
async def test_nobody_is_asked_about_a_command_that_can_do_nothing() -> None:
    scene = Scene()
    async with guarded(scene.world, with_events=True) as client:
        await settled(client)
        not_recorded = await client.call_tool("stop_recording", {"conference_id": scene.room})
        scene.world.sandbox.state.conferences.by_id[scene.room].end("ended_via_api")
        ended = await client.call_tool("end_conference", {"conference_id": scene.room})
    assert "no recording of conference 'Refunds' is running" in text(not_recorded)
    assert "conference 'Refunds' has ended already" in text(ended)


@pytest.mark.anyio
async def test_nobody_is_asked_to_take_out_of_a_queue_a_call_that_is_in_a_conference() -> None:
    scene = Scene()
    async with guarded(scene.world, with_events=True) as client:
        await settled(client)
        refused = await client.call_tool("leave_queue", {"call_control_id": scene.guest})
    assert "this call is in conference 'Refunds', in no queue" in text(refused)


@pytest.mark.anyio
async def test_a_command_id_that_telnyx_would_ignore_is_refused() -> None:
    scene = Scene()
    join = {"conference_id": scene.other, "command_id": "once"}
    async with guarded(scene.world, with_events=True) as client:
        await settled(client)
        await call(client, "join_conference", **join, call_control_id=scene.parked)
        reused = [
            await client.call_tool("join_conference", {**join, "call_control_id": scene.waiting}),
            await client.call_tool("answer_call", {"call_control_id": scene.parked, "command_id": "once"}),
        ]
    assert ["this command_id was used for another command" in text(one) for one in reused] == [True, True]


@pytest.mark.anyio
async def test_a_command_id_is_refused_if_it_was_used_while_a_person_was_asked() -> None:
    scene = Scene()
    hold = {"conference_id": scene.room, "command_id": "once"}
    other = {**hold, "call_control_id": scene.guest}

    async def answer(question: str) -> ElicitResult:
        await call(client, "leave_conference", **other)
        return ElicitResult(action="accept", content={"approve": True})

    async with guarded(scene.world, with_events=True, answering=answer) as client:
        await settled(client)
        refused = await client.call_tool("end_conference", hold)
    assert "this command_id was used for another command" in text(refused)
    assert scene.world.sandbox.state.conferences.by_id[scene.room].status != "completed"


class HeldBridge(httpx2.AsyncBaseTransport):
    """Holds back the bridge until it is released, and other moves until the bridge has been made."""

    def __init__(self, world: World) -> None:
        self._inner = SandboxTransport(world.sandbox.app)
        self.released, self._bridged = anyio.Event(), anyio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/bridge"):
            await self.released.wait()
            answer = await self._inner.handle_async_request(request)
            self._bridged.set()
            return answer
        if path.endswith("/enqueue"):
            await self._bridged.wait()
        return await self._inner.handle_async_request(request)


@pytest.mark.anyio
async def test_of_two_calls_that_move_a_call_leg_at_once_the_second_is_refused() -> None:
    """Each alone hangs nobody up; together they would cut off the one with whom the call is connected."""
    scene = Scene()
    other = scene.world.sandbox.state.legs.arrive("+12025550189", "+12025550100")
    transport, enqueued = HeldBridge(scene.world), list[CallToolResult]()
    async with (
        guarded(scene.world, with_events=True, transport=transport) as client,
        anyio.create_task_group() as tasks,
    ):
        await scene.world.settled()
        bridge = {"call_control_id": scene.parked, "other_call_control_id": other.call_control_id}
        tasks.start_soon(client.call_tool, "bridge_calls", bridge)
        await anyio.wait_all_tasks_blocked()
        enqueue = {"call_control_id": scene.parked, "queue_name": "fresh"}

        async def put_in_queue() -> None:
            enqueued.append(await client.call_tool("enqueue_call", enqueue))

        tasks.start_soon(put_in_queue)
        await anyio.wait_all_tasks_blocked()
        transport.released.set()
    assert "another call moves the same call leg" in text(enqueued[0])
    assert other.is_alive


async def settled(client: Client) -> None:
    """Return once the server has stored the events so far."""
    await call(client, "list_events")
    await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_the_guard_makes_at_most_two_reads_before_a_person_is_asked() -> None:
    scene = Scene()
    reads: dict[str, int] = {}
    async with guarded(scene.world, with_events=True) as client:
        await scene.world.settled()
        for name, (tool, arguments, _) in asked(scene).items():
            before = len(scene.world.sandbox.requests)
            await client.call_tool(tool, arguments)
            reads[name] = len(scene.world.sandbox.requests) - before
    assert {name: count for name, count in reads.items() if count > 2} == {}


def moves(scene: Scene, leg: str) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Calls that take a call leg out of where it is."""
    return {
        tool: (tool, {"call_control_id": leg} | more)
        for tool, more in {
            "create_conference": {"name": "New"},
            "join_conference": {"conference_id": scene.other},
            "enqueue_call": {"queue_name": "new"},
            "hangup_call": {},
            "transfer_call": {"to": "+12025550150"},
            "leave_queue": {},
        }.items()
    }


async def reads_without_events(*places: str, listed: bool) -> dict[str, int]:
    """The most reads before a call of a tool is sent or asked about, when its leg is in one of these places."""
    most: dict[str, int] = {}
    for place, tool in itertools.product(places, moves(Scene(), "")):
        scene = Scene()
        _, arguments = moves(scene, getattr(scene, place))[tool]
        async with guarded(scene.world) as client:
            if listed:
                await call(client, "list_participants", conference_id=scene.room)
                await call(client, "list_queue_calls", queue_name="support")
            before = len(scene.world.sandbox.requests)
            await client.call_tool(tool, arguments)
            after = list(scene.world.sandbox.requests)[before:]
        most[tool] = max(most.get(tool, 0), sum(one.method == "GET" for one in after))
    return most


@pytest.mark.anyio
async def test_a_call_that_a_list_has_shown_is_found_with_two_reads_without_events() -> None:
    """One for the call, and one for the conference that it joins, if somebody is asked."""
    reads = await reads_without_events("guest", "waiting", listed=True)
    assert {tool: count for tool, count in reads.items() if count > 2} == {}


@pytest.mark.anyio
async def test_where_a_call_is_that_no_list_has_shown_is_searched_within_bounds() -> None:
    in_conference = await reads_without_events("guest", listed=False)
    in_queue = await reads_without_events("waiting", listed=False)
    nowhere = await reads_without_events("parked", listed=False)
    assert max(in_conference.values()) == 3  # the call, its conferences, and who is in that
    assert in_queue == {
        "create_conference": 2,
        "join_conference": 2,
        "enqueue_call": 4,  # the queues, and the longest of them
        "hangup_call": 4,
        "transfer_call": 4,
        "leave_queue": 4,
    }
    assert max(nowhere.values()) == 2 + 1 + 3  # three queues are in use


@pytest.mark.anyio
async def test_a_call_that_has_left_where_it_was_seen_is_found_elsewhere_without_events() -> None:
    scene = Scene()
    async with guarded(scene.world) as client:
        await call(client, "list_queue_calls", queue_name="support")
        queue = scene.world.sandbox.state.queues.by_name["support"]
        leg = queue.calls[0].leg
        scene.world.sandbox.state.conferences.by_id[scene.room].admit(leg, JoinOptions(ends_on_exit=True))
        refused = await client.call_tool("hangup_call", {"call_control_id": scene.waiting})
    assert "conference 'Refunds': +12025550111 is its host" in text(refused)


@pytest.mark.anyio
async def test_a_question_says_what_a_server_without_events_cannot_know() -> None:
    scene = Scene()
    async with guarded(scene.world) as client:
        parked = await client.call_tool("hangup_call", {"call_control_id": scene.parked})
        listed = await client.call_tool("hangup_call", {"call_control_id": scene.guest})
    async with guarded(scene.world, with_events=True) as client:
        await settled(client)
        known = await client.call_tool("hangup_call", {"call_control_id": scene.parked})
    unknown = "Whether it is connected with another call is not known."
    assert [unknown in text(one) for one in (parked, listed, known)] == [True, False, False]


@pytest.mark.anyio
async def test_people_are_named_by_the_numbers_that_were_listed_or_dialled_without_events() -> None:
    scene = Scene()
    async with guarded(scene.world) as client:
        dialled = (await call(client, "dial", **DIAL))["call"]["call_control_id"]
        await call(client, "list_queue_calls", queue_name="support")
        await call(client, "join_conference", conference_id=scene.room, call_control_id=scene.waiting)
        hung_up = await client.call_tool("hangup_call", {"call_control_id": dialled})
        ended = await client.call_tool("end_conference", {"conference_id": scene.room})
    assert "Hang up the call with +12025550150?" in text(hung_up)
    assert "unknown caller" in text(ended)
    assert "+12025550111" in text(ended)


@pytest.mark.anyio
async def test_a_queue_that_cannot_be_searched_refuses_the_call() -> None:
    scene = Scene()
    scene.world.sandbox.faults.add(Fault(kind="status", status=429, path="/queues/support/calls/"))
    async with guarded(scene.world) as client:
        refused = await client.call_tool("enqueue_call", {"call_control_id": scene.waiting, "queue_name": "new"})
    assert "could not look up what it affects" in text(refused)


@pytest.mark.anyio
async def test_an_everyday_story_asks_nothing_and_looks_little_up() -> None:
    scene = Scene()
    state = scene.world.sandbox.state
    agent = state.queues.by_name["agents"].calls[0].leg.call_control_id
    first, second = (waiting.leg.call_control_id for waiting in state.queues.by_name["support"].calls[:2])
    reads: dict[str, int] = {}
    async with guarded(scene.world, with_events=True) as client:

        async def do(tool: str, **arguments: Any) -> dict[str, Any]:
            await scene.world.settled()
            before = len(scene.world.sandbox.requests)
            done = await call(client, tool, **arguments)
            reads[tool] = reads.get(tool, 0) + len(scene.world.sandbox.requests) - before - 1
            return done

        opened = await do("create_conference", call_control_id=agent, name="Story")
        in_room = {"conference_id": opened["conference"]["id"]}
        await do("join_conference", **in_room, call_control_id=first)
        await do("join_conference", **in_room, call_control_id=second)
        await do(
            "speak_text", **in_room, call_control_ids=["everyone"], payload="Welcome", voice="female", language="en-US"
        )
        for tool in ("hold_participants", "mute_participants", "unmute_participants", "unhold_participants"):
            await do(tool, **in_room, call_control_ids=[second])
        await do("stop_audio", **in_room, call_control_ids=["everyone"])
    assert reads == dict.fromkeys(reads, 0)


@pytest.mark.anyio
async def test_without_events_a_call_that_this_server_connected_counts_as_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telnyx_conferencing.server.adapters.live_state._OWN_MOVE_HOLDS", timedelta(0))
    scene = Scene()
    other = scene.world.sandbox.state.legs.arrive("+12025550189", "+12025550100").call_control_id
    async with guarded(scene.world) as client:
        await call(client, "bridge_calls", call_control_id=scene.parked, other_call_control_id=other)
        moved = await client.call_tool("enqueue_call", {"call_control_id": scene.parked, "queue_name": "new"})
        assert "hangs up unknown caller" in text(moved)
