"""MCP tool definitions, as `tools/list` returns them."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import mcp_types

from ...tools.base import Risk, Tool
from ...tools.schema import input_schema, output_schema
from ..guard import Policy
from ..json_text import compact_json
from .board_tools import meta_of

_SEARCH_HINT, _ALWAYS_LOAD = "anthropic/searchHint", "anthropic/alwaysLoad"


class Catalog:
    """The tools of one server."""

    def __init__(self, tools: Iterable[type[Tool]]) -> None:
        self._tools = {tool.tool_name(): tool for tool in tools}

    def get(self, name: str) -> type[Tool] | None:
        return self._tools.get(name)

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """The schema of a tool's arguments; None for an unknown tool."""
        tool = self.get(name)
        return None if tool is None else definition(tool).input_schema

    def nearest(self, name: str) -> list[str]:
        """Names of tools that are spelled like this one."""
        return difflib.get_close_matches(name, self._tools, n=3, cutoff=0.5)

    def allows(self, name: str, policy: Policy) -> bool:
        """Whether a tool of this name is offered under a policy."""
        tool = self.get(name)
        return tool is not None and policy.refusal(tool) is None

    def listing(
        self, allowed: Callable[[Iterable[type[Tool]]], Iterable[type[Tool]]], *, cards: bool = False
    ) -> list[mcp_types.Tool]:
        """The definitions of the allowed tools. `cards`: the host shows approval cards, so their tools are included."""
        return [definition(tool) for tool in allowed(self._tools.values()) if cards or not tool.needs_cards]


@cache
def definition(tool: type[Tool]) -> mcp_types.Tool:
    """The definition of a tool."""
    return mcp_types.Tool(
        name=tool.tool_name(),
        title=tool.title(),
        description=tool.__doc__,
        input_schema=input_schema(tool),
        output_schema=output_schema(tool.result),
        annotations=_annotations(tool),
        _meta=_meta(tool),
    )


def _meta(tool: type[Tool]) -> dict[str, Any] | None:
    """What some hosts use: the page for a result, words for a search among tools, whether to load it unsearched."""
    hint = {_SEARCH_HINT: tool.search_hint} if tool.search_hint else {}
    always = {_ALWAYS_LOAD: True} if tool.starts_jobs else {}
    return (meta_of(tool) or {}) | hint | always or None


def _annotations(tool: type[Tool]) -> mcp_types.ToolAnnotations | None:
    """Hints that differ from MCP's defaults; the others mean nothing for a tool that only reads."""
    worst = tool.worst_risk()
    if worst is Risk.READ:
        return mcp_types.ToolAnnotations(read_only_hint=True)
    destructive = None if worst is Risk.DESTRUCTIVE else False
    idempotent = True if tool.is_idempotent() else None
    if destructive is None and idempotent is None:
        return None
    return mcp_types.ToolAnnotations(destructive_hint=destructive, idempotent_hint=idempotent)


def total_bytes(tool: type[Tool]) -> int:
    """Bytes of a tool's whole definition as compact JSON."""
    return len(compact_json(definition(tool).model_dump(mode="json", by_alias=True, exclude_none=True)).encode())


def model_bytes(tool: type[Tool]) -> int:
    """Bytes that a tool costs the model: its name, description and input schema as compact JSON."""
    definition = {
        "name": tool.tool_name(),
        "description": tool.__doc__,
        "inputSchema": input_schema(tool),
    }
    return len(compact_json(definition).encode())
