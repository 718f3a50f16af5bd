"""Claude Code with a scripted model: which tools its search finds, and a job from a read to an approved end.

Run it by hand: `python bench/claude_code.py`. It needs what `bench/hosts.py` fetches from npm (`--claude PROGRAM` names
another), and uses no account and no network. The exit code is 1 if a request does not find its tool or a step fails.
"""

# pyright: basic

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripted_model import Block, Turn, scripted_model, text, tool_results, tool_use

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.everyday_requests import EVERYDAY_REQUESTS  # noqa: E402
from support.terminal import ENTER, at_terminal  # noqa: E402

CLAUDE = ROOT / ".venv" / "hosts" / "node_modules" / ".bin" / "claude"
PROGRAM = str(Path(sys.executable).with_name("telnyx-conferencing"))
SERVER = "telnyx"
FIRST_RESULTS = 5
CONNECTING_S = 8
"""The host starts its servers in the background, and searches among the tools of those that have answered."""
PREFIX = f"mcp__{SERVER}__"


@contextmanager
def installed(host: str, **variables: str) -> Generator[tuple[dict[str, str], str]]:
    """An environment with an empty home directory that `install HOST` has configured, and the server's database."""
    with TemporaryDirectory(prefix=f"{host}-") as home:
        database = f"sqlite:///{home}/events.db"
        env = {"PATH": os.environ["PATH"], "HOME": home, **variables}
        install = [PROGRAM, "install", host, "--sandbox", "--database", database]
        subprocess.run(install, env=env, check=True, capture_output=True)
        yield env, database


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


Arguments = Callable[["Job"], Mapping[str, Any]]


@dataclass
class Job:
    """A model that reads, writes, and ends a conference with a person's yes."""

    database: str
    expected: Sequence[str] = ()
    """Words of each result, for as many steps as the host can do; none: those of all steps."""
    answers: list[str] = field(default_factory=list[str])
    """The text of each result, in order."""

    def turn(self, request: Mapping[str, Any]) -> Sequence[Block]:
        results = tool_results(request)
        if not results:
            time.sleep(CONNECTING_S)
        while f"step{len(self.answers)}" in results:
            said = results[f"step{len(self.answers)}"]
            self.answers.append(said if isinstance(said, str) else " ".join(block.get("text", "") for block in said))
        step = self.next()
        return [text("Done.")] if step is None else [tool_use(f"step{len(self.answers)}", *step)]

    def next(self) -> tuple[str, Mapping[str, Any]] | None:
        """The next call; None when the job is done."""
        if len(self.answers) == len(self.expected or EXPECTED):
            return None
        name, arguments = STEPS[len(self.answers)]
        return name, arguments(self)

    def report(self) -> bool:
        """Print what each step gave; whether all are as expected."""
        well = True
        for number, ((name, _), words) in enumerate(zip(STEPS, self.expected or EXPECTED, strict=False)):
            answer = self.answers[number] if number < len(self.answers) else "not reached"
            well &= words in answer
            print(f"{'good ' if words in answer else 'WRONG'} {name.removeprefix(PREFIX)}: {answer[:110]}")
        return well

    def approved(self) -> Mapping[str, Any]:
        """The arguments of the repeated call, once a person has said yes at a terminal."""
        code = re.findall(r"waits as (\S+)", self.answers[-1])[0]
        with at_terminal("approvals", "--database", self.database, "approve", code) as terminal:
            terminal.until("[y/N]")
            terminal.type(f"y{ENTER}")
            terminal.ended()
        return self.conference()

    def conference(self) -> Mapping[str, Any]:
        return {"conference_id": json.loads(self.answers[2])["conference"]["id"]}

    def first_caller(self) -> str:
        return json.loads(self.answers[0])["calls"][0]["call_control_id"]


STEPS: Sequence[tuple[str, Arguments]] = (
    (f"{PREFIX}list_queue_calls", lambda _: {"queue_name": "support"}),
    (f"{PREFIX}create_queue", lambda _: {"queue_name": "night"}),
    (f"{PREFIX}create_conference", lambda job: {"call_control_id": job.first_caller(), "name": "Delivery"}),
    (f"{PREFIX}end_conference", Job.conference),
    (f"{PREFIX}end_conference", Job.approved),
    ("ReadMcpResourceTool", lambda _: {"server": SERVER, "uri": "telnyx://queues"}),
)
ENDED = "Telnyx accepted: end conference"
EXPECTED = ("call_control_id", "night", "Delivery", "waits as", ENDED, "support")
"""Words of each result."""
WITHOUT_RESOURCES = EXPECTED[:-1]


PROMPT = f"/{PREFIX}work_the_queue support"


@dataclass
class Prompt:
    """A model that only notes whether the host has put the text of the prompt in place of its name."""

    expanded: bool = False

    def turn(self, request: Mapping[str, Any]) -> Sequence[Block]:
        self.expanded |= "enqueue_call" in json.dumps(request["messages"])
        return [text("Done.")]


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
        command = [claude, "--mcp-config", str(config), "--strict-mcp-config", *arguments]
        ended = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False, timeout=180)
    return ended.stdout + ended.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--claude", default=str(CLAUDE), help="The program of Claude Code.")
    claude = parser.parse_args().claude
    version = subprocess.run([claude, "--version"], check=True, capture_output=True, text=True).stdout.strip()
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
    print(f"{'good ' if prompt.expanded else 'WRONG'} {PROMPT}")
    return int(bool(missed) or not well or not prompt.expanded)


if __name__ == "__main__":
    sys.exit(main())
