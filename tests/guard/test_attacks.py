"""Ways around the guard that an attacker tries: each needs a person's yes, or is refused."""

from pathlib import Path

import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from support.guarded_server import Person, code_in, decided, guarded, legs_in, room
from support.mcp import call, text
from support.mcp_in_process import World
from support.sandbox_client import Telnyx
from support.webhooks import url_of
from telnyx_conferencing.server.guard.situation import Person as PersonOnLeg
from telnyx_conferencing.server.guard.situation import Room
from telnyx_conferencing.server.sandbox.conference import JoinOptions
from telnyx_conferencing.server.sandbox.faults import Fault

DIAL = {"from": "+12025550100", "connection_id": "sandbox"}


async def seen(client: Client, event: str, leg: str) -> None:
    """Return once the server has stored this event of a call leg."""
    past = {"types": [event], "call_control_id": leg, "since": "2020-01-01T00:00:00Z"}
    assert (await call(client, "wait_for_event", **past))["timed_out"] is False


async def joined(client: Client, conference_id: str, leg: str) -> None:
    arguments = {"conference_id": conference_id, "call_control_id": leg, "since": "2020-01-01T00:00:00Z"}
    await call(client, "wait_for_event", types=["conference.participant.joined"], **arguments)


async def dialled(client: Client, world: World, event: str = "call.answered", **given: object) -> str:
    done = await call(client, "dial", **(DIAL | {"to": "+12025550150"} | given))
    await world.sandbox.advance(3)
    leg: str = done["call"]["call_control_id"]
    await seen(client, event, leg)
    return leg


@pytest.mark.anyio
async def test_the_first_call_of_a_queue_may_be_about_to_end_and_bridging_with_it_is_asked_about() -> None:
    world = World()
    customer = world.sandbox.state.legs.arrive("+12025550188", "+12025550100").call_control_id
    async with guarded(world, with_events=True) as client:
        dying = await dialled(client, world, to=["+12025550151", "+12025550150"], time_limit_secs="30")
        dying = next(leg.call_control_id for leg in world.sandbox.state.legs.alive() if leg.to == "+12025550150")
        await call(client, "enqueue_call", call_control_id=dying, queue_name="ambush")
        await world.settled()
        refused = await client.call_tool("bridge_calls", {"call_control_id": customer, "queue_name": "ambush"})
    assert "hangs up the other call when the time limit of +12025550150 is over" in text(refused)


@pytest.mark.anyio
async def test_the_far_end_of_a_limited_call_to_a_number_of_ones_own_is_about_to_end_too() -> None:
    world = World()
    state = world.sandbox.state
    customer = state.legs.arrive("+12025550188", "+12025550100").call_control_id
    async with guarded(world, with_events=True) as client:
        near = await dialled(client, world, "call.initiated", to="+12025550100", time_limit_secs=30)
        far = state.legs.by_id[near].far_leg
        assert far is not None
        await seen(client, "call.initiated", far.call_control_id)
        refused = await client.call_tool(
            "bridge_calls", {"call_control_id": customer, "other_call_control_id": far.call_control_id}
        )
    assert "hangs up the other call when the time limit of +12025550100 is over" in text(refused)


@pytest.mark.anyio
async def test_a_time_limit_of_another_process_on_the_store_counts_too(tmp_path: Path) -> None:
    world = World()
    store = url_of(tmp_path / "shared.db")
    customer = world.sandbox.state.legs.arrive("+12025550188", "+12025550100").call_control_id
    async with (
        guarded(world, with_events=True, database=store) as other,
        guarded(world, with_events=True, database=store) as client,
    ):
        dying = await dialled(other, world, time_limit_secs=30)
        await seen(client, "call.answered", dying)
        bridge = {"call_control_id": customer, "other_call_control_id": dying}
        refused = await client.call_tool("bridge_calls", bridge)
    assert "hangs up the other call when the time limit of" in text(refused)


@pytest.mark.anyio
async def test_the_question_about_a_transfer_names_the_end_that_its_time_limit_sets() -> None:
    world = World()
    customer = world.sandbox.state.legs.arrive("+12025550188", "+12025550100").call_control_id
    async with guarded(world, with_events=True) as client:
        transfer = {"call_control_id": customer, "to": "+12025550150", "time_limit_secs": 30}
        refused = await client.call_tool("transfer_call", transfer)
    assert "this hangs up both calls when the time limit is over" in text(refused)


@pytest.mark.anyio
@pytest.mark.parametrize("with_events", [True, False])
async def test_the_place_of_a_call_is_where_it_is_now_not_the_conference_that_it_left(
    tmp_path: Path, with_events: bool
) -> None:
    world = World()
    allowed, other = room(world.sandbox, "Second", 2), room(world.sandbox, "Refunds", 2)
    leg = next(iter(world.sandbox.state.conferences.by_id[allowed].present))
    (tmp_path / "policy.toml").write_text("[scope]\nconferences = ['Second']\n")
    async with guarded(world, with_events=with_events, approval="never", policy=tmp_path / "policy.toml") as client:
        phone = Telnyx(world.sandbox)
        await phone.post(f"/conferences/{allowed}/actions/leave", {"call_control_id": leg})
        await phone.post(f"/conferences/{other}/actions/join", {"call_control_id": leg})
        if with_events:
            await joined(client, other, leg)
        refused = await client.call_tool("hangup_call", {"call_control_id": leg})
    assert "is in now is 'Refunds'" in text(refused)


@pytest.mark.anyio
async def test_a_newer_event_about_a_call_counts_for_more_than_the_servers_own_last_command() -> None:
    world = World()
    other = room(world.sandbox, "Refunds", 3)
    leg = world.sandbox.state.legs.arrive("+12025550188", "+12025550100").call_control_id
    async with guarded(world, with_events=True) as client:
        await call(client, "enqueue_call", call_control_id=leg, queue_name="fresh")
        await world.sandbox.advance(1)
        # A person at another console makes the caller the host of a conference.
        join = {"call_control_id": leg, "end_conference_on_exit": True}
        await Telnyx(world.sandbox).post(f"/conferences/{other}/actions/join", join)
        await joined(client, other, leg)
        refused = await client.call_tool("create_conference", {"call_control_id": leg, "name": "Aside"})
    assert "is its host, and this hangs up 3 people" in text(refused)


@pytest.mark.anyio
async def test_listing_everyone_counts_as_the_whole_room_also_by_the_conferences_name(tmp_path: Path) -> None:
    world = World()
    conference = room(world.sandbox, "Refunds", 3)
    legs = list(world.sandbox.state.conferences.by_id[conference].present)
    (tmp_path / "policy.toml").write_text("[limits]\nwhole_room_per_hour = 0\n")
    async with guarded(world, with_events=True, policy=tmp_path / "policy.toml") as client:
        await call(client, "list_events")
        mute = {"conference_id": "Refunds", "call_control_ids": [*legs, legs[0]]}
        refused = await client.call_tool("mute_participants", mute)
    assert refused.is_error
    assert "whole" in text(refused) or "everyone" in text(refused)


@pytest.mark.anyio
async def test_a_host_who_leaves_counts_in_the_limits_as_everyone_whose_call_ends(tmp_path: Path) -> None:
    world = World()
    conference = room(world.sandbox, "Refunds", 3)
    participants = world.sandbox.state.conferences.by_id[conference].present
    host = next(iter(participants))
    participants[host].ends_on_exit = True
    leave = {"conference_id": conference, "call_control_id": host}
    refused: list[str] = []
    for limit in ("most_people = 2", "whole_room_per_hour = 0"):
        (tmp_path / "policy.toml").write_text(f"[limits]\n{limit}\n")
        async with guarded(world, approval="never", policy=tmp_path / "policy.toml") as client:
            refused.append(text(await client.call_tool("leave_conference", leave)))
    assert "it would touch 3 people" in refused[0]
    assert "allows 0 whole-room actions an hour" in refused[1]


@pytest.mark.anyio
async def test_a_call_that_was_just_taken_from_a_queue_is_connected_before_its_events_arrive() -> None:
    world = World()
    legs = world.sandbox.state.legs
    caller, agent = (legs.arrive(f"+1202555018{digit}", "+12025550100").call_control_id for digit in (8, 9))
    async with guarded(world, with_events=True) as client:
        for leg in (caller, agent):
            await call(client, "answer_call", call_control_id=leg)
        await call(client, "enqueue_call", call_control_id=caller, queue_name="fresh", max_size=2)
        await call(client, "bridge_calls", call_control_id=agent, queue_name="fresh")
        arguments = {"call_control_id": caller, "queue_name": "fresh"}
        assert "needs a person's yes" in text(await client.call_tool("enqueue_call", arguments))


@pytest.mark.anyio
async def test_the_question_about_a_supervisor_names_everyone_who_is_overheard() -> None:
    world = World()
    conference = room(world.sandbox, "Board", 3)
    leg, *_ = legs_in(world, conference)
    async with guarded(world, with_events=True) as client:
        await world.settled()
        refused = await client.call_tool("dial", {**DIAL, "to": "+12025550150", "supervise_call_control_id": leg})
    in_board = "It is in conference 'Board'. 3 people are in it (+12025559000, +12025559001, +12025559002)."
    assert in_board in text(refused)


@pytest.mark.anyio
async def test_the_question_about_a_transcription_says_where_the_call_is_not_what_an_argument_says() -> None:
    world = World()
    harmless, board = room(world.sandbox, "Standup"), room(world.sandbox, "Board", 2)
    leg, *_ = legs_in(world, board)
    async with guarded(world, with_events=True) as client:
        await world.settled()
        transcribe = {"call_control_id": leg, "conference_id": harmless, "transcription_tracks": "both"}
        refused = await client.call_tool("start_transcription", transcribe)
    assert "It is in conference 'Board'. 2 people are in it" in text(refused)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "more"),
    [("hangup_call", {}), ("dial", {**DIAL, "to": "+12025550150"})],
)
@pytest.mark.parametrize("connected_by", ["this server", "another application"])
async def test_an_approval_is_not_one_for_a_call_that_is_connected_with_another_person_now(
    tmp_path: Path, tool: str, more: dict[str, str], connected_by: str
) -> None:
    world = World()
    phone = Telnyx(world.sandbox)
    leg, first, second = (call_from(world, digit) for digit in "123")
    arguments = {**more, ("supervise_call_control_id" if tool == "dial" else "call_control_id"): leg}
    store = tmp_path / "events.db"
    async with guarded(world, with_events=True, database=url_of(store), clock=world.sandbox.clock.now) as client:
        if connected_by == "this server":
            bridge = {"call_control_id": leg, "other_call_control_id": first, "park_after_unbridge": "self"}
            await call(client, "bridge_calls", **bridge)
        else:
            await phone.post(f"/calls/{leg}/actions/bridge", {"call_control_id": first, "park_after_unbridge": "self"})
        await world.settled()
        code = code_in(text(await client.call_tool(tool, arguments)))
        await decided(store, code, now=world.sandbox.clock.now)
        await world.sandbox.advance(5)
        await phone.post("/conferences", {"call_control_id": first, "name": "Elsewhere"})
        await phone.post(f"/calls/{leg}/actions/bridge", {"call_control_id": second})
        await world.settled()
        again = text(await client.call_tool(tool, arguments))
    assert f"Asked again: since {code} was asked" in again
    assert "+12025550182" not in again  # that was the first person


@pytest.mark.anyio
@pytest.mark.parametrize("lost", ["conference.participant.left", "conference.participant"])
async def test_a_host_is_found_where_telnyx_lists_them_when_webhooks_of_their_move_are_lost(lost: str) -> None:
    world = World()
    before, now = room(world.sandbox, "Before", 3), room(world.sandbox, "Now", 3)
    leg, *_ = legs_in(world, before)
    async with guarded(world, with_events=True) as client:
        await world.settled()
        world.sandbox.faults.add(Fault(kind="lose", event_type=lost))
        await Telnyx(world.sandbox).post(f"/conferences/{before}/actions/leave", {"call_control_id": leg})
        join = {"call_control_id": leg, "end_conference_on_exit": True}
        await Telnyx(world.sandbox).post(f"/conferences/{now}/actions/join", join)
        if lost == "conference.participant.left":
            await joined(client, now, leg)
        refused = await client.call_tool("enqueue_call", {"call_control_id": leg, "queue_name": "fresh"})
    assert "ends conference 'Now': +12025559000 is its host" in text(refused)


@pytest.mark.anyio
async def test_the_question_about_a_supervisors_role_names_whom_they_hear() -> None:
    world = World()
    first, second = call_from(world, "1"), call_from(world, "2")
    yes = ElicitResult(action="accept", content={"approve": True})
    person = Person(lambda question: yes)
    async with guarded(world, with_events=True, answering=person.slowly) as client:
        await call(client, "bridge_calls", call_control_id=first, other_call_control_id=second)
        supervise = {"to": "+12025550150", "supervise_call_control_id": first}
        supervisor = (await call(client, "dial", **DIAL, **supervise))["call"]["call_control_id"]
        await world.sandbox.advance(3)
        await world.settled()
        await call(client, "switch_supervisor_role", call_control_id=supervisor, role="monitor")
    assert person.questions[-1].startswith(
        "Set the call with +12025550150 to monitor as supervisor of the call with +12025550181?"
    )
    assert "It is connected with +12025550182." in person.questions[-1]


@pytest.mark.anyio
async def test_a_caller_who_was_no_longer_first_in_the_queue_is_not_named_as_the_one_who_is_connected() -> None:
    world = World()
    phone = Telnyx(world.sandbox)
    agent, gone, waiting = (call_from(world, digit) for digit in "123")
    for leg in (gone, waiting):
        await phone.post(f"/calls/{leg}/actions/enqueue", {"queue_name": "line"})
        await world.sandbox.advance(1)
    async with guarded(world, with_events=True) as client:
        await world.settled()
        world.sandbox.faults.add(Fault(kind="lose", event_type="call.dequeued|conference"))
        await phone.post("/conferences", {"call_control_id": gone, "name": "Elsewhere"})
        await call(client, "bridge_calls", call_control_id=agent, queue_name="line")
        for leg in (agent, waiting):
            await seen(client, "call.bridged", leg)
        refused = await client.call_tool("create_conference", {"call_control_id": agent, "name": "Aside"})
    assert "hangs up the call that is connected with +12025550181" in text(refused)


@pytest.mark.anyio
async def test_one_of_two_people_who_look_the_same_is_named_with_an_id() -> None:
    world = World()
    conference = room(world.sandbox, "Refunds", 2)
    legs = world.sandbox.state.legs
    same = legs.arrive("+12025559001", "+12025550100")
    world.sandbox.state.conferences.by_id[conference].admit(same, JoinOptions())
    _, first, second = legs_in(world, conference)
    async with guarded(world, with_events=True) as client:
        await world.settled()
        asked = [text(await client.call_tool("hangup_call", {"call_control_id": leg})) for leg in (first, second)]
        host = {"conference_id": conference, "participant_id": second, "end_conference_on_exit": True}
        asked.append(text(await client.call_tool("update_participant", host)))
    named = [
        f"+12025559001 ({leg[:14]}" in question for leg, question in zip((first, second, second), asked, strict=True)
    ]
    assert named == [True, True, True]


def test_a_label_that_looks_like_the_id_of_another_person_names_nobody_else() -> None:
    people = (
        PersonOnLeg("v3:a", participant_id="1", label="2"),
        PersonOnLeg("v3:b", participant_id="2", label="v3:a"),
    )
    conference = Room("c", "Refunds", people)
    found = [person.call_control_id for name in ("v3:a", "2") if (person := conference.person(name)) is not None]
    assert found == ["v3:a", "v3:b"]


def call_from(world: World, digit: str) -> str:
    """A new call from +1202555018 and this digit; its call leg."""
    return world.sandbox.state.legs.arrive(f"+1202555018{digit}", "+12025550100").call_control_id
