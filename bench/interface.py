"""Prints the public interface as JSON, or compares it with an earlier one: `interface.py COMMAND [EARLIER.json]`.

COMMAND is an installed `telnyx-conferencing`. The interface is its commands and options, its settings (environment
variables), and over MCP its tools with their arguments, its resources and its prompts. The exit code is 1 if something
of the earlier interface is missing.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

_COMMANDS = re.compile(r"^Commands:\n((?:  .*\n?)+)", re.MULTILINE)


def help_text(command: list[str]) -> str:
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout


def commands_and_options(command: list[str], name: str = "") -> Iterator[str]:
    """Lines such as `command serve` and `option serve --sandbox`, of a command and its subcommands."""
    text = help_text(command)
    for option in re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE):
        yield f"option {name} {option}"
    for variable in re.findall(r"\bTELNYX_[A-Z_]+\b", text):
        yield f"setting {variable}"
    listed = _COMMANDS.search(text)
    for subcommand in re.findall(r"^  ([\w-]+)", listed[1], re.MULTILINE) if listed else ():
        yield f"command {name} {subcommand}"
        yield from commands_and_options([*command, subcommand], f"{name} {subcommand}".strip())


async def over_mcp(command: list[str]) -> list[str]:
    """Lines for tools, arguments, resources and prompts."""
    server = StdioServerParameters(command=command[0], args=[*command[1:], "serve", "--sandbox"])
    async with Client(stdio_client(server)) as client:
        lines: list[str] = []
        for tool in (await client.list_tools()).tools:
            lines += [
                f"tool {tool.name}",
                *(f"argument {tool.name} {name}" for name in tool.input_schema["properties"]),
            ]
        for resource in (await client.list_resources()).resources:
            lines.append(f"resource {resource.uri}")
        for template in (await client.list_resource_templates()).resource_templates:
            lines.append(f"resource {template.uri_template}")
        for prompt in (await client.list_prompts()).prompts:
            lines += [
                f"prompt {prompt.name}",
                *(f"prompt {prompt.name} {argument.name}" for argument in prompt.arguments or ()),
            ]
        return lines


def main() -> int:
    command, earlier = [sys.argv[1]], sys.argv[2:]
    interface = sorted({*commands_and_options(command), *anyio.run(over_mcp, command)})
    if not earlier:
        print(json.dumps(interface, indent=1))
        return 0
    before = set[str](json.loads(Path(earlier[0]).read_text()))
    missing, added = sorted(before - set(interface)), sorted(set(interface) - before)
    print("\n".join([*(f"- {line}" for line in missing), *(f"+ {line}" for line in added)]))
    print(f"{len(before)} before, {len(interface)} now, {len(missing)} missing, {len(added)} added")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
