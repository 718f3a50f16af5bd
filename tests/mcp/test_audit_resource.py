"""`telnyx://audit`: an agent reads what it did itself, and what it has left open; and how a result is taken back."""

import json

import pytest
from mcp_types import TextResourceContents

from support.mcp import call, connected, own_actions, refusal
from support.telnyx import open_room, telnyx

pytestmark = pytest.mark.anyio


async def test_an_agent_sees_its_own_actions_and_what_they_have_left_open(era: str) -> None:
    with telnyx() as phone:
        async with connected("--approval", "never", era=era, env=phone.env) as client:
            room = await open_room(client, *(legs := phone.waiting()))
            await call(client, "mute_participants", conference_id=room, call_control_ids=[legs[0]])
            await call(client, "start_recording", conference_id=room, format="mp3")
            await refusal(client, "hold_participants", conference_id="nowhere", call_control_ids="everyone")
            seen = await own_actions(client)
            for end in seen["left_open"]:
                await call(client, end["tool"], **end["arguments"])
            closed = await own_actions(client)
    outcomes = [(action["tool"], action["outcome"]) for action in seen["actions"][:3]]
    assert outcomes == [
        ("hold_participants", "refused by Telnyx"),
        ("start_recording", "done"),
        ("mute_participants", "done"),
    ]
    assert {(end["state"], end["tool"]) for end in seen["left_open"]} == {
        ("muted", "unmute_participants"),
        ("recording", "stop_recording"),
    }
    assert closed["left_open"] == []


async def test_actions_in_an_ended_conference_are_no_longer_open() -> None:
    with telnyx() as phone:
        async with connected("--approval", "never", "--catch-up", "1s", env=phone.env) as client:
            room = await open_room(client, *(legs := phone.waiting()))
            await call(client, "mute_participants", conference_id=room, call_control_ids=[legs[0]])
            phone.request("POST", f"/v2/conferences/{room}/actions/end", {})
            await call(client, "wait_for_event", types=["conference.ended"], conference_id=room, timeout_secs=20)
            assert (await own_actions(client))["left_open"] == []


async def test_the_audit_resource_has_only_the_actions_of_the_client() -> None:
    with telnyx() as phone:
        async with connected("--approval", "never", env=phone.env) as first:
            await call(first, "create_queue", queue_name="mine")
            async with connected("--approval", "never", env=phone.env) as second:
                assert (await own_actions(second))["actions"] == []
            assert [action["tool"] for action in (await own_actions(first))["actions"]] == ["create_queue"]


async def test_a_result_names_the_call_that_takes_it_back(era: str) -> None:
    with telnyx() as phone:
        async with connected("--approval", "never", era=era, env=phone.env) as client:
            room = await open_room(client, *(legs := phone.waiting()))
            muted = await call(client, "mute_participants", conference_id=room, call_control_ids=[legs[0]])
            undone = await call(client, muted["undo"]["tool"], **muted["undo"]["arguments"])
            people = await call(client, "list_participants", conference_id=room)
        async with connected("--approval", "never", "--deny", "unmute_participants", env=phone.env) as client:
            second_mute = await call(client, "mute_participants", conference_id=room, call_control_ids=[legs[0]])
    assert muted["undo"] == {
        "tool": "unmute_participants",
        "arguments": {"conference_id": room, "call_control_ids": [legs[0]]},
    }
    assert undone["undo"]["tool"] == "mute_participants"
    assert not any(person["muted"] for person in people["participants"])
    assert "undo" not in second_mute


async def test_numbers_are_masked_in_everything_that_a_model_reads(era: str) -> None:
    with telnyx() as phone:
        arguments = ("--mask-numbers", "--approval", "never", "--catch-up", "1s")
        async with connected(*arguments, era=era, env=phone.env) as client:
            calls = await call(client, "list_queue_calls", queue_name="support")
            events = await call(client, "wait_for_event", types=["call.*"], since="2020-01-01", timeout_secs=20)
            [content] = (await client.read_resource("telnyx://queues/support")).contents
            assert isinstance(content, TextResourceContents)
            first_call = calls["calls"][0]
            taken = await call(
                client, "create_conference", call_control_id=first_call["call_control_id"], name="+12025550142"
            )
    everything = json.dumps([calls, events, taken]) + content.text
    assert first_call["from"].endswith("0111")
    assert first_call["from"].startswith("+*")
    assert "2025550" not in everything
    assert first_call["call_control_id"] in everything
