"""Several MCP clients of one server over HTTP, in both protocol versions."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import TextResourceContents

from support.commands import installed
from support.examples import COMMAND_OF, EXAMPLES, Example, mismatches
from support.http import recording_server
from support.mcp import ERAS, call, own_actions, refusal, text, yes
from support.mcp_http import site
from support.telnyx import open_room, telnyx
from support.webhooks import NOWHERE, body_of, eventually, post, signed_headers
from telnyx_conferencing.server.mcp.tool_definitions import definition
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = pytest.mark.anyio

SAMPLE = EXAMPLES[::6]


async def knows_room(client: Client) -> bool:
    """Whether the server has heard of what was posted."""
    [content] = (await client.read_resource("telnyx://conferences")).contents
    assert isinstance(content, TextResourceContents)
    return any(conference["id"] == "room" for conference in json.loads(content.text)["conferences"])


async def answers(client: Client, example: Example) -> None:
    schema = definition(COMMAND_OF[example.tool]).output_schema or {}
    for _, arguments in example.variants():
        result = await client.call_tool(example.tool, dict(arguments))
        assert not result.is_error, text(result)
        assert mismatches(result.structured_content or {}, schema) == []


@pytest.mark.slow
async def test_a_sample_of_the_tools_returns_the_same_results_as_over_stdio(era: str, tmp_path: Path) -> None:
    answer: dict[str, Any] = {}
    with recording_server(answer=answer) as (base_url, received):
        env = {"TELNYX_API_KEY": "KEYtest", "TELNYX_BASE_URL": base_url}
        async with (
            site("--toolsets", "all", "--approval", "never", home=tmp_path, env=env, start=installed) as server,
            server.client(era) as client,
        ):
            for example in SAMPLE:
                answer.clear()
                answer.update(example.answer)
                await answers(client, example)
    assert len(received) >= len(SAMPLE)


@pytest.mark.parametrize("era", ERAS)
async def test_the_audit_resource_shows_each_client_only_its_own_actions(era: str, tmp_path: Path) -> None:
    with telnyx() as phone:
        async with (
            site("--approval", "never", home=tmp_path, env=phone.env) as server,
            server.client(era, name="first") as first,
            server.client(era, name="second") as second,
        ):
            room = await open_room(first, *(legs := phone.waiting()))
            await call(first, "mute_participants", conference_id=room, call_control_ids=[legs[0]])
            await call(second, "create_queue", queue_name="mine")
            mine, others = await own_actions(first), await own_actions(second)
    assert [end["state"] for end in mine["left_open"]] == ["muted"]
    assert [action["tool"] for action in others["actions"]] == ["create_queue"]
    assert others["left_open"] == []


async def test_a_wait_includes_events_since_the_clients_own_last_command(era: str, tmp_path: Path) -> None:
    signer = Signer()
    with telnyx() as phone:
        env = {**phone.env, "TELNYX_PUBLIC_KEY": signer.public_key}
        async with (
            site("--approval", "never", home=tmp_path, env=env) as server,
            server.client(era, name="first") as first,
            server.client(era, name="second") as second,
        ):

            async def happens(name: str) -> None:
                body = body_of(name)
                assert await anyio.to_thread.run_sync(post, server.port, body, signed_headers(signer, body)) == 200

            await call(first, "create_queue", queue_name="one")
            await happens("after the first")
            await eventually(lambda: knows_room(second))
            await call(second, "create_queue", queue_name="two")
            await happens("after both")
            seen = [
                await call(client, "wait_for_event", types=["conference.*"], conference_id="room", timeout_secs=20)
                for client in (first, second)
            ]
    assert [[event["id"] for event in seen_event["events"]] for seen_event in seen] == [
        ["after the first", "after both"],
        ["after both"],
    ]


async def test_a_client_that_supports_elicitation_is_asked_for_approval(era: str, tmp_path: Path) -> None:
    with telnyx() as phone:
        async with (
            site(home=tmp_path, env=phone.env) as server,
            server.client(era, answering=yes) as client,
            server.client(era, name="mute") as mute,
        ):
            room = await open_room(client, *phone.waiting())
            pending = await refusal(mute, "end_conference", conference_id=room)
            ended = await call(client, "end_conference", conference_id=room)
    assert "waits as" in pending
    assert ended["summary"].startswith("Telnyx accepted")


async def test_a_stateless_server_leaves_approval_requests_outside_the_client(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with (
            site("--stateless", home=tmp_path, env=phone.env) as server,
            server.client(answering=yes) as client,
        ):
            room = await open_room(client, *phone.waiting())
            pending = await refusal(client, "end_conference", conference_id=room)
    assert "waits as" in pending


async def test_an_approval_asked_by_one_process_is_accepted_by_another_with_the_same_keys(tmp_path: Path) -> None:
    keys = {"one": "a" * 32 + "," + "b" * 32, "rotated": "b" * 32 + "," + "a" * 32, "strange": "c" * 32}
    with telnyx() as phone:
        outcomes: dict[str, bool] = {}
        for shared in ("strange", "rotated"):
            first = site(home=tmp_path, env={**phone.env, "TELNYX_CONFERENCING_STATE_KEYS": keys["one"]})
            second = site(home=tmp_path, env={**phone.env, "TELNYX_CONFERENCING_STATE_KEYS": keys[shared]})
            async with first as one, second as other:
                state = await one.asked_to_delete("support")
                outcomes[shared] = await other.takes_yes("support", state)
    assert outcomes == {"strange": False, "rotated": True}


async def test_a_server_is_ready_while_telnyx_is_unreachable(tmp_path: Path) -> None:
    async with site(home=tmp_path, env=NOWHERE) as server:
        assert (await server.get("/readyz")).status_code == 200
