"""Everyday requests find their tool in a search among tools that are not loaded, as Claude Code and others do it.

`bench/claude_code.py` asks the search of Claude Code itself. The one here counts words in the same places: a word of
the request counts most as a part of a tool's name, then in its search hint, then in its description.
"""

import re

import pytest
from mcp_types import Tool

from support.everyday_requests import EVERYDAY_REQUESTS
from support.mcp_in_process import World, in_process

pytestmark = pytest.mark.anyio

FIRST_RESULTS = 5
IN_NAME, WITHIN_NAME, IN_HINT, IN_DESCRIPTION = 10, 5, 4, 2
MAX_HINT_LENGTH = 90


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w']+", text.lower()))


def hint(tool: Tool) -> str:
    return (tool.meta or {}).get("anthropic/searchHint", "")


def score(tool: Tool, request: str) -> int:
    parts = tool.name.split("_")
    hinted, described = words(hint(tool)), words(tool.description or "")
    return sum(
        (IN_NAME if word in parts else WITHIN_NAME if any(word in part for part in parts) else 0)
        + IN_HINT * (word in hinted)
        + IN_DESCRIPTION * (word in described)
        for word in words(request)
    )


def always_loaded(tools: list[Tool]) -> set[str]:
    return {tool.name for tool in tools if (tool.meta or {}).get("anthropic/alwaysLoad")}


async def listed() -> list[Tool]:
    async with in_process(World()) as client:
        return (await client.list_tools()).tools


async def test_every_everyday_request_finds_its_tool_among_the_first_results() -> None:
    tools = await listed()
    assert len({request for request, _ in EVERYDAY_REQUESTS}) >= 25
    missed: dict[str, list[str]] = {}
    for request, expected in EVERYDAY_REQUESTS:
        ranked = sorted(tools, key=lambda tool: (-score(tool, request), tool.name))
        first = [tool.name for tool in ranked[:FIRST_RESULTS]]
        if not set(expected) & (set(first) | always_loaded(tools)):
            missed[request] = first
    assert missed == {}


async def test_the_tools_that_start_most_jobs_are_always_loaded() -> None:
    assert always_loaded(await listed()) == {"whoami", "list_conferences", "list_queues"}


async def test_search_hints_are_short_and_use_other_words_than_the_name() -> None:
    for tool in await listed():
        assert len(hint(tool)) <= MAX_HINT_LENGTH, tool.name
        assert not hint(tool) or words(hint(tool)) - words(tool.name.replace("_", " ")), tool.name
