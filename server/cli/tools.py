"""`tools`: the tools that a server with these settings offers, as a table."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ...tools import TOOLS
from ...tools.base import Risk, Tool
from ...tools.text import count
from ..adapters.guard_factory import policy_source
from ..mcp.tool_definitions import model_bytes, total_bytes
from .options import load_settings, settings_options

_HEADINGS = ("tool", "toolset", "risk", "retry", "bytes")


@click.command()
@settings_options("read_only", "toolsets", "allow", "deny", "policy")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def tools(as_json: bool, **options: Any) -> None:
    """List the tools with their risk and size.

    The last column is the number of bytes of each tool's definition that the model reads on every turn.

    \b
    Examples:
      telnyx-conferencing tools
      telnyx-conferencing tools --toolsets queues,events --read-only
    """
    allowed = policy_source(load_settings(options)).policy.allowed(TOOLS)
    for line in (_json_lines if as_json else _table)(allowed):
        click.echo(line)


def _json_lines(tools: Sequence[type[Tool]]) -> Iterator[str]:
    for tool in tools:
        yield json.dumps(dict(zip(_HEADINGS, _row(tool), strict=True)) | {"bytes": model_bytes(tool)})


def _table(tools: Sequence[type[Tool]]) -> Iterator[str]:
    """A heading, a line for each tool, and the size of each toolset and of all tools."""
    rows = [_HEADINGS, *(_row(tool) for tool in tools)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        *cells, size = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([*cells, size.strip().rjust(widths[-1])])
    yield ""
    for toolset in dict.fromkeys(tool.toolset() for tool in tools):
        yield f"{toolset}: {_size([tool for tool in tools if tool.toolset() == toolset])}"
    yield _size(tools)


def _size(tools: Sequence[type[Tool]]) -> str:
    model, total = sum(map(model_bytes, tools)), sum(map(total_bytes, tools))
    number = max(1, len(tools))
    average = f"{model / number:.0f} and {total / number:.0f} per tool"
    return f"{count(len(tools), 'tool')}, {model} bytes for the model, {total} with output schemas and hints; {average}"


def _row(tool: type[Tool]) -> tuple[str, ...]:
    return tool.tool_name(), tool.toolset(), risk_words(tool), tool.retry, str(model_bytes(tool))


def risk_words(tool: type[Tool]) -> str:
    """A tool's risk in words, such as `routine; disruptive with call_control_ids everyone`."""
    risk = tool.risk
    by_effect = f"; {tool.worst_effect} by effect" if tool.worst_effect is not None else ""
    if isinstance(risk, Risk):
        return f"{risk}{by_effect}"
    values = " or ".join(str(value) for value in risk.values)
    return f"{risk.otherwise}; {max(risk.every())} with {risk.argument} {values}{by_effect}"
