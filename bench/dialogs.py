"""What a person sees and presses in a host at a terminal: a read, a write, questions, a resource and a prompt.

Run it by hand: `python bench/dialogs.py claude` (or codex, gemini). It needs tmux and what `bench/hosts.py` fetches
from npm (`--program PROGRAM` names another), and uses no account and no network: the model follows a script. It prints
the screen at each step. The exit code is 1 if a step does not end as it must.
"""

# pyright: basic
import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import codex_cli
import gemini_cli
from host_job import HOST_PROGRAMS, PREFIX, PROGRAM, SERVER, Job
from scripted_model import Block, scripted_model, served, text

SIZE = ("100", "44")
STARTING_S, STEP_S, KEY_S = 20, 60, 0.8
LONG_TEXT = "\n".join(f"{number}. This is line {number} of a long announcement." for number in range(1, 31))


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], directory: Path) -> None:
        columns, rows = SIZE
        environment = ["env", "-i", *(f"{name}={value}" for name, value in env.items())]
        place = ("-x", columns, "-y", rows, "-c", str(directory))
        self._tmux("new-session", "-d", *place, *environment, *command)

    def screen(self) -> str:
        lines = [line.rstrip() for line in self._tmux("capture-pane", "-p").splitlines()]
        return "\n".join(line for line in lines if line)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(KEY_S)

    def type(self, words: str) -> None:
        self._tmux("send-keys", "-l", words)
        time.sleep(2 * KEY_S)

    def close(self) -> None:
        leader = int(self._tmux("display-message", "-p", "#{pane_pid}"))
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)  # a host may outlive its terminal
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", f"dialogs-{os.getpid()}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@dataclass
class Talk(Job):
    """A model that calls the tool of a step when the person writes its name, and nothing otherwise."""

    next_call: str | None = None
    heard: str = ""
    """The last request of the host for an answer."""

    def turn(self, request: Mapping[str, object]) -> Sequence[Block]:
        if not request.get("tools"):
            return [text("ok")]  # such as a title for the conversation
        self.heard = json.dumps(request["messages"])
        return super().turn(request)

    def next(self):
        next_call, self.next_call = self.next_call, None
        return CALLS[next_call](self) if next_call else None

    def conference(self):
        return {"conference_id": self._last("conference")["id"]}

    def first_caller(self) -> str:
        return self._last("calls")[0]["call_control_id"]

    def _last(self, name: str):
        answers = [json.loads(answer[answer.index("{") :]) for answer in self.answers if "{" in answer]
        return next(answer[name] for answer in reversed(answers) if name in answer)


CALLS = {
    "read": lambda _: (f"{PREFIX}list_queue_calls", {"queue_name": "support"}),
    "write": lambda _: (f"{PREFIX}create_queue", {"queue_name": "night"}),
    "open": lambda talk: (
        f"{PREFIX}create_conference",
        {"call_control_id": talk.first_caller(), "name": "Delivery"},
    ),
    "say": lambda talk: (
        f"{PREFIX}speak_text",
        talk.conference() | {"call_control_ids": "everyone", "payload": LONG_TEXT, "voice": "female"},
    ),
    "end": lambda talk: (f"{PREFIX}end_conference", talk.conference()),
}
ACCEPTED, REJECTED, PENDING = "Telnyx accepted", "said no", "waits as"


@dataclass(frozen=True)
class Host:
    """How a host is started, and what a person presses in it."""

    program: Path
    start: Callable[[str, Path, Path, Talk], tuple[AbstractContextManager[str], Callable[[str], Terminal]]]
    """The scripted model, and the terminal for the model's URL; given the program, the home, a folder and the talk."""
    permission: str
    """Words of the host's own question before a tool runs."""
    permits: tuple[str, ...]
    mention: str | None = None
    """A message with a resource; None: the host has none."""
    prompts: tuple[str, ...] = ()
    """Messages until a prompt is used; empty: the host has none."""
    question: str | None = None
    """Words below the server's question; None: the host asks none."""
    approves: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()
    declines: tuple[str, ...] = ()
    """The host's own no, beside the form; empty: it has none."""


def _claude(program: str, home: Path, work: Path, talk: Talk):
    known = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    approved = {"approved": ["scripted"], "rejected": []}
    state = {"hasCompletedOnboarding": True, "customApiKeyResponses": approved, "projects": {str(work): known}}
    (home / ".claude.json").write_text(json.dumps(state))
    server = {"command": PROGRAM, "args": ["serve", *_options(talk)]}
    config = json.dumps({"mcpServers": {SERVER: server}})
    # In the auto mode, a check on Anthropic's servers decides what a person is asked.
    command = [program, "--mcp-config", config, "--strict-mcp-config", "--permission-mode", "manual"]

    def at(url: str) -> Terminal:
        model = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "scripted"}
        quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false"}
        return Terminal(command, _environment(home) | model | quiet, work)

    return scripted_model(talk.turn), at


def _codex(program: str, home: Path, work: Path, talk: Talk):
    env = _environment(home) | {"SCRIPTED_KEY": "scripted"}
    _install("codex", env, talk)
    script = codex_cli.Script(talk)

    def at(url: str) -> Terminal:
        file = home / ".codex" / "config.toml"
        trusted = f'\n[projects."{work}"]\ntrust_level = "trusted"\n'
        file.write_text(codex_cli.PROVIDER.format(url=url) + file.read_text() + trusted)
        return Terminal([program, "--no-alt-screen", "--no-daemon"], env, work)

    return served(_hearing(talk, script.answer)), at


def _gemini(program: str, home: Path, work: Path, talk: Talk):
    env = _environment(home) | {"GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_API_KEY": "scripted"}
    _install("gemini", env, talk)
    file = home / ".gemini" / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | gemini_cli.OWN_SETTINGS))
    script = gemini_cli.Script(talk)

    def at(url: str) -> Terminal:
        return Terminal([program, "-m", "gemini-2.5-flash"], env | {"GOOGLE_GEMINI_BASE_URL": url}, work)

    return served(_hearing(talk, script.answer)), at


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def _options(talk: Talk) -> list[str]:
    return ["--sandbox", "--database", talk.database, "--approval", "disruptive"]


def _install(host: str, env: Mapping[str, str], talk: Talk) -> None:
    subprocess.run([PROGRAM, "install", host, *_options(talk)], env=dict(env), check=True, capture_output=True)


def _hearing(talk: Talk, answer: Callable) -> Callable[[str, Mapping[str, object]], tuple[str, str]]:
    def heard(path: str, request: Mapping[str, object]) -> tuple[str, str]:
        if request.get("tools"):
            talk.heard = json.dumps(request.get("contents") or request.get("input"))
        return answer(path, request)

    return heard


HOSTS = {
    "claude": Host(
        HOST_PROGRAMS / "claude",
        _claude,
        permission="Do you want to proceed?",
        permits=("Enter",),
        mention=f"@{SERVER}:telnyx://queues",
        prompts=(f"/mcp__{SERVER}__work_the_queue support",),
        question="requests your input",
        approves=("Right", "Down", "Enter", "Enter"),
        rejects=("Right", "Enter", "Enter"),
        declines=("Down", "Right", "Enter"),
    ),
    "codex": Host(
        HOST_PROGRAMS / "codex",
        _codex,
        permission="to run tool",
        permits=("Enter",),
        question="required unanswered",
        approves=("Down", "Enter"),
        rejects=("Enter",),
    ),
    "gemini": Host(
        HOST_PROGRAMS / "gemini",
        _gemini,
        permission="Allow execution of MCP tool",
        permits=("Enter",),
        mention="@telnyx-conferencing:telnyx://queues",
        prompts=(
            "/commands reload",
            "/work_the_queue support",
        ),  # the prompts arrive after the host has read its commands
    ),
}


class Session:
    """A person at the terminal of a host."""

    def __init__(self, host: Host, terminal: Terminal, talk: Talk) -> None:
        self._host, self._terminal, self._talk = host, terminal, talk
        self.failed = 0

    def step(self, name: str, expected: str, *keys: str) -> None:
        """Have the model make a call, allow it to the host, answer the server's question with these keys."""
        print(f"\n######## {name}, {' '.join(keys) or 'no question'}")
        answers, self._talk.next_call = len(self._talk.answers), name
        self._terminal.type(name)
        self._terminal.press("Enter")
        until = time.monotonic() + STEP_S
        while len(self._talk.answers) == answers and time.monotonic() < until:
            screen = self._terminal.screen()
            if self._host.permission in screen:
                self._show(screen)
                self._terminal.press(*self._host.permits)
            elif self._host.question and self._host.question in screen:
                self._show(screen)
                self._terminal.press(*keys)
            time.sleep(KEY_S)
        time.sleep(3 * KEY_S)
        self._show(self._terminal.screen())
        self._judge(name, expected, self._talk.answers[-1] if len(self._talk.answers) > answers else "no answer")

    def message(self, name: str, expected: str, *messages: str) -> None:
        """Write messages; whether the host sends its model what they stand for."""
        print(f"\n######## {name}: {', '.join(messages)}")
        before = self._talk.heard
        for message in messages:
            self._terminal.type(message)
            self._show(self._terminal.screen())
            self._terminal.press("Enter")
            time.sleep(KEY_S)
            time.sleep(5)
            self._show(self._terminal.screen())
        is_new = self._talk.heard.count(expected) > before.count(expected)
        self._judge(name, expected, expected if is_new else "")

    def _show(self, screen: str) -> None:
        print("\n".join(f"    | {line}" for line in screen.splitlines()[-32:]), flush=True)

    def _judge(self, name: str, expected: str, answer: str) -> None:
        self.failed += expected not in answer
        print(f"{'good ' if expected in answer else 'WRONG'} {name}: {answer[:110]}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("host", choices=HOSTS)
    parser.add_argument("--program", help="The program of the host.")
    arguments = parser.parse_args()
    host = HOSTS[arguments.host]
    with TemporaryDirectory(prefix="dialogs-", ignore_cleanup_errors=True) as directory:
        home, work = Path(directory), Path(directory) / "work"
        work.mkdir()
        talk = Talk(f"sqlite:///{home}/events.db")
        model, at = host.start(arguments.program or str(host.program), home, work, talk)
        with model as url:
            terminal = at(url)
            try:
                time.sleep(STARTING_S)
                terminal.type("hello")  # Codex starts its servers with the conversation
                terminal.press("Enter")
                time.sleep(STARTING_S)
                return _walk(host, Session(host, terminal, talk))
            finally:
                terminal.close()


def _walk(host: Host, session: Session) -> int:
    session.step("read", "call_control_id")
    session.step("write", "night")
    session.step("open", "Delivery")
    if host.question:
        session.step("say", ACCEPTED, *host.approves)
        session.step("end", REJECTED, *host.rejects)
        if host.declines:
            session.step("end", REJECTED, *host.declines)
        session.step("end", PENDING, "Escape")
        session.step("end", ACCEPTED, *host.approves)
    else:
        session.step("end", PENDING)
    if host.mention:
        session.message("a resource", "support", host.mention)
    if host.prompts:
        session.message("a prompt", "enqueue_call", *host.prompts)
    return int(session.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
