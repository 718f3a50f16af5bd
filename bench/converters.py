"""How many of the server's tools the converters of well-known agent frameworks load, and what they lose.

Run it by hand: `python bench/converters.py`. It installs the newest versions of the packages in virtual environments
that it removes afterwards (`--environments` keeps them), and prints a Markdown table with a row a converter: the
versions, the tools it loads, the enumerations that it keeps, the alternatives (`anyOf`) that it loses, the first error.

`--list PROGRAM` prints the tools of a server program of any version instead, as JSON. `--before FILE` measures such a
list beside the tools of this version.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

PACKAGES = {
    "google-genai": "google-genai mcp<2",
    "litellm": "litellm",
    "smolagents": "smolagents mcpadapt mcp<2",
    "langchain-google-genai": "langchain-google-genai langchain-mcp-adapters",
    "llama-index": "llama-index-core llama-index-tools-mcp",
    "openai-agents": "openai-agents",
    "pydantic-ai": "pydantic-ai-slim[mcp,openai]",
}
"""Each converter by its row, and what pip installs for it."""

PROBE = Path(__file__).with_name("converter_probe.py")
PROGRAM = Path(sys.executable).with_name("telnyx-conferencing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--list", metavar="PROGRAM", help="Print the tools of this server program, and end.")
    parser.add_argument("--before", type=Path, metavar="FILE", help="Also measure the tools that --list printed.")
    parser.add_argument("--only", choices=PACKAGES, action="append", help="Only this converter; can be repeated.")
    parser.add_argument("--environments", type=Path, help="Keep the virtual environments here, and use them again.")
    arguments = parser.parse_args()
    if arguments.list:
        print(json.dumps(asyncio.run(listed(arguments.list))))
        return 0
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="converters-")))
        now = scratch / "now.json"
        now.write_text(json.dumps(asyncio.run(listed(str(PROGRAM)))))
        lists = [arguments.before.resolve(), now] if arguments.before else [now]
        return measure(arguments.only or list(PACKAGES), arguments.environments or scratch, lists)


async def listed(program: str) -> list[dict[str, Any]]:
    """What a server program lists, as an MCP client sees it."""
    server = StdioServerParameters(command=program, args=["serve", "--sandbox"])
    async with Client(stdio_client(server)) as client:
        tools = (await client.list_tools()).tools
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


def measure(names: Sequence[str], environments: Path, lists: Sequence[Path]) -> int:
    """Print the table; 1 if a converter cannot be installed, or does not load every tool of the last list."""
    columns = " / ".join(["before", "now"][-len(lists) :])
    print(f"{datetime.datetime.now(tz=datetime.UTC):%d %B %Y}, {columns}\n")
    print("| converter | tools loaded | enumerations kept | alternatives lost | first error |\n|---|---|---|---|---|")
    worst = 0
    for name in names:
        try:
            python = environment(environments / name, PACKAGES[name].split())
        except subprocess.CalledProcessError:
            print(f"| {name} | could not be installed | | | |")
            worst = 1
            continue
        runs = [subprocess.run([python, PROBE, name, file], check=False, capture_output=True) for file in lists]
        if any(run.returncode for run in runs):
            print(f"| {name} | {runs[-1].stderr.decode().strip().splitlines()[-1]} | | | |")
            worst = 1
            continue
        results = [json.loads(run.stdout.splitlines()[-1]) for run in runs]
        cells = [" / ".join(str(result[key]) for result in results) for key in ("loaded", "enums", "lost", "error")]
        print(f"| {name} ({results[-1]['versions']}) | {' | '.join(cells).replace(' /  |', ' |')} |", flush=True)
        worst |= bool(results[-1]["error"])
    return worst


def environment(directory: Path, packages: list[str]) -> str:
    """The Python of a virtual environment with the newest versions of these packages."""
    python = str(directory / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(install, check=True, stdout=sys.stderr)
    return python


if __name__ == "__main__":
    sys.exit(main())
