"""Claude Code with a scripted model: which tools its search finds, and a job from a read to an approved end.

Run it by hand: `python bench/claude_code.py`. It needs what `bench/hosts.py` fetches from npm (`--claude PROGRAM` names
another), and uses no account and no network. The exit code is 1 if a request does not find its tool or a step fails.
"""

# pyright: basic

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from host_job import CONNECTING_S, PREFIX, PROGRAM, SERVER, Job, Prompt, host_program, host_version, run_host
from scripted_model import Block, Turn, scripted_model, text, tool_results, tool_use

from support.everyday_requests import EVERYDAY_REQUESTS

FIRST_RESULTS = 5


@dataclass
class Search:
    """A model that searches for each everyday request at once."""

    found: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def turn(self, request: Mapping[str, Any]) -> Sequence[Block]:
        results = tool_results(request)
        if not results:
            time.sleep(CONNECTING_S)
            queries = ({"query": words, "max_results": FIRST_RESULTS} for words, _ in EVERYDAY_REQUESTS)
            return [tool_use(f"search{number}", "ToolSearch", query) for number, query in enumerate(queries)]
        for number, (words, _) in enumerate(EVERYDAY_REQUESTS):
            blocks = results.get(f"search{number}")
            names = [block.get("tool_name", "") for block in blocks] if isinstance(blocks, list) else []
            self.found[words] = [name.removeprefix(PREFIX) for name in names]
        return [text("Done.")]


PROMPT = f"/{PREFIX}work_the_queue support"


def run(claude: str, home: str, database: str, turn: Turn, *arguments: str, search: bool) -> str:
    """What the host prints."""
    config = Path(home) / "mcp.json"
    server = {"command": PROGRAM, "args": ["serve", "--sandbox", "--database", database]}
    config.write_text(json.dumps({"mcpServers": {SERVER: server}}))
    with scripted_model(turn) as url:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "scripted",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "MCP_CONNECTION_NONBLOCKING": "false",
            "ENABLE_TOOL_SEARCH": str(search).lower(),
        }
        return run_host(env, claude, "--mcp-config", str(config), "--strict-mcp-config", *arguments)


def main() -> int:
    claude = host_program("claude", __doc__)
    version = host_version(claude, os.environ)
    with TemporaryDirectory(prefix="claude-") as home:
        database = f"sqlite:///{home}/events.db"
        search, job = Search(), Job(database)
        run(claude, home, database, search.turn, "-p", "Search.", search=True)
        allowed = ("--allowedTools", f"mcp__{SERVER}", "ReadMcpResourceTool")
        run(claude, home, database, job.turn, "-p", "Do the job.", *allowed, search=False)
        prompt = Prompt()
        run(claude, home, database, prompt.turn, "-p", PROMPT, search=False)
    missed = [words for words, tools in EVERYDAY_REQUESTS if not set(tools) & set(search.found.get(words, ()))]
    found = f"{len(EVERYDAY_REQUESTS) - len(missed)} of {len(EVERYDAY_REQUESTS)}"
    print(f"{version}: the search finds the tool of {found} requests")
    for words in missed:
        print(f"    {words}: {', '.join(search.found.get(words, ['nothing']))}")
    well = job.report()
    return int(not prompt.report(PROMPT) or bool(missed) or not well)


if __name__ == "__main__":
    sys.exit(main())
