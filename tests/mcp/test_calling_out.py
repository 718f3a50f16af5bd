"""Calling out: what the operator has set, what the policy lets be called, and what whoami tells of it."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from mcp.client import Client

from support.guarded_server import Clock, Person, dialled_numbers, guarded, real_time, room
from support.mcp import call, connected, no, refusal, yes
from support.mcp_in_process import World, in_process

pytestmark = pytest.mark.anyio

ANN, BEN, CAROL = "+12025550150", "+12025550151", "+12025550152"

Policed = Callable[[str], AbstractAsyncContextManager[Client]]
"""A client of a server with this policy, where nobody is asked."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> Clock:
    return Clock(real_time())


@pytest.fixture
def client_with_policy(world: World, clock: Clock, tmp_path: Path) -> Policed:
    def serve(rules: str) -> AbstractAsyncContextManager[Client]:
        policy = tmp_path / "policy.toml"
        policy.write_text(rules)
        return guarded(world, clock=clock, approval="never", policy=policy)

    return serve


# What the operator has set once


async def test_three_numbers_are_called_into_a_conference_with_default_arguments(world: World) -> None:
    async with in_process(world) as client:
        result = await call(client, "dial", to=[ANN, BEN, CAROL], conference_config={"conference_name": "Standup"})
        assert result["expect_events"] == ["call.answered", "call.hangup", "conference.participant.joined"]
        assert "undo" not in result, "Telnyx names the first call only"
        await world.sandbox.advance(2)
        [standup] = (await call(client, "list_conferences", filter={"name": "Standup"}))["conferences"]
        people = await call(client, "list_participants", conference_id=standup["id"])
    assert people["total_results"] == 3
    assert {leg["from"] for leg in world.sandbox.snapshot()["legs"] if leg["to"] in (ANN, BEN, CAROL)} == {
        "+12025550100"
    }


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({}, ["connection_id is missing", "TELNYX_CONNECTION_ID", "from is missing", "TELNYX_FROM_NUMBER"]),
        ({"TELNYX_CONNECTION_ID": "1494"}, ["from is missing", "TELNYX_FROM_NUMBER"]),
        ({"TELNYX_FROM_NUMBER": ANN}, ["connection_id is missing", "TELNYX_CONNECTION_ID"]),
    ],
)
async def test_an_argument_without_a_default_is_required(env: dict[str, str], missing: list[str]) -> None:
    async with connected(env={"TELNYX_API_KEY": "KEYtest", **env}) as client:
        message = await refusal(client, "dial", to=ANN)
    assert all(words in message for words in missing)


# What the policy lets be called


async def test_a_connection_that_the_operator_has_set_is_judged_like_any(
    world: World, client_with_policy: Policed
) -> None:
    async with client_with_policy("scope.connections = ['other']") as client:
        assert "the connection to call with is 'sandbox'" in await refusal(client, "dial", to=ANN)
    assert dialled_numbers(world.sandbox) == []


async def test_each_of_several_numbers_lies_within_the_prefixes(world: World, client_with_policy: Policed) -> None:
    async with client_with_policy("scope.numbers = ['+1202555015', '+44']") as client:
        message = await refusal(client, "dial", to=[ANN, "+14155550123"])
        assert "the number to call is '+14155550123'" in message
        assert "numbers that begin with +1202555015 or +44" in message
        await refusal(client, "dial", to="sip:+12025550150@example.com")
        waiting = (await call(client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]
        await refusal(client, "transfer_call", call_control_id=waiting, to="+14155550123")
        assert dialled_numbers(world.sandbox) == []
        await call(client, "dial", to=[ANN, BEN])
        await call(client, "transfer_call", call_control_id=waiting, to=CAROL)
    assert dialled_numbers(world.sandbox) == [ANN, BEN, CAROL]


async def test_calls_per_hour_are_counted_for_each_number(
    world: World, clock: Clock, client_with_policy: Policed
) -> None:
    async with client_with_policy("limits.dials_per_hour = 3") as client:
        waiting = (await call(client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]
        assert "never allowed" in await refusal(client, "dial", to=[ANN, BEN, CAROL, "+12025550153"])
        await call(client, "dial", to=[ANN, BEN])
        await call(client, "transfer_call", call_control_id=waiting, to=CAROL)
        message = await refusal(client, "dial", to=ANN)
        assert "3 numbers called an hour" in message
        assert "There is room for this call again in 3600 s" in message
        clock.move(hours=1)
        await call(client, "dial", to=ANN)
    assert dialled_numbers(world.sandbox) == [ANN, BEN, CAROL, ANN]


async def test_no_more_calls_are_up_at_once_than_may_be(world: World, client_with_policy: Policed) -> None:
    async with client_with_policy("limits.concurrent_calls = 7") as client:
        message = await refusal(client, "dial", to=[ANN, BEN, CAROL])
        assert "5 calls are up on connection 'sandbox' and this would add 3" in message
        assert "allows 7 at once" in message
        assert dialled_numbers(world.sandbox) == []
        result = await call(client, "dial", to=ANN)
        await call(client, "dial", to=BEN)
        await refusal(client, "dial", to=CAROL)
        await call(client, "hangup_call", **result["undo"]["arguments"])
        await call(client, "dial", to=CAROL)


async def test_several_numbers_are_several_people(world: World, client_with_policy: Policed) -> None:
    async with client_with_policy("limits.most_people = 2") as client:
        assert "would touch 3 people" in await refusal(client, "dial", to=[ANN, BEN, CAROL])
        await call(client, "dial", to=[ANN, BEN])


# What a person is asked


async def test_a_person_sees_the_numbers_and_who_is_called_into_what(world: World) -> None:
    person = Person(no)
    standup = room(world.sandbox, people=2)
    async with guarded(world, answering=person.slowly, approval="disruptive", mask_numbers=True) as client:
        message = await refusal(client, "dial", to=[ANN, BEN], conference_config={"id": standup})
    [question] = person.questions
    assert question.startswith(f"Call 2 numbers ('{ANN}', '{BEN}') from '+12025550100', on connection 'sandbox', into ")
    assert "into conference 'Standup'? 2 people are in it" in question
    assert "2025550" not in message
    assert dialled_numbers(world.sandbox) == []


async def test_a_question_about_a_hangup_names_the_queue_of_the_call(world: World) -> None:
    person = Person(yes)
    async with guarded(world, answering=person.slowly) as client:
        waiting = (await call(client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]
        await call(client, "hangup_call", call_control_id=waiting)
    [question] = person.questions
    assert question == (
        "Hang up the call with +12025550111? It is number 1 in line in queue 'support'. The person on it is cut off."
    )


# Recordings


async def test_download_links_of_a_recording_are_returned_only_on_request(world: World) -> None:
    standup = room(world.sandbox)
    async with in_process(world) as client:
        await call(client, "start_recording", conference_id=standup, format="mp3")
        await world.sandbox.advance(9)
        await call(client, "stop_recording", conference_id=standup)
        [listed] = (await call(client, "list_recordings", filter={"conference_id": standup}))["recordings"]
        seen = await call(client, "get_recording", recording_id=listed["id"])
        linked = await call(client, "get_recording", recording_id=listed["id"], include_download_urls=True)
    assert "https" not in json.dumps([listed, seen])
    assert linked["recording"]["download_urls"]["mp3"].startswith("https://")
    assert seen["summary"] == "9 s of a conference, completed."


# Whoami


async def test_whoami_says_where_the_agent_is_in_less_than_a_kilobyte(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("scope.numbers = ['+1']\napproval.level = 'disruptive'\ntools.deny = ['end_conference']")
    async with connected("--sandbox", "--policy", str(policy)) as client:
        await call(client, "list_events")
        content = await call(client, "whoami")
    assert len(json.dumps(content)) < 1024
    assert content["connection_id"] == "sandbox"
    assert content["from_number"] == "+12025550100"
    assert content["connections_seen"] == ["sandbox"]
    assert content["policy"]["asks_a_person"] == "disruptive"
    assert content["policy"]["scope"] == ["only numbers that begin with +1"]
    assert content["writes"] == "open"
    assert content["events"]["last"].startswith("call.")
    assert "MCP 2025-11-25" in content["client"]


async def test_whoami_tells_nothing_of_the_key() -> None:
    env = {"TELNYX_API_KEY": "KEY0123456789abcdef", "TELNYX_CONNECTION_ID": "1494", "TELNYX_FROM_NUMBER": ANN}
    async with connected("--read-only", env=env) as client:
        content = json.dumps(await call(client, "whoami"))
    assert not any(part in content for part in ("KEY0", "0123", "cdef"))
    assert "api.telnyx.com" in content
    assert '"read_only": true' in content


async def test_a_transfer_and_a_dial_return_the_new_call_leg() -> None:
    async with connected("--sandbox", "--approval", "never") as client:
        waiting = (await call(client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]
        transferred = await call(client, "transfer_call", call_control_id=waiting, to=CAROL)
        dialled_leg = (await call(client, "dial", to=ANN))["call"]["call_control_id"]
        legs = {transferred["new_call_control_id"], dialled_leg}
        up = {leg["call_control_id"] for leg in (await call(client, "list_active_calls", page_size=100))["calls"]}
    assert len(legs) == 2
    assert waiting not in legs
    assert legs <= up
    assert f"It rings: call leg {transferred['new_call_control_id']}" in transferred["summary"]
