"""How commands find the store of the running server."""

import json
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.command_line import run
from support.commands import forked
from support.mcp import connected, text
from support.mcp_stdio import FIRST_WORDS, environment
from support.terminal import at_terminal
from support.webhooks import url_of


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A home directory of its own."""
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "XDG_DATA_HOME": ""}


def records(env: dict[str, str]) -> list[dict[str, Any]]:
    folder = Path(env["HOME"]) / ".local/state/telnyx-conferencing/servers"
    return [json.loads(file.read_text()) for file in folder.glob("*.json")]


@pytest.mark.anyio
async def test_commands_use_the_store_of_the_running_sandbox(env: dict[str, str]) -> None:
    async with connected("--sandbox", env=env):
        [record] = records(env)
        for command in (("approvals",), ("audit",), ("events", "--once"), ("tokens",)):
            ended = run(*command, env=env)
            assert ended.returncode == 0
            assert record["store"] in ended.stderr
        stopped = run("stop", env=env).stderr
        assert ("Several" in stopped, "No server has used" in stopped) == (False, False)
        assert str(record["pid"]) in run("doctor", "--sandbox", env=env).stdout
    assert records(env) == []
    assert "Using" not in run("approvals", env=env).stderr


@pytest.mark.anyio
async def test_with_several_running_servers_a_person_chooses_the_store(env: dict[str, str]) -> None:
    async with connected("--sandbox", env=env), connected("--sandbox", env=env):
        ended = run("approvals", env=env)
        assert ended.returncode == 2
        options = [line.split()[:2] for line in ended.stderr.splitlines() if "--database" in line]
        assert sorted(url for _, url in options) == sorted(record["store"] for record in records(env))
        assert run("approvals", *options[0], env=env).returncode == 0
        with at_terminal("operator", "--no-browser", env=env) as terminal:
            code, output = terminal.ended()
        assert (code, "serves it" in output, "Choose the store" in output) == (2, False, True)


@pytest.mark.anyio
async def test_a_store_with_a_relative_path_is_found_from_any_folder(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with connected("--sandbox", "--database", "sqlite:///events.db", env=env) as client:
        monkeypatch.chdir(tmp_path.parent)
        assert run("stop", env=env).returncode == 0
        assert "stopped" in text(await client.call_tool("create_queue", {"queue_name": "x"}))


@pytest.mark.anyio
async def test_doctor_needs_no_key_while_only_a_sandbox_runs(env: dict[str, str]) -> None:
    assert run("doctor", env=env).returncode == 1
    async with connected("--sandbox", env=env):
        ended = run("doctor", env=env)
    assert (ended.returncode, "those of the running sandbox" in ended.stdout) == (0, True)


@contextmanager
def killed_server(*arguments: str, env: dict[str, str]) -> Generator[None]:
    """A server that has answered its first message, and is killed at the end."""
    with subprocess.Popen(
        forked("serve", *arguments),
        env=environment(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(FIRST_WORDS)
        process.stdin.flush()
        process.stdout.readline()
        yield
        process.kill()


def test_the_record_of_a_server_is_private_and_ignored_once_the_server_was_killed(env: dict[str, str]) -> None:
    with killed_server("--sandbox", env=env):
        [file] = (Path(env["HOME"]) / ".local/state/telnyx-conferencing/servers").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
    assert "No approval request is waiting." in run("approvals", env=env).stdout
    assert not file.exists()


@pytest.mark.anyio
async def test_a_server_starts_without_an_operator_page_if_its_port_is_in_use(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    async with connected("--sandbox", "--operator-page", port, env=env):
        [record] = records(env)
        second = run("serve", "--sandbox", "--operator-page", port, env=env)
    assert second.returncode == 0
    assert f"port {port} is already in use" in second.stderr
    assert f"process {record['pid']} " in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.anyio
async def test_a_server_refers_to_the_page_of_another_server_on_the_same_store(
    env: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    options = ("--sandbox", "--operator-page", str(port), "--database", url_of(tmp_path / "events.db"))
    async with connected(*options, env=env), connected(*options, env=env) as second:
        shown = await second.call_tool("show_switchboard", {})
        assert f"http://127.0.0.1:{port}/operator" in text(shown)
        assert sorted(record["page"] is not None for record in records(env)) == [False, True]


def test_the_record_of_a_server_has_no_password(env: dict[str, str]) -> None:
    with killed_server("--sandbox", "--database", "postgresql://app:canary@127.0.0.1:1/calls", env=env):
        [record] = records(env)
        assert record["store"] == "postgresql://127.0.0.1:1/calls"
        assert "canary" not in json.dumps(record)
        ended = run("approvals", env=env)
    assert (ended.returncode, "TELNYX_CONFERENCING_DATABASE" in ended.stderr) == (2, True)
