"""A newcomer's path in an empty home directory: each step, its output, and how long it takes.

Install into a host, check the setup, start the server as the host does, hold the first conference, look at it from
another terminal, and remove everything. Every step is checked; the exit code is 1 if one fails.

Without arguments it uses the program beside this Python. With paths of Python interpreters it first creates a virtual
environment with each and installs the package there: `newcomer.py python3.11 /usr/bin/python3`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

NAME, HOST = "telnyx-conferencing", "claude-code"
ROOT = Path(__file__).parents[1]


class StepFailed(Exception):
    """A step did not do what it should; the message says what."""


@contextmanager
def step(title: str) -> Generator[None]:
    """Print a title, and how long the step took."""
    print(f"\n== {title}", flush=True)
    begun = time.monotonic()
    yield
    print(f"   -- {time.monotonic() - begun:.1f} s", flush=True)


def indent(text: str) -> None:
    for line in text.strip().splitlines():
        print(f"   {line}")


@dataclass
class Newcomer:
    """A person with an empty home directory and an installed program."""

    home: Path
    command: Path

    @property
    def environment(self) -> dict[str, str]:
        """A newcomer's environment: no settings, no keyring."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TELNYX", "XDG", "CLAUDE"))}
        return {**kept, "HOME": str(self.home), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}

    def run(self, *arguments: str, code: int = 0, expect: str = "") -> None:
        """Run a command, print it, and check its exit code and a part of its output."""
        print(f"   $ {NAME} {' '.join(arguments)}")
        ended = subprocess.run(
            [self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = ended.stdout + ended.stderr
        indent(output)
        if ended.returncode != code:
            raise StepFailed(f"exit code {ended.returncode}, not {code}")
        if expect not in output or "Traceback" in output:
            raise StepFailed(f"unexpected output, without {expect!r}")


async def hold_first_conference(person: Newcomer) -> None:
    """What an agent does first, through the server as the host starts it, and what a person sees of it."""
    entry: dict[str, Any] = json.loads((person.home / ".claude.json").read_text())["mcpServers"][NAME]
    process = StdioServerParameters(
        command=entry["command"], args=entry["args"], env=person.environment, cwd=person.home
    )
    begun = time.monotonic()
    async with Client(stdio_client(process)) as client:
        tools = (await client.list_tools()).tools
        print(f"\n== The host starts it\n   {len(tools)} tools\n   -- {time.monotonic() - begun:.1f} s")
        with step("First conference"):
            waiting = await call_tool(client, "list_queue_calls", queue_name="support")
            indent(waiting["summary"])
            caller = waiting["calls"][0]["call_control_id"]
            opened = await call_tool(client, "create_conference", call_control_id=caller, name="Hello")
            indent(opened["summary"])
        conference_id = opened["conference"]["id"]
        with step("First event"):
            arguments = {"types": opened["expect_events"], "conference_id": conference_id}
            event = await call_tool(client, "wait_for_event", **arguments, timeout_secs=10)
            indent(event["summary"])
        with step("The board"):
            board = await call_tool(client, "show_switchboard")
            indent(f"{board['summary']}\n\n{board['table']}")
        with step("The same conference from another terminal"):
            person.run("conferences", expect="'Hello'")
            person.run("audit", "--last", "1", expect="show_switchboard")
        with step("A request for a person"):
            refused = await client.call_tool("end_conference", {"conference_id": conference_id})
            if not refused.is_error:
                raise StepFailed("no person was asked")
            person.run("approvals", expect="end_conference")


async def call_tool(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The result of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or not result.structured_content:
        raise StepFailed(f"{tool}: {result.content}")
    return result.structured_content


def walk(command: Path) -> None:
    """The whole path with this program."""
    with TemporaryDirectory(prefix="newcomer-") as folder:
        person = Newcomer(Path(folder), command)
        with step("Install"):
            person.run("install", HOST, "--sandbox", expect="Added to Claude Code")
        with step("Check the setup"):
            person.run("doctor", expect="not needed on the sandbox")
            person.run("doctor", "--as-host", HOST, expect="started as Claude Code does")
        anyio.run(hold_first_conference, person)
        with step("Install with a key that is not there"):
            person.run("install", "codex", code=1, expect="TELNYX_API_KEY is not set")
        with step("Uninstall"):
            person.run("uninstall", HOST, expect="Removed from Claude Code")
        if NAME in (person.home / ".claude.json").read_text():
            raise StepFailed("the entry is still there")


def install(python: str, folder: Path) -> Path:
    """Create a virtual environment with this Python, install the package, and return the program."""
    with step(f"Install the package with {python}"):
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, ROOT], check=True, stderr=subprocess.DEVNULL)
    return folder / "bin" / NAME


def main() -> None:
    begun = time.monotonic()
    if len(sys.argv) == 1:
        walk(Path(sys.executable).with_name(NAME))
    for python in sys.argv[1:]:
        with TemporaryDirectory(prefix="newcomer-venv-") as folder:
            walk(install(python, Path(folder)))
    print(f"\nAll of it: {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    try:
        main()
    except* StepFailed as failures:
        sys.exit(f"\nFAILED: {failures.exceptions}")
