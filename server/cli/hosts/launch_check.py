"""The server started as a host would start it, and asked something through a real MCP client."""

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

from ....tools.words import clean
from .checks import Finding, State
from .registry import Host
from .texts import Entry

_PATIENCE = 30
"""Seconds for all of it: hosts wait no longer."""
_ASKED = ("whoami", "list_conferences")
"""The first of these that there is."""
_REFERENCE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")


def variables(host: Host, server: Entry) -> dict[str, str]:
    """The variables that a server so configured would see, beside the few that every server sees."""
    return {**host.environment(server), **{name: _filled(str(one)) for name, one in server.get("env", {}).items()}}


def _filled(text: str) -> str:
    """With references filled in from this environment, as hosts do; one to nothing stays."""
    return _REFERENCE.sub(lambda found: os.environ.get(found[1], found[0] if found[2] is None else found[2]), text)


def started(host: Host, server: Entry) -> Finding:
    """What comes of starting it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        begun = time.monotonic()
        try:
            said = anyio.run(_ask, host, server, log)
        except Exception as failed:  # whatever it is, the host would not get further
            log.seek(0)
            lines = [line for line in log.read().splitlines() if line.strip()]
            why = lines[-1] if lines else _words(failed)
            do = f"Run {server.get('command')} {' '.join(server.get('args', ()))} to see it fail, or install again."
            return Finding("start", State.WRONG, f"as {host.title} starts it: {clean(why, 400)}", do)
    return Finding("start", State.GOOD, f"as {host.title} starts it: {said}, {time.monotonic() - begun:.1f} s")


async def _ask(host: Host, server: Entry, log: Any) -> str:
    process = StdioServerParameters(
        command=str(server.get("command", "")),
        args=[str(one) for one in server.get("args", ())],
        env=variables(host, server),
        cwd=Path.home(),
    )
    with anyio.fail_after(_PATIENCE):
        async with Client(stdio_client(process, errlog=log)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            asked = next((name for name in _ASKED if name in tools), None)
            if asked is None:
                return f"{len(tools)} tools"
            result = await client.call_tool(asked, {})
            if result.is_error:
                raise _ServerRejected(_text(result))
            content: Mapping[str, Any] = result.structured_content or {}
            return f"{len(tools)} tools; {asked} says: {clean(str(content.get('summary') or _text(result)), 200)}"


class _ServerRejected(Exception):
    """The tool's own words."""


def _text(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def _words(failed: BaseException) -> str:
    """What a failure says, also one inside a group."""
    if isinstance(failed, BaseExceptionGroup):
        return _words(cast("BaseExceptionGroup[BaseException]", failed).exceptions[0])
    if isinstance(failed, TimeoutError):
        return f"no answer within {_PATIENCE} s"
    return failed.error.message if isinstance(failed, MCPError) else str(failed) or type(failed).__name__
