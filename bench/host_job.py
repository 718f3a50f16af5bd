"""The job that a scripted model does in each host: a read, writes, and the end of a conference with a person's yes."""

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

from scripted_model import Block, text, tool_results, tool_use

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.terminal import ENTER, at_terminal  # noqa: E402

HOST_PROGRAMS = ROOT / ".venv" / "hosts" / "node_modules" / ".bin"
"""Where `bench/hosts.py` puts the programs of the hosts."""
PROGRAM = str(Path(sys.executable).with_name("telnyx-conferencing"))
SERVER = "telnyx"
PREFIX = f"mcp__{SERVER}__"
HOST_TIMEOUT_S = 180
CONNECTING_S = 8
"""The host starts its servers in the background, and searches among the tools of those that have answered."""


def host_program(name: str, description: str | None) -> str:
    """The program of a host: the one that the command line names, or else the one that `bench/hosts.py` fetched.

    `name`: the name of the program, and of the option.
    """
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument(f"--{name}", default=str(HOST_PROGRAMS / name), help="The program of the host.")
    return getattr(parser.parse_args(), name)


def host_version(program: str, env: Mapping[str, str]) -> str:
    """What the program of a host says of its version."""
    return subprocess.run([program, "--version"], env=env, check=True, capture_output=True, text=True).stdout.strip()


def run_host(env: Mapping[str, str], program: str, *arguments: str) -> str:
    """What a host prints, on both streams. It runs in its home directory and gets no input."""
    ended = subprocess.run(
        [program, *arguments],
        env=env,
        cwd=env["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=HOST_TIMEOUT_S,
    )
    return ended.stdout + ended.stderr


@contextmanager
def installed(host: str, **variables: str) -> Generator[tuple[dict[str, str], str]]:
    """An environment with an empty home directory that `install HOST` has configured, and the server's database."""
    with TemporaryDirectory(prefix=f"{host}-") as home:
        database = f"sqlite:///{home}/events.db"
        env = {"PATH": os.environ["PATH"], "HOME": home, **variables}
        install = [PROGRAM, "install", host, "--sandbox", "--database", database]
        subprocess.run(install, env=env, check=True, capture_output=True)
        yield env, database


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
            result = results[f"step{len(self.answers)}"]
            self.answers.append(
                result if isinstance(result, str) else " ".join(block.get("text", "") for block in result)
            )
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


@dataclass
class Prompt:
    """A model that only notes whether the host has put the text of the prompt in place of its name."""

    expanded: bool = False

    def turn(self, request: Mapping[str, Any]) -> Sequence[Block]:
        self.expanded |= "enqueue_call" in json.dumps(request["messages"])
        return [text("Done.")]

    def report(self, name: str) -> bool:
        """Print whether the host has expanded the prompt, and return it."""
        print(f"{'good ' if self.expanded else 'WRONG'} {name}")
        return self.expanded
