"""Recordings and keyed digits are shown only to those who may see them."""

import json
from typing import Any

import pytest
from mcp.client import Client

from support.guarded_server import guarded, room
from support.mcp import call, text
from support.mcp_in_process import World

pytestmark = pytest.mark.anyio


async def keyed(client: Client, world: World, **gather: Any) -> str:
    """What the events show after a caller has keyed 7*3*."""
    conference = room(world.sandbox)
    [leg] = world.sandbox.state.conferences.by_id[conference].present
    await call(client, "gather_dtmf", conference_id=conference, call_control_id=leg, maximum_digits=4, **gather)
    gathering = world.sandbox.state.legs.by_id[leg].gathering
    assert gathering is not None
    for digit in "7*3*":
        gathering.press(digit)
    waited = await call(client, "wait_for_event", types=["call.gather.ended"], since="2020-01-01T00:00:00Z")
    return json.dumps([waited, await call(client, "list_events")])


async def test_the_digits_of_a_gather_are_shown_to_the_conversation_that_started_it() -> None:
    world = World()
    async with guarded(world, with_events=True) as client:
        assert "7*3*" in await keyed(client, world)


async def test_the_digits_of_a_sensitive_gather_are_shown_to_nobody() -> None:
    world = World()
    async with guarded(world, with_events=True) as client:
        shown = await keyed(client, world, sensitive=True)
    assert "7*3*" not in shown
    assert "(4 digits)" in shown


async def test_the_links_of_a_recording_need_approval_and_are_not_given_out_by_a_read_only_server() -> None:
    wanted = {"recording_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "include_download_urls": True}
    async with guarded(World(), with_events=True) as client:
        assert "needs a person's yes" in text(await client.call_tool("get_recording", wanted))
    async with guarded(World(), with_events=True, read_only=True) as client:
        assert "here you may only read" in text(await client.call_tool("get_recording", wanted))
