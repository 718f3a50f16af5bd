"""Starts the server as a host would, and calls a tool through a real MCP client."""

import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
from mcp import MCPError, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextContent

from ....tools.text import clean
from .checks import Finding, State
from .registry import Host
from .texts import Entry

_START_TIMEOUT_S = 30
"""Hosts wait no longer."""
_TOOLS_TO_CALL = ("whoami", "list_conferences")
"""The first of these that the server offers is called."""
_REFERENCE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")


class _ToolFailed(Exception):
    """The tool returned an error; the message is the tool's own."""


def variables(host: Host, server: Entry) -> dict[str, str]:
    """The environment variables that a configured server would see, besides the few that every server sees."""
    return {**host.environment(server), **{name: _expand(str(text)) for name, text in server.get("env", {}).items()}}


def _expand(text: str) -> str:
    """Fill in references to this environment, as hosts do. A reference to an unset variable stays."""
    return _REFERENCE.sub(lambda match: os.environ.get(match[1], match[0] if match[2] is None else match[2]), text)


def check_start(host: Host, server: Entry) -> Finding:
    """Start the server, call a tool, and report how that went."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        started = time.monotonic()
        try:
            report = anyio.run(_call_tool, host, server, log)
        except Exception as error:  # a host would get no further, for any reason
            log.seek(0)
            lines = [line for line in log.read().splitlines() if line.strip()]
            reason = lines[-1] if lines else _message(error)
            program = f"{server.get('command')} {' '.join(server.get('args', ()))}"
            fix = f"Run {program} to see the error, or install again."
            return Finding("start", State.WRONG, f"started as {host.title} does: {clean(reason, 400)}", fix)
    seconds = time.monotonic() - started
    return Finding("start", State.GOOD, f"started as {host.title} does in {seconds:.1f} s: {report}")


async def _call_tool(host: Host, server: Entry, log: Any) -> str:
    process = StdioServerParameters(
        command=str(server.get("command", "")),
        args=[str(argument) for argument in server.get("args", ())],
        env=variables(host, server),
        cwd=Path.home(),
    )
    with anyio.fail_after(_START_TIMEOUT_S):
        async with Client(stdio_client(process, errlog=log)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            tool = next((name for name in _TOOLS_TO_CALL if name in tools), None)
            if tool is None:
                return f"{len(tools)} tools"
            result = await client.call_tool(tool, {})
            if result.is_error:
                raise _ToolFailed(_text(result))
            content: Mapping[str, Any] = result.structured_content or {}
            return f"{len(tools)} tools; {tool}: {clean(str(content.get('summary') or _text(result)), 200)}"


def _text(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def _message(error: BaseException) -> str:
    """The message of an error, or of the first one in a group."""
    if isinstance(error, BaseExceptionGroup):
        return _message(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    if isinstance(error, TimeoutError):
        return f"no answer within {_START_TIMEOUT_S} s"
    return error.error.message if isinstance(error, MCPError) else str(error) or type(error).__name__
