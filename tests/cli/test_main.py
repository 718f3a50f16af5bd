"""The command line: its help, its start, its errors and its exit codes."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest

from support.command_line import run
from support.commands import COMMAND
from support.mcp import ERAS, call, connected
from support.telnyx import telnyx
from support.terminal import CTRL_C, at_terminal
from telnyx_conferencing.server.cli.failures import report
from telnyx_conferencing.server.cli.main import COMMANDS, cli
from telnyx_conferencing.server.settings import SettingsError
from telnyx_conferencing.tools import TOOLS, TOOLSETS

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def test_serve_without_a_key_names_both_fixes_and_exits_with_2() -> None:
    ended = run("serve")
    assert ended.returncode == 2
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert "TELNYX_API_KEY" in line
    assert "--sandbox" in line


@pytest.mark.parametrize(
    ("arguments", "env", "output"),
    [
        (["--toolsets", "queues,cats"], {}, "there is no toolset cats. Available: core, default, all, conferences"),
        (["--toolsets", ","], {}, "no toolset is named"),
        (["--approval", "maybe"], {}, "--approval (TELNYX_CONFERENCING_APPROVAL)"),
        ([], {"TELNYX_CONFERENCING_APPROVAL": "maybe"}, "'destructive', 'disruptive', 'all' or 'never'"),
        ([], {"TELNYX_CONFERENCING_READ_ONLY": "perhaps"}, "--read-only (TELNYX_CONFERENCING_READ_ONLY)"),
        (["--sandbox-port", "99999"], {}, "--sandbox-port"),
        ([], {"TELNYX_API_KEY": "KEYx", "TELNYX_BASE_URL": "ftp://x"}, "TELNYX_BASE_URL"),
        ([], {"TELNYX_CONFERENCING_ALERT_SECRET": "x"}, "telnyx-conferencing: TELNYX_CONFERENCING_ALERT_SECRET: must"),
        ([], {"TELNYX_CONFERENCING_READONLY": "1"}, "Did you mean TELNYX_CONFERENCING_READ_ONLY?"),
        (["--policy", "none\x1b[31m.toml"], {}, "--policy: none [31m.toml: It cannot be found"),
        (["--sandbox", "--scene", "none\x1b[31m.yaml"], {}, "the scene none [31m.yaml cannot be read"),
        (["--no-such-option"], {}, "No such option"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_exit_code_2(
    arguments: list[str], env: Mapping[str, str], output: str
) -> None:
    ended = run("serve", *arguments, env={"TELNYX_API_KEY": "KEYcanary", **env})
    assert ended.returncode == 2
    assert output in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "KEYcanary" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--database", "foo"], "This is not a database URL"),
        (["--port", "8484"], "--port needs --transport http."),
        (["--transport", "stdio", "--allowed-hosts", "x"], "--allowed-hosts needs --transport http."),
        (["--sandbox-port", "0"], "--sandbox-port needs --sandbox."),
        (["--keep-most", "0"], "must be at least 1."),
        (["--webhook-port", "x"], "must be a whole number."),
    ],
)
def test_a_value_that_cannot_work_is_refused_at_start(arguments: list[str], problem: str) -> None:
    ended = run("serve", *arguments, env={"TELNYX_API_KEY": "KEYx", "TELNYX_PUBLIC_KEY": "x"})
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert problem in line


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_serve_at_a_terminal_says_what_it_is_for_and_ends_on_ctrl_c(transport: str) -> None:
    port = ("--port", "0") if transport == "http" else ()
    with at_terminal("serve", "--sandbox", "--transport", transport, *port) as terminal:
        shown = terminal.until("Press Ctrl-C to stop.")
        terminal.type(CTRL_C)
        code, rest = terminal.ended()
    assert code == 130
    assert ("http://127.0.0.1:" if transport == "http" else "telnyx-conferencing install") in shown
    assert rest.strip() in ("", "^C")


def test_an_unexpected_error_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ExceptionGroup("several", [ExceptionGroup("tasks", [RuntimeError("no\nluck")])])
    assert report(error) == 1
    assert capsys.readouterr().err.startswith("telnyx-conferencing: Unexpected error: RuntimeError: no luck. Set ")
    assert report(ExceptionGroup("several", [RuntimeError(), SettingsError("--port: wrong.")])) == 2
    assert capsys.readouterr().err == "telnyx-conferencing: --port: wrong.\n"
    monkeypatch.setenv("TELNYX_CONFERENCING_LOG_LEVEL", "debug")
    assert report(error) == 1
    assert "ExceptionGroup: several" in capsys.readouterr().err


def test_a_sandbox_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments in (["serve", "--sandbox", "--sandbox-port", port], ["sandbox", "--port", port]):
            ended = run(*arguments)
            assert (ended.returncode, ended.stdout) == (2, "")
            assert f"port {port} is already in use" in ended.stderr


@pytest.mark.parametrize("level", ["debug", "info"])
def test_stdout_has_only_the_protocol_and_the_log_has_no_key_or_content(level: str, tmp_path: Path) -> None:
    messages: list[dict[str, Any]] = [
        INITIALIZE,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {
                "name": "speak_text",
                "arguments": {
                    "conference_id": "c",
                    "call_control_ids": "everyone",
                    "payload": "canary words",
                    "voice": "male",
                },
            },
        },
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "no_such_tool", "arguments": {}}},
    ]
    with telnyx() as phone:
        kept = f"sqlite:///{tmp_path}/events.db"
        env = {**phone.env, "TELNYX_API_KEY": "KEYcanary", "TELNYX_CONFERENCING_DATABASE": kept}
        with subprocess.Popen(
            [COMMAND, "serve", "--log-level", level],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        ) as server:
            assert server.stdin
            assert server.stdout
            assert server.stderr
            server.stdin.writelines(json.dumps(message) + "\n" for message in messages)
            server.stdin.flush()
            answers = [json.loads(server.stdout.readline()) for _ in range(3)]
            server.stdin.close()
            rest, log = server.stdout.read(), server.stderr.read()
    assert {answer["id"] for answer in answers} == {1, 2, 3}
    assert rest == ""
    assert "speak_text" in log
    assert "canary" not in log
    assert server.returncode == 0, log


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_serve_sandbox_needs_no_account_and_serves_its_api_on_a_port(era: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with connected("--sandbox", "--sandbox-port", str(port), era=era) as client:
        queues = await call(client, "list_queues")
        headers = {"Authorization": "Bearer KEYanything"}
        seen = httpx2.get(f"http://127.0.0.1:{port}/v2/queues", headers=headers).json()
    assert [queue["id"] for queue in queues["queues"]] == [queue["id"] for queue in seen["data"]]


@pytest.mark.anyio
async def test_every_option_is_also_an_environment_variable() -> None:
    env = {
        "TELNYX_CONFERENCING_SANDBOX": "true",
        "TELNYX_CONFERENCING_READ_ONLY": "1",
        "TELNYX_CONFERENCING_TOOLSETS": "queues",
        "TELNYX_CONFERENCING_APPROVAL": "all",
        "TELNYX_CONFERENCING_LOG_LEVEL": "error",
    }
    async with connected(env=env) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
    assert names == ["list_queues", "get_queue", "list_queue_calls", "get_queue_call"]


def test_tools_prints_a_line_for_each_tool_and_the_total() -> None:
    ended = run("tools", "--toolsets", "all")
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert lines[0].split() == ["tool", "toolset", "risk", "retry", "bytes"]
    assert any("routine; destructive with supervisor_role monitor or whisper" in line for line in lines)
    assert lines[-1].startswith(f"{len(TOOLS)} tools, ")
    costs = [line.partition(":")[0] for line in lines[1 + len(TOOLS) :]]
    assert costs == ["", *TOOLSETS, lines[-1]]


def test_tools_applies_the_settings_of_serve() -> None:
    assert run("tools", "--read-only", "--toolsets", "queues").stdout.splitlines()[-1].startswith("4 tools, ")


def test_a_closed_pipe_prints_no_traceback() -> None:
    with subprocess.Popen([COMMAND, "tools"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


def test_version_and_help_list_every_command_in_full() -> None:
    assert run("--version").stdout.startswith("telnyx-conferencing 0.")
    listed = run("--help").stdout
    assert "..." not in listed.partition("Commands:")[2]
    assert [name for name in COMMANDS if f"  {name} " not in listed] == []
    assert "TELNYX_API_KEY" in run("serve", "--help").stdout


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand, by the words that run it."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {child}", subcommand) for child, subcommand in command.commands.items())


def test_the_list_of_commands_has_the_first_line_of_each_commands_help() -> None:
    summaries = {name: (command.help or "").partition("\n")[0] for name, command in every_command()}
    assert {name: source.summary for name, source in COMMANDS.items()} == {name: summaries[name] for name in COMMANDS}
    assert [name for name, summary in summaries.items() if not summary.endswith(".") or len(summary) > 63] == []


def test_every_help_text_has_an_example_that_runs_the_command() -> None:
    helps = {name: command.help or "" for name, command in every_command()}
    assert [name for name, text in helps.items() if f"  telnyx-conferencing {name}" not in text] == []


def test_every_option_has_a_help_text() -> None:
    options = [
        (name, option)
        for name, command in every_command()
        for option in command.params
        if isinstance(option, click.Option)
    ]
    assert [(name, option.name) for name, option in options if not option.help] == []


def test_sandbox_has_variables_of_its_own_and_does_not_take_those_of_serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = str(used.getsockname()[1])
        assert run("sandbox", env={"TELNYX_SANDBOX_PORT": port}).returncode != 0
        variables = {"TELNYX_SANDBOX_PORT": "0", "TELNYX_CONFERENCING_PORT": port}
        with subprocess.Popen([COMMAND, "sandbox"], stdout=subprocess.PIPE, env={**os.environ, **variables}) as process:
            assert process.stdout
            assert process.stdout.readline().startswith(b"base URL")
            process.terminate()
    assert "[env: TELNYX_SANDBOX_SCENE; default: support]" in " ".join(run("sandbox", "--help").stdout.split())


def test_sandbox_refuses_a_url_to_which_it_cannot_post() -> None:
    for option in ("--webhook-url", "--failover-url"):
        ended = run("sandbox", "--port", "0", option, "example.com/hooks")
        assert (ended.returncode, "example.com/hooks is not an http or https URL" in ended.stderr) == (2, True)


def test_sandbox_prints_how_to_reach_it_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        [COMMAND, "sandbox", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().split()[-1]
        process.stdout.readline()
        key = process.stdout.readline().split()[-1]
        answer = httpx2.get(f"{url}/queues", headers={"Authorization": "Bearer KEYany"})
        process.terminate()
        log = process.stderr.read()
    assert "support" in {queue["name"] for queue in answer.json()["data"]}
    assert len(key) == 44
    assert log == ""
