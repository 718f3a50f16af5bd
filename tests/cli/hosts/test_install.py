"""`install` and `uninstall`: what they write into a host's configuration, and what they leave alone."""

import base64
import json
import os
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.commands import COMMAND
from support.homes import NAME, PLACES, Home
from telnyx_conferencing.server.cli.hosts.registry import HOSTS

EVERY = pytest.mark.parametrize("host", PLACES)
AS_THEY_STAND = {
    "claude-code": '{"numStartups": 3, "mcpServers": {"other": {"command": "x"}}, "projects": {"/a": {}}}',
    "claude-desktop": '{\n\t"globalShortcut": "",\n\t"mcpServers": {}\n}',
    "cursor": '{"mcpServers": {\n  "other": {"command": "x"} // mine\n}}',
    "vscode": '{\n  // my servers\n  "servers": {\n    "other": {"command": "x"}, // last\n  },\n  "inputs": [],\n}\n',
    "gemini": '{\n    /* looks */ "ui": {"theme": "Dracula"}\n}\n',
    "codex": 'model = "m" # mine\n\n[mcp_servers.other]\ncommand = "x" # keep\n\n[tui]\ntheme = "t"\n',
    "opencode": '{\n  "theme": "system",\n  "mcp": {"other": {"type": "remote"}} // mine\n}\n',
    "qwen": '{"ui": {"theme": "Dracula"}, "mcpServers": {}}\n',
    "copilot": '{\n  "mcpServers": {\n    // mine\n    "other": {"command": "x", "tools": ["*"]}\n  }\n}\n',
    "cline": '{\n  "mcpServers": {\n    "other": {"transport": {"type": "stdio", "command": "x"}}\n  }\n}',
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def in_order(part: str, whole: str) -> bool:
    """Whether one text is the other with something added."""
    letters = iter(whole)
    return all(letter in letters for letter in part)


@EVERY
def test_install_writes_the_hosts_file_with_the_full_path_of_the_command(host: str, home: Home) -> None:
    output = home.does("install", host, "--sandbox")
    assert str(home.config(host)) in output
    defaults = ["--toolsets", "core"] if host == "cursor" else []
    assert home.starts(host) == [COMMAND, "serve", *defaults, "--sandbox"]
    assert stat.S_IMODE(home.config(host).stat().st_mode) == 0o600
    assert home.backups(host) == []


@EVERY
def test_install_keeps_every_byte_of_the_file_and_makes_a_backup(host: str, home: Home) -> None:
    before = AS_THEY_STAND[host]
    home.write(host, before)
    home.does("install", host, "--sandbox")
    assert in_order(before, home.config(host).read_text())
    [backup] = home.backups(host)
    assert backup.read_text() == before


@EVERY
def test_a_second_install_changes_nothing(host: str, home: Home) -> None:
    home.write(host, AS_THEY_STAND[host])
    home.does("install", host, "--sandbox", "--approval", "all")
    once = home.config(host).read_bytes()
    assert "already has this server" in home.does("install", host, "--sandbox", "--approval", "all")
    assert home.config(host).read_bytes() == once
    assert len(home.backups(host)) == 1


@EVERY
def test_uninstall_removes_only_what_install_added(host: str, home: Home) -> None:
    home.write(host, AS_THEY_STAND[host])
    home.does("install", host, "--sandbox")
    installed = home.config(host).read_text()
    home.does("uninstall", host)
    after = home.config(host).read_text()
    assert NAME not in after
    assert in_order(after, installed)
    assert in_order(AS_THEY_STAND[host].replace(",", ""), after)
    assert "does not have this server" in home.does("uninstall", host)


@pytest.mark.parametrize("host", ["claude-code", "vscode", "codex", "opencode"])
def test_an_install_with_other_settings_keeps_what_a_person_added_to_the_entry(host: str, home: Home) -> None:
    variables = "environment" if host == "opencode" else "env"
    home.does("install", host, "--sandbox")
    config = home.config(host)
    if host == "codex":
        config.write_text(config.read_text() + "startup_timeout_sec = 30\n")
    else:
        added = f'"{variables}": {{"LANG": "C"}}, "disabled": true, "command"'
        config.write_text(config.read_text().replace('"command"', added))
    home.does("install", host, "--read-only", "--key", "environment")
    server = home.server(host)
    assert home.starts(host) == [COMMAND, "serve", "--read-only"]
    assert server.get("startup_timeout_sec", 30) == 30
    assert server.get("disabled", True) is True
    assert server.get(variables, {}).get("LANG", "C") == "C"


def test_cline_gets_the_command_in_an_object_of_its_own_also_where_a_person_wrote_it_otherwise(home: Home) -> None:
    home.write("cline", json.dumps({"mcpServers": {NAME: {"command": "x", "disabled": True, "env": {"LANG": "C"}}}}))
    home.does("install", "cline", "--sandbox")
    assert home.server("cline") == {
        "transport": {"type": "stdio", "command": COMMAND, "args": ["serve", "--sandbox"], "env": {"LANG": "C"}},
        "disabled": True,
        "timeout": 120,
    }
    assert "already has this server" in home.does("install", "cline", "--sandbox")


def test_an_unreadable_configuration_is_refused_and_left_alone(home: Home) -> None:
    wrong = {
        "claude-code": ('{"mcpServers": {}, }', "line 1, column 20"),
        "cursor": ("[]", "it is not an object"),
        "gemini": ('{"mcpServers": []}', '"mcpServers" is not an object'),
        "vscode": (f'{{"servers": {{"{NAME}": 1}}}}', f'holds a "{NAME}" that is not an object'),
        "codex": ("model = \n", "line 1"),
    }
    for host, (text, why) in wrong.items():
        home.write(host, text)
        for arguments in (["install", host, "--sandbox"], ["uninstall", host]):
            sentence = home.refuses(*arguments)
            assert HOSTS[host].title in sentence
            assert why in sentence
            assert "Nothing was changed." in sentence
        assert home.config(host).read_text() == text
        assert home.backups(host) == []


def test_a_symbolic_link_and_the_permissions_of_its_file_stay(home: Home) -> None:
    real = home.path / "dotfiles" / "claude.json"
    real.parent.mkdir()
    real.write_text("{}")
    real.chmod(0o640)
    home.config("claude-code").symlink_to(real)
    home.does("install", "claude-code", "--sandbox")
    assert home.config("claude-code").is_symlink()
    assert NAME in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_windows_line_ends_and_a_byte_order_mark_stay(home: Home) -> None:
    for host, text in (("vscode", '\ufeff{\r\n  "servers": {\r\n  }\r\n}\r\n'), ("codex", 'a = "b"\r\n')):
        path = home.write(host, "")
        path.write_bytes(text.encode())
        home.does("install", host, "--sandbox")
        raw = path.read_bytes().decode()
        assert raw.startswith(text[0])
        assert raw.count("\n") == raw.count("\r\n") > 4


def test_the_hosts_own_variables_choose_the_folder(home: Home) -> None:
    moved = {
        "CLAUDE_CONFIG_DIR": "claude",
        "CODEX_HOME": "codex",
        "QWEN_HOME": "qwen",
        "COPILOT_HOME": "copilot",
        "CLINE_DIR": "cline",
        "XDG_CONFIG_HOME": "xdg",
    }
    home.more = {name: str(home.path / folder) for name, folder in moved.items()}
    places = {
        "claude-code": "claude/.claude.json",
        "codex": "codex/config.toml",
        "qwen": "qwen/settings.json",
        "copilot": "copilot/mcp-config.json",
        "cline": "cline/data/settings/cline_mcp_settings.json",
        "vscode": "xdg/Code/User/mcp.json",
        "opencode": "xdg/opencode/opencode.json",
    }
    for host in places:
        home.does("install", host, "--sandbox")
    assert all((home.path / place).is_file() for place in places.values())


@pytest.mark.parametrize(
    ("platform", "host", "place"),
    [
        ("darwin", "claude-desktop", "Library/Application Support/Claude/claude_desktop_config.json"),
        ("darwin", "vscode", "Library/Application Support/Code/User/mcp.json"),
        ("win32", "claude-desktop", "Roaming/Claude/claude_desktop_config.json"),
        ("win32", "vscode", "Roaming/Code/User/mcp.json"),
        ("win32", "cursor", ".cursor/mcp.json"),
        ("darwin", "codex", ".codex/config.toml"),
        ("darwin", "opencode", ".config/opencode/opencode.json"),
        ("win32", "opencode", ".config/opencode/opencode.json"),
    ],
)
def test_each_platform_has_its_own_folders(
    platform: str, host: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path / "Roaming"))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert HOSTS[host].config(platform) == tmp_path / place


def test_install_writes_settings_with_full_paths_and_refuses_wrong_ones(home: Home) -> None:
    (home.path / "p.toml").write_text("[tools]\nread_only = true\n")
    (home.path / "s.yaml").write_text("calls: []\n")
    policy, scene = (os.path.relpath(home.path / name) for name in ("p.toml", "s.yaml"))
    paths = ("--policy", policy, "--scene", scene, "--database", "sqlite:///e.db")
    home.does("install", "Cursor", "--sandbox", *paths, "--webhook-port", "8090")
    args = home.server("cursor")["args"]
    assert Path(args[args.index("--policy") + 1]) == Path.cwd() / policy
    assert Path(args[args.index("--scene") + 1]) == Path.cwd() / scene
    assert args[args.index("--database") + 1] == f"sqlite:///{Path.cwd()}/e.db"
    assert args[args.index("--webhook-port") + 1] == "8090"
    before = home.config("cursor").read_bytes()
    wrong = {"--approval": "maybe", "--policy": "none.toml", "--scene": "none.yaml"}
    for option, value in wrong.items():
        ended = home.run("install", "cursor", "--sandbox", option, value)
        assert (ended.returncode, home.config("cursor").read_bytes()) == (2, before)
        assert option.removeprefix("--") in ended.stderr


def test_print_shows_the_hosts_format_and_writes_nothing(home: Home) -> None:
    before = sorted(home.path.iterdir())
    shown = home.run("install", "vscode", "--sandbox", "--print")
    assert json.loads(shown.stdout)["servers"][NAME]["args"] == ["serve", "--sandbox"]
    assert str(home.config("vscode")) in shown.stderr
    assert '[mcp_servers.telnyx-conferencing]\ncommand = "' in home.does("install", "codex", "--print")
    assert sorted(home.path.iterdir()) == before


def test_cursors_link_contains_the_server(home: Home) -> None:
    link = urlsplit(home.does("install", "cursor", "--sandbox", "--print").splitlines()[-1])
    asked = parse_qs(link.query)
    assert (link.scheme, asked["name"]) == ("cursor", [NAME])
    assert json.loads(base64.b64decode(asked["config"][0])) == {
        "command": COMMAND,
        "args": ["serve", "--toolsets", "core", "--sandbox"],
    }


def test_a_configuration_that_is_a_directory_is_refused(home: Home) -> None:
    home.config("claude-code").mkdir()
    assert "cannot be read" in home.refuses("install", "claude-code", "--sandbox")
