"""Command -> MCP tool: what a client is told."""

import difflib
import json
from collections.abc import Iterable
from functools import cached_property

from mcp_types import Tool, ToolAnnotations

from ..tools.base import Command, Risk
from ..tools.schema import input_schema, output_schema


class Catalog:
    """The tools of one server."""

    def __init__(self, commands: Iterable[type[Command]]) -> None:
        self._commands = {command.tool_name(): command for command in commands}

    def get(self, name: str) -> type[Command] | None:
        return self._commands.get(name)

    def nearest(self, name: str) -> list[str]:
        """Tools whose names are like this one."""
        return difflib.get_close_matches(name, self._commands, n=3, cutoff=0.5)

    @cached_property
    def listing(self) -> list[Tool]:
        """What `tools/list` answers, built when first asked for."""
        return [tool(command) for command in self._commands.values()]


def tool(command: type[Command]) -> Tool:
    """What a client is told about a tool."""
    worst = command.worst_risk()
    return Tool(
        name=command.tool_name(),
        title=command.title(),
        description=command.__doc__,
        input_schema=input_schema(command),
        output_schema=output_schema(command.result),
        annotations=ToolAnnotations(
            title=command.title(),
            read_only_hint=worst is Risk.READ,
            destructive_hint=worst is Risk.DESTRUCTIVE,
            idempotent_hint=command.is_idempotent(),
            open_world_hint=True,
        ),
    )


def model_bytes(command: type[Command]) -> int:
    """What a model reads of a tool: bytes of its name, description and input schema as compact JSON."""
    read = {
        "name": command.tool_name(),
        "description": command.__doc__,
        "inputSchema": input_schema(command),
    }
    return len(json.dumps(read, separators=(",", ":"), ensure_ascii=False).encode())
