"""Arguments that are nested too deeply: refused with a sentence, and the audit goes on."""

from typing import Any

import pytest

from support.mcp import refusal
from support.mcp_in_process import World, in_process

pytestmark = pytest.mark.anyio


def nested_value(levels: int) -> Any:
    value: Any = "x"
    for level in range(levels):
        value = {"x": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize("tool", ["mute_participants", "list_events", "whoami"])
async def test_deeply_nested_arguments_are_refused_by_every_kind_of_tool(tool: str) -> None:
    async with in_process(World()) as client:
        for levels, is_deep in ((62, False), (64, True), (100, True)):
            text = await refusal(client, tool, unknown=nested_value(levels))
            assert ("nested more than 64 levels deep" in text) is is_deep, (levels, text)
        records = (await client.read_resource("telnyx://audit")).contents[0]
        assert records
