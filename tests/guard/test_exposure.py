"""Recordings and keyed digits are shown only to those who may see them."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from support.guarded_server import guarded, room
from support.mcp import call, text
from support.mcp_in_process import World
from support.sandbox_client import Telnyx
from support.webhooks import eventually, url_of
from telnyx_conferencing.server.sandbox.commands import StartCallRecording

pytestmark = pytest.mark.anyio


def recorded(world: World) -> str:
    """A saved recording of one call, of five seconds."""
    state = world.sandbox.state
    leg = state.legs.arrive("+12025550199", "+12025550100")
    state.legs.answer(leg)
    start = StartCallRecording(call_control_id=leg.call_control_id, format="mp3", channels="single", max_length=5)
    state.recordings.start_on_call(start)
    (recording_id,) = state.recordings.by_id
    return recording_id


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


async def test_the_digits_of_a_gather_with_which_another_process_replaced_ones_own_are_not_shown(
    tmp_path: Path,
) -> None:
    world, database = World(), url_of(tmp_path / "events.db")
    async with (
        guarded(world, with_events=True, database=database) as replaced,
        guarded(world, with_events=True, database=database) as replacing,
    ):
        conference = room(world.sandbox)
        [leg] = world.sandbox.state.conferences.by_id[conference].present
        gather = {"conference_id": conference, "call_control_id": leg}
        await call(replaced, "gather_dtmf", **gather)
        await world.sandbox.advance(5)
        await call(replacing, "gather_dtmf", **gather, sensitive=True)
        world.sandbox.state.gathers.press(world.sandbox.state.legs.by_id[leg], "7*3*#")

        async def shown() -> str:
            text = json.dumps(await call(replaced, "list_events", types=["call.gather.ended"]))
            return text if "valid" in text else ""

        ends = await eventually(shown)
    assert "(4 digits)" in ends
    assert "7*3*" not in ends


async def test_the_links_of_a_recording_need_approval_and_are_not_given_out_by_a_read_only_server() -> None:
    world = World()
    wanted_id = recorded(world)
    await world.sandbox.advance(10)
    wanted = {"recording_id": wanted_id, "include_download_urls": True}
    async with guarded(world, with_events=True) as client:
        asked = text(await client.call_tool("get_recording", wanted))
    assert "needs a person's yes" in asked
    assert "It is 5 s of a call, completed, +12025550199 to +12025550100" in asked
    async with guarded(world, with_events=True, read_only=True) as client:
        assert "here you may only read" in text(await client.call_tool("get_recording", wanted))


async def test_digits_that_are_keyed_after_the_end_of_a_gather_are_not_part_of_it() -> None:
    world = World()
    async with guarded(world, with_events=True) as client:
        await keyed(client, world)
        await world.sandbox.advance(10)
        leg = next(leg for leg in world.sandbox.state.legs.alive() if leg.from_ == "+12025559000")
        # Another application on the account gathers from the same call.
        by_another = {"minimum_digits": 4, "maximum_digits": 4}
        await Telnyx(world.sandbox).post(f"/calls/{leg.call_control_id}/actions/gather", by_another)
        world.sandbox.state.gathers.press(leg, "9518")
        since = world.sandbox.clock.now().isoformat()
        later = await call(client, "wait_for_event", types=["call.gather.ended"], since=since)
        shown = json.dumps(await call(client, "list_events"))
    assert "(4 digits)" in json.dumps(later)
    assert "7*3*" in shown
    assert "9518" not in shown


@pytest.mark.parametrize("keys", ["7*3*", "7*3"])
async def test_a_later_gather_on_the_call_shows_no_digits_of_a_sensitive_one(keys: str) -> None:
    """The sensitive gather has ended a moment before, or is replaced."""
    world = World()
    async with guarded(world, with_events=True) as client:
        conference = room(world.sandbox)
        [leg] = world.sandbox.state.conferences.by_id[conference].present
        gather = {"conference_id": conference, "call_control_id": leg, "maximum_digits": 4}
        await call(client, "gather_dtmf", **gather, sensitive=True)
        await world.sandbox.advance(5)
        world.sandbox.state.gathers.press(world.sandbox.state.legs.by_id[leg], keys)
        await world.settled()
        await call(client, "gather_dtmf", **gather)
        await world.sandbox.advance(1)
        world.sandbox.state.gathers.press(world.sandbox.state.legs.by_id[leg], "9999")
        await world.settled()
        events = (await call(client, "list_events"))["events"]
    fields = [event["payload"].get("digits") or event["payload"].get("digit") or "" for event in events]
    assert [field for field in fields if "*" in field or "7" in field] == []
    assert "9999" in fields
