"""What hosts show to people: titles everywhere, and an icon for the server alone."""

import base64

import pytest

from support.mcp_in_process import World, in_process

pytestmark = pytest.mark.anyio


async def test_the_server_has_a_title_and_an_icon_that_needs_no_network() -> None:
    async with in_process(World()) as client:
        info = client.server_info
    assert info is not None
    [icon] = info.icons or []
    kind, _, data = icon.src.partition(";base64,")
    assert info.title == "Telnyx conferencing"
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(data).startswith(b"<svg ")


async def test_every_item_that_a_host_lists_has_a_title_and_no_icon() -> None:
    async with in_process(World()) as client:
        tools, prompts = (await client.list_tools()).tools, (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
    for listed in (*tools, *prompts, *resources, *templates):
        assert listed.title, listed.name
        assert listed.icons is None, listed.name
