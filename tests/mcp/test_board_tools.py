"""The switchboard over MCP: a page and its data for hosts that render any, a table for the others."""

import json
from functools import partial
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp_types import TextResourceContents

from support.guarded_server import guarded, room
from support.hostile_text import HOSTILE, unseen
from support.mcp import call, text
from support.mcp_apps import RENDERS, SWITCHBOARD
from support.mcp_in_process import current_world, in_process
from support.webhooks import eventually
from telnyx_conferencing.server.board.board import ACTIONS
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import Risk

pytestmark = pytest.mark.anyio


class Nowhere(httpx2.AsyncBaseTransport):
    """A Telnyx that cannot be reached."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("nowhere")


async def board(client: Client) -> dict[str, Any]:
    return (await call(client, "show_switchboard"))["board"]


async def rooms(client: Client) -> list[dict[str, Any]]:
    return (await board(client))["rooms"]


async def test_a_server_declares_that_it_has_pages() -> None:
    async with in_process(current_world()) as client:
        assert (client.server_capabilities.extensions or {})[EXTENSION_ID] == {}


async def test_the_tool_names_a_page_that_can_be_read(era: str) -> None:
    async with guarded(current_world(), era=era, extensions=RENDERS) as client:
        tools = {tool.name: tool.meta for tool in (await client.list_tools()).tools}
        assert tools["show_switchboard"] == {"ui": {"resourceUri": SWITCHBOARD}}
        [page] = (await client.read_resource(SWITCHBOARD)).contents
        assert isinstance(page, TextResourceContents)
        assert (page.mime_type, page.meta) == (APP_MIME_TYPE, {"ui": {"prefersBorder": True}})
        assert page.text.startswith("<!doctype html>")
        listed = {resource.uri: resource for resource in (await client.list_resources()).resources}
        assert listed[SWITCHBOARD].mime_type == APP_MIME_TYPE


async def test_the_page_needs_nothing_from_anywhere() -> None:
    async with guarded(current_world()) as client:
        [page] = (await client.read_resource(SWITCHBOARD)).contents
        assert isinstance(page, TextResourceContents)
        written = page.text.replace("http://www.w3.org/", "")  # the names of SVG and MathML are no addresses
        assert not any(word in written for word in ("https://", "http://", "//cdn", "@import", "url("))


async def test_a_mask_of_numbers_leaves_the_page_as_it_is() -> None:
    async with guarded(current_world()) as plain, guarded(current_world(), mask_numbers=True) as masked:
        assert await plain.read_resource(SWITCHBOARD) == await masked.read_resource(SWITCHBOARD)


async def test_a_host_that_renders_pages_gets_the_board_as_data(era: str) -> None:
    phone = current_world()
    conference_id = room(phone.sandbox, "Standup", 3)
    async with guarded(phone, era=era, extensions=RENDERS) as client:
        people = (await call(client, "list_participants", conference_id=conference_id))["participants"]
        legs = [person["call_control_id"] for person in people]
        await call(client, "mute_participants", conference_id=conference_id, call_control_ids=[legs[0]])
        await call(client, "hold_participants", conference_id=conference_id, call_control_ids=[legs[1]])
        shown = await board(client)
    [standup] = shown["rooms"]
    assert (standup["name"], standup["present"], len(standup["people"])) == ("Standup", 3, 3)
    assert {participant["leg"] for participant in standup["people"] if "muted" in participant} == {legs[0]}
    assert {participant["leg"] for participant in standup["people"] if "held" in participant} == {legs[1]}
    assert {queue["name"]: queue["size"] for queue in shown["queues"]}["support"] == 3
    assert shown["actions"] == list(ACTIONS)


async def test_the_duration_of_a_hold_counts_from_its_beginning_at_every_refresh() -> None:
    phone = current_world()
    conference_id = room(phone.sandbox, "Standup", 2)
    async with in_process(phone, with_events=True) as client:
        people = (await call(client, "list_participants", conference_id=conference_id))["participants"]
        held = people[1]["call_control_id"]
        await call(client, "hold_participants", conference_id=conference_id, call_control_ids=[held])
        for _ in range(2):
            await phone.sandbox.advance(788)
            await call(client, "conference_summary", conference_id=conference_id)  # asks the API, which has no times
        await phone.sandbox.advance(3)
        page = await call(client, "list_participants", conference_id=conference_id)
        table = (await call(client, "show_switchboard"))["table"]
    assert "on hold for 26:19" in page["summary"]
    assert "on hold 26:19" in table


async def test_a_host_without_pages_gets_a_table_with_the_same_content(era: str) -> None:
    phone = current_world()
    conference_id = room(phone.sandbox, "Standup", 2)
    async with guarded(phone, era=era) as client:
        await call(client, "mute_participants", conference_id=conference_id, call_control_ids="everyone")
        result = await client.call_tool("show_switchboard", {})
    content: dict[str, str] = result.structured_content or {}
    assert content.keys() == {"summary", "table"}
    assert content["summary"] == "1 open conference with 2 people, 5 calls waiting in 3 queues."
    assert text(result) == f"{content['summary']}\n\n{content['table']}"
    lines = content["table"].splitlines()
    assert lines[0].startswith("Conference 'Standup': 0:")
    assert [line.endswith("  muted") for line in lines[1:3]] == [True, True]
    assert "Queue 'support': 3 of 100 waiting" in lines


async def test_an_empty_switchboard_is_one_sentence() -> None:
    async with guarded(current_world()) as client:
        assert (await call(client, "show_switchboard"))["summary"].startswith("No open conference, ")


async def test_a_table_and_a_board_are_bounded_however_much_there_is() -> None:
    phone = current_world()
    for number in range(2):
        room(phone.sandbox, f"{number} {'long ' * 50}", 600)
    async with guarded(phone) as client:
        table: str = (await call(client, "show_switchboard"))["table"]
    assert table.count("and 580 more") == 2
    assert len(table) < 5_000
    async with guarded(phone, extensions=RENDERS) as client:
        shown = (await board(client))["rooms"]
    assert [shown_room["present"] for shown_room in shown] == [600, 600]
    assert [len(shown_room["people"]) for shown_room in shown] == [600, 400]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_name_is_shown_on_one_line_with_nothing_hidden_in_it(name: str) -> None:
    phone = current_world()
    room(phone.sandbox, name, 1)
    async with guarded(phone) as client, guarded(phone, extensions=RENDERS) as host:

        async def told() -> str:
            return (await call(client, "show_switchboard"))["table"]

        table = await eventually(told)
        [shown] = await eventually(partial(rooms, host))
    assert [line for line in table.splitlines() if line.startswith("Conference ")] == [table.splitlines()[0]]
    assert unseen(table.replace("\n", "")) == unseen(shown["name"]) == []
    assert len(shown["name"]) <= 80


def test_nothing_behind_a_button_is_destructive() -> None:
    risks = {command.tool_name(): command.worst_risk() for command in COMMANDS}
    assert all(Risk.READ < risks[name] < Risk.DESTRUCTIVE for name in ACTIONS)


async def test_a_button_is_there_only_where_its_tool_is() -> None:
    async with guarded(current_world(), extensions=RENDERS, deny="*hold*,mute_*") as client:
        assert (await board(client))["actions"] == ["unmute_participants", "stop_audio", "pause_recording"]
    async with guarded(current_world(), extensions=RENDERS, read_only=True) as client:
        assert (await board(client))["actions"] == []


async def test_telnyx_is_asked_once_for_many_looks() -> None:
    phone = current_world()
    room(phone.sandbox, "Standup", 2)
    async with guarded(phone, extensions=RENDERS) as client:
        await board(client)
        asked = len(phone.sandbox.requests)
        for _ in range(20):
            await board(client)
        assert len(phone.sandbox.requests) == asked


async def test_the_board_is_shown_while_telnyx_cannot_be_reached() -> None:
    async with guarded(current_world(), extensions=RENDERS, transport=Nowhere()) as client:
        shown = await board(client)
    assert (shown["rooms"], shown["queues"]) == ([], [])


async def test_the_page_can_send_its_content_to_the_model() -> None:
    async with guarded(current_world(), extensions=RENDERS) as client:
        result = await client.call_tool("show_switchboard", {})
    assert "Queue 'support': 3 of 100 waiting" in text(result)
    assert len(text(result)) < len(json.dumps(result.structured_content))
