"""A newcomer's path in an empty home directory: each step, what it says, and how long it takes.

Install on the sandbox, look whether all is well, start the server as the host does, open the first conference, see its
first event and the board, and take everything out again. Every step is checked; the exit code is 1 if one fails.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

COMMAND = str(Path(sys.executable).with_name("telnyx-conferencing"))
NAME, HOST = "telnyx-conferencing", "claude-code"


@contextmanager
def step(title: str) -> Generator[None]:
    """Time what is done inside."""
    print(f"\n== {title}")
    begun = time.monotonic()
    yield
    print(f"   -- {time.monotonic() - begun:.1f} s")


def say(text: str) -> None:
    for line in text.strip().splitlines():
        print(f"   {line}")


def environment(home: str) -> dict[str, str]:
    """What a newcomer's shell has: nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TELNYX", "XDG", "CLAUDE"))}
    return {**kept, "HOME": home, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


def does(home: str, *arguments: str) -> None:
    """Run a command that must succeed, and show it."""
    print(f"   $ {NAME} {' '.join(arguments)}")
    ended = subprocess.run([COMMAND, *arguments], env=environment(home), capture_output=True, text=True, check=False)
    say(ended.stdout + ended.stderr)
    if ended.returncode:
        sys.exit(f"exit code {ended.returncode}")


async def first_conference(home: str) -> None:
    """What an agent does first, through the server as the host starts it."""
    entry: dict[str, Any] = json.loads((Path(home) / ".claude.json").read_text())["mcpServers"][NAME]
    process = StdioServerParameters(command=entry["command"], args=entry["args"], env=environment(home), cwd=home)
    begun = time.monotonic()
    async with Client(stdio_client(process)) as client:
        tools = (await client.list_tools()).tools
        print(f"\n== The host starts it\n   {len(tools)} tools\n   -- {time.monotonic() - begun:.1f} s")
        with step("First conference"):
            waiting = await called(client, "list_queue_calls", queue_name="support")
            say(waiting["summary"])
            caller = waiting["calls"][0]["call_control_id"]
            opened = await called(client, "create_conference", call_control_id=caller, name="Hello")
            say(opened["summary"])
        with step("First event"):
            wanted = {"types": opened["expect_events"], "conference_id": opened["conference"]["id"]}
            seen = await called(client, "wait_for_event", **wanted, timeout_secs=10)
            say(seen["summary"])
        with step("The board"):
            board = await called(client, "show_switchboard")
            say(f"{board['summary']}\n\n{board['table']}")


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The result of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or not result.structured_content:
        sys.exit(f"{tool}: {result.content}")
    return result.structured_content


def main() -> None:
    begun = time.monotonic()
    with TemporaryDirectory(prefix="newcomer-") as home:
        with step("Install"):
            does(home, "install", HOST, "--sandbox")
        with step("Is everything well?"):
            does(home, "doctor", "--as-host", HOST)
        anyio.run(first_conference, home)
        with step("Uninstall"):
            does(home, "uninstall", HOST)
        left = json.loads((Path(home) / ".claude.json").read_text())
        if NAME in json.dumps(left):
            sys.exit("it is still there")
    print(f"\nAll of it: {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
