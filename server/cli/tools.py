"""The tools of a server as a table for people."""

import json
from collections.abc import Iterator, Sequence

from ...tools import TOOLS
from ...tools.base import Risk, Tool
from ...tools.words import count
from ..adapters.guard_factory import source_of
from ..mcp.tool_definitions import model_bytes
from ..settings import Settings

_HEADINGS = ("tool", "toolset", "risk", "retry", "bytes")


def lines_of_json(settings: Settings) -> Iterator[str]:
    """One JSON object a tool, with the headings of the table as keys."""
    for command in source_of(settings).policy.allowed(TOOLS):
        yield json.dumps(dict(zip(_HEADINGS, _row(command), strict=True)) | {"bytes": model_bytes(command)})


def table(settings: Settings) -> Iterator[str]:
    """Lines: a heading, one for each tool, and what each toolset and all together cost a model."""
    commands = source_of(settings).policy.allowed(TOOLS)
    rows = [_HEADINGS, *(_row(command) for command in commands)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        *cells, size = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([*cells, size.strip().rjust(widths[-1])])
    yield ""
    for toolset in dict.fromkeys(command.toolset() for command in commands):
        yield f"{toolset}: {_cost([command for command in commands if command.toolset() == toolset])}"
    yield _cost(commands)


def _cost(commands: Sequence[type[Tool]]) -> str:
    """What a model reads of these on every turn."""
    total = sum(model_bytes(command) for command in commands)
    return f"{count(len(commands), 'tool')}, {total} bytes, {total / max(1, len(commands)):.0f} a tool"


def _row(command: type[Tool]) -> tuple[str, ...]:
    return command.tool_name(), command.toolset(), risk_words(command), command.retry, str(model_bytes(command))


def risk_words(command: type[Tool]) -> str:
    """`routine; disruptive with call_control_ids everyone`."""
    risk = command.risk
    if isinstance(risk, Risk):
        return str(risk)
    values = " or ".join(str(value) for value in risk.values)
    return f"{risk.otherwise}; {command.worst_risk()} with {risk.argument} {values}"
