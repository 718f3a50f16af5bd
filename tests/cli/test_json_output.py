"""The output of commands for programs and terminals: JSON, colours, completion."""

import json
from pathlib import Path

import pytest

from support.command_line import run
from support.terminal import at_terminal

POLICY = "[limits]\ncalls_per_minute = 5\n"


def test_tools_prints_one_json_object_per_tool() -> None:
    lines = run("tools", "--json", "--toolsets", "queues", "--read-only").stdout.splitlines()
    tools = [json.loads(line) for line in lines]
    assert [tool["tool"] for tool in tools] == ["list_queues", "get_queue", "list_queue_calls", "get_queue_call"]
    assert all(tool.keys() == {"tool", "toolset", "risk", "retry", "bytes"} for tool in tools)
    assert all(isinstance(tool["bytes"], int) for tool in tools)


def test_policy_check_prints_the_same_lines_as_json_and_as_text(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    output = json.loads(run("policy", "check", str(file), "--json").stdout)
    words = run("policy", "check", str(file)).stdout
    assert next(iter(output)) == "Tools"
    assert output["Limits"]
    assert all(line in words for lines in output.values() for line in lines)


def test_audit_verify_prints_json(tmp_path: Path) -> None:
    output = json.loads(run("audit", "verify", "--json", "--database", f"sqlite:///{tmp_path}/a.db").stdout)
    assert output["records"] == 0
    assert "head" in output


def test_events_aside_prints_nothing_for_an_empty_store(tmp_path: Path) -> None:
    ended = run("events", "--aside", "--json", "--database", f"sqlite:///{tmp_path}/a.db")
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(no_color: str, coloured: bool, tmp_path: Path) -> None:
    env = {
        "NO_COLOR": no_color,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": "",
        "CODEX_HOME": "",
        "CLAUDE_CONFIG_DIR": "",
    }
    with at_terminal("doctor", "--sandbox", env=env) as terminal:
        code, shown = terminal.ended()
    assert code == 0
    assert ("\x1b[" in shown) is coloured
    assert "checking ..." in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_commands(shell: str) -> None:
    script = run(env={"_TELNYX_CONFERENCING_COMPLETE": f"{shell}_source"}).stdout
    assert "telnyx-conferencing" in script
    if shell != "bash":
        asked = {"_TELNYX_CONFERENCING_COMPLETE": f"{shell}_complete", "COMP_WORDS": "telnyx-conferencing doc"}
        assert "doctor" in run(env={**asked, "COMP_CWORD": "1" if shell == "zsh" else "doc"}).stdout
