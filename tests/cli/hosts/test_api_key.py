"""Where the API key goes: never into a configuration unless a person asks for it."""

import json
import stat
from pathlib import Path

import pytest

from support.homes import Home
from support.mcp import call, connected
from support.telnyx import telnyx
from support.terminal import ENTER, at_terminal

KEY = "KEYcanary0123456789"


def files_except_the_keyring(home: Home) -> str:
    return "".join(file.read_text() for file in home.path.rglob("*") if file.is_file() and file.name != "ring.json")


@pytest.mark.parametrize("host", ["claude-desktop", "codex"])
def test_install_stores_the_key_in_the_keyring_and_the_server_reads_it_there(host: str, tmp_path: Path) -> None:
    home = Home(tmp_path, ring=True)
    output = home.does("install", host, env={"TELNYX_API_KEY": KEY})
    assert "stored in Test Keyring" in output
    assert home.server(host)["args"] == ["serve", "--keyring"]
    assert KEY in (tmp_path / "ring.json").read_text()
    assert KEY not in files_except_the_keyring(home) + output
    assert "already" in home.does("install", host)


def test_install_asks_for_the_key_at_a_terminal_without_an_echo(tmp_path: Path) -> None:
    home = Home(tmp_path, ring=True)
    with at_terminal("install", "claude-code", env=home.env) as terminal:
        terminal.until("Telnyx API key (not shown)")
        terminal.type(KEY + ENTER)
        code, seen = terminal.ended()
    assert code == 0
    assert KEY not in seen
    assert KEY in (tmp_path / "ring.json").read_text()


@pytest.mark.parametrize(
    ("host", "reference"),
    [
        ("claude-code", "${TELNYX_API_KEY:-}"),
        ("cursor", "${env:TELNYX_API_KEY}"),
        ("vscode", "${env:TELNYX_API_KEY}"),
        ("gemini", "${TELNYX_API_KEY:-}"),
        ("copilot", "${TELNYX_API_KEY:-}"),
    ],
)
def test_without_a_keyring_the_host_passes_its_variable_on(host: str, reference: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.does("install", host, env={"TELNYX_API_KEY": KEY})
    assert home.server(host)["env"] == {"TELNYX_API_KEY": reference}
    assert KEY not in files_except_the_keyring(home)


def test_codex_passes_the_variable_on_by_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.does("install", "codex", env={"TELNYX_API_KEY": KEY})
    assert home.server("codex")["env_vars"] == ["TELNYX_API_KEY"]


@pytest.mark.parametrize("host", ["opencode", "qwen", "cline"])
def test_a_host_that_passes_its_environment_on_needs_no_reference(host: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert "passes the key on" in home.does("install", host, env={"TELNYX_API_KEY": KEY})
    assert '"env' not in home.config(host).read_text()
    assert KEY not in files_except_the_keyring(home)


def test_a_key_without_a_safe_place_is_written_only_with_key_plain(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for options, why in (([], "no safe place"), (["--key", "keyring"], "has no keyring")):
        assert why in home.refuses("install", "claude-desktop", *options, env={"TELNYX_API_KEY": KEY})
        assert not home.config("claude-desktop").exists()
    output = home.does("install", "claude-desktop", "--key", "plain", env={"TELNYX_API_KEY": KEY})
    assert "not protected" in output
    assert home.server("claude-desktop")["env"] == {"TELNYX_API_KEY": KEY}
    assert KEY not in output
    home.ring = True
    home.does("install", "claude-desktop", env={"TELNYX_API_KEY": KEY})
    assert "env" not in home.server("claude-desktop")


@pytest.mark.parametrize("host", ["claude-code", "claude-desktop", "codex"])
def test_without_a_keyring_and_a_key_install_writes_nothing(host: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert "Nothing was changed." in home.refuses("install", host)
    assert not home.config(host).exists()


def test_without_a_keyring_install_offers_to_write_the_key_that_it_asks_for(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with at_terminal("install", "claude-code", env=home.env) as terminal:
        terminal.until("Write the key into this file? [y/N]: ")
        terminal.type(f"y{ENTER}")
        terminal.until("Telnyx API key (not shown)")
        terminal.type(KEY + ENTER)
        code, seen = terminal.ended()
    assert (code, KEY in seen) == (0, False)
    assert home.server("claude-code")["env"] == {"TELNYX_API_KEY": KEY}


def test_a_file_with_a_plain_key_is_for_its_user_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for _ in ("added", "already there"):
        config = home.write("cursor", home.config("cursor").read_text() if home.config("cursor").exists() else "{}")
        config.chmod(0o644)
        home.does("install", "cursor", "--key", "plain", env={"TELNYX_API_KEY": KEY})
        files = [config, *home.backups("cursor")]
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files)


@pytest.mark.parametrize("host", ["cursor", "codex", "opencode"])
def test_forget_key_removes_the_key_from_backups_too(host: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.does("install", host, "--key", "plain", env={"TELNYX_API_KEY": KEY})
    home.does("install", host, "--key", "plain", "--read-only", env={"TELNYX_API_KEY": KEY})
    output = home.does("uninstall", host, "--forget-key")
    assert len(home.backups(host)) == 2
    assert all(str(backup) in output for backup in home.backups(host))
    assert KEY not in files_except_the_keyring(home)


def test_install_without_a_key_and_without_a_terminal_fails(tmp_path: Path) -> None:
    ended = Home(tmp_path, ring=True).run("install", "claude-code")
    assert ended.returncode == 1
    assert "--sandbox" in ended.stderr
    assert not (tmp_path / ".claude.json").exists()


def test_install_writes_the_public_key(tmp_path: Path) -> None:
    home = Home(tmp_path, ring=True)
    with telnyx() as phone:
        public = phone.sandbox.public_key
    home.does("install", "codex", "--webhook-port", "8090", "--public-key", public, "--key", "environment")
    assert home.server("codex")["env"] == {"TELNYX_PUBLIC_KEY": public}
    ended = home.run("install", "codex", "--webhook-port", "8090", "--public-key", "nonsense")
    assert ended.returncode == 2
    assert "TELNYX_PUBLIC_KEY" in ended.stderr


def test_install_writes_what_calls_out_need(tmp_path: Path) -> None:
    numbers = {"TELNYX_CONNECTION_ID": "1494404757140276705", "TELNYX_FROM_NUMBER": "+12025550100"}
    home = Home(tmp_path, ring=True)
    home.more = {**numbers, "TELNYX_API_KEY": "KEYx"}
    home.does("install", "codex")
    assert home.server("codex")["env"] == numbers
    home.more = {"TELNYX_API_KEY": "KEYx"}
    home.does("install", "codex", "--approval", "all")
    assert home.server("codex")["env"] == numbers
    home.more = {"TELNYX_API_KEY": "KEYx", "TELNYX_FROM_NUMBER": "2025550100"}
    assert "TELNYX_FROM_NUMBER" in home.run("install", "codex").stderr


@pytest.mark.anyio
async def test_serve_reads_the_key_from_the_keyring(tmp_path: Path) -> None:
    home = Home(tmp_path, ring=True)
    with telnyx() as phone:
        home.does("install", "claude-code", env=phone.env)
        async with connected("--keyring", env={**home.env, "TELNYX_BASE_URL": phone.env["TELNYX_BASE_URL"]}) as client:
            assert (await call(client, "list_queues"))["queues"]


def test_serve_refuses_a_keyring_without_a_key(tmp_path: Path) -> None:
    for ring in (True, False):
        ended = Home(tmp_path, ring=ring).run("serve", "--keyring")
        assert ended.returncode == 2
        assert "telnyx-conferencing install" in ended.stderr


def test_serve_refuses_a_variable_that_the_host_did_not_fill_in(tmp_path: Path) -> None:
    ended = Home(tmp_path).run("serve", env={"TELNYX_API_KEY": "${TELNYX_API_KEY}"})
    assert ended.returncode == 2
    assert "where the host is started" in ended.stderr


def test_uninstall_removes_the_key_only_with_forget_key(tmp_path: Path) -> None:
    home = Home(tmp_path, ring=True)
    home.does("install", "gemini", env={"TELNYX_API_KEY": KEY})
    home.does("uninstall", "gemini")
    assert KEY in (tmp_path / "ring.json").read_text()
    assert "was removed from the keyring" in home.does("uninstall", "gemini", "--forget-key")
    assert json.loads((tmp_path / "ring.json").read_text()) == {}
    assert "There is no key" in home.does("uninstall", "gemini", "--forget-key")
