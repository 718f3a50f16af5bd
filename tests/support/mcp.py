"""The server as a host runs it: a subprocess on stdio, spoken to by the MCP SDK's own client."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.client import ConnectMode
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent, TextResourceContents

from support.commands import forked
from support.mcp_stdio import environment

ERAS: Mapping[str, ConnectMode] = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28"}
"""Protocol versions, and the client mode for each."""

Answering = Callable[[str], ElicitResult]
"""What a person answers to a question."""


def yes(question: str) -> ElicitResult:
    return ElicitResult(action="accept", content={"decision": "approve"})


def no(question: str) -> ElicitResult:
    return ElicitResult(action="accept", content={"decision": "reject"})


def declines_at_once(question: str) -> ElicitResult:
    """As hosts do that run without a person."""
    return ElicitResult(action="decline")


def closes(question: str) -> ElicitResult:
    return ElicitResult(action="cancel")


@asynccontextmanager
async def connected(
    *arguments: str,
    era: str = "2025-11-25",
    answering: Callable[[str], ElicitResult | Awaitable[ElicitResult]] | None = None,
    env: Mapping[str, str] | None = None,
    start: Callable[..., list[str]] = forked,
) -> AsyncGenerator[Client]:
    """A client of `telnyx-conferencing serve ARGUMENTS`. Without `answering` it cannot be asked anything."""

    async def elicited(context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert answering is not None
        answer = answering(params.message)
        return await answer if isinstance(answer, Awaitable) else answer

    callback = elicited if answering is not None else None
    with TemporaryDirectory(prefix="tests-") as home:
        own = {"TELNYX_CONFERENCING_DATABASE": f"sqlite:///{home}/events.db"}
        command, *rest = start("serve", *arguments)
        process = StdioServerParameters(command=command, args=rest, env=environment({**own, **(env or {})}))
        async with Client(stdio_client(process), mode=ERAS[era], elicitation_callback=callback) as client:
            yield client


@asynccontextmanager
async def practice_client(era: str, *arguments: str) -> AsyncGenerator[Client]:
    """A client of a server on the embedded sandbox that asks nobody."""
    async with connected("--sandbox", "--approval", "never", *arguments, era=era) as client:
        yield client


async def own_actions(client: Client) -> dict[str, Any]:
    """What `telnyx://audit` says."""
    [content] = (await client.read_resource("telnyx://audit")).contents
    assert isinstance(content, TextResourceContents)
    return json.loads(content.text)


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured content of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text(result)
    content: Any = result.structured_content
    assert content
    return content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """The text of a call that must end in a tool error."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, text(result)
    return text(result)


def text(result: CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text
