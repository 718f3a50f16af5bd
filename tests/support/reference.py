"""The reference tables of the documents, made from the code."""

from telnyx_conferencing.server.inventory import risk_words
from telnyx_conferencing.tools import TOOLS, TOOLSETS
from telnyx_conferencing.tools.base import ByArgument, Command, Tool

_RISKS = """\
Made from the code by `UPDATE_SNAPSHOTS=1 make test`. What the risks mean: a *read* changes nothing; *routine* is the
everyday work of a call; people notice what is *disruptive*, and another tool undoes it; what is *destructive* cannot
be undone. What a repeat of the request does at Telnyx: *idempotent*, the same as once; *deduped*, nothing, since it
carries a `command_id`; *once*, it happens again, so that it is never repeated once it was sent."""


def tools() -> str:
    """docs/tools.md."""
    parts = ["# Tools", _RISKS]
    for toolset in TOOLSETS:
        commands = [command for command in TOOLS if command.toolset() == toolset]
        parts += [f"## {toolset}", "\n".join([*_HEAD, *map(_row, commands)])]
    return "\n\n".join(parts) + "\n"


_HEAD = (
    "| tool | what it does | endpoint | risk | repeat | events that follow |",
    "|---|---|---|---|---|---|",
)


def _row(tool: type[Tool]) -> str:
    name, said = f"`{tool.tool_name()}`", tool.__doc__ or ""
    return f"| {' | '.join((name, said, _endpoint(tool), risk_words(tool), tool.retry, _events(tool)))} |"


def _endpoint(tool: type[Tool]) -> str:
    return f"`{tool.route.method} {tool.route.path}`" if issubclass(tool, Command) else "this server"


def _events(tool: type[Tool]) -> str:
    announces = tool.announces if issubclass(tool, Command) else ()
    sets = list(announces.every()) if isinstance(announces, ByArgument) else [announces]
    return " or ".join(", ".join(f"`{event}`" for event in one) for one in sets if one)
