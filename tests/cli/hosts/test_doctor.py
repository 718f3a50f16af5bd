"""`doctor`: it reports what works, and a fix for each problem."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from support.homes import Home
from support.http import serve_app
from support.telnyx import telnyx

Found = dict[str, dict[str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def findings_of(home: Home, *arguments: str, code: int = 0) -> Found:
    """What is found, by name."""
    ended = home.run("doctor", "--json", *arguments)
    assert ended.returncode == code, ended.stdout + ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert all(("do" in finding) == (finding["state"] == "wrong") for finding in found)
    return {finding["name"]: finding for finding in found}


def test_a_correct_setup_is_good_in_every_line(home: Home) -> None:
    with telnyx() as phone:
        home.more = {**phone.env, "TELNYX_PUBLIC_KEY": phone.sandbox.public_key}
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        found = findings_of(home, "--webhook-port", port)
    names = ("connection", "key", "clock", "public key", "port", "store")
    assert {name: found[name]["state"] for name in names} == dict.fromkeys(names, "good")


def test_an_unknown_key_is_reported_and_never_shown(home: Home) -> None:
    with telnyx() as phone:
        home.more = {**phone.env, "TELNYX_API_KEY": "canary"}
        found = findings_of(home, code=1)
    assert found["connection"]["state"] == "good"
    assert "does not accept it" in found["key"]["says"]
    assert "canary" not in json.dumps(found)


def test_after_a_sandbox_install_nothing_is_wrong(home: Home) -> None:
    home.does("install", "claude-code", "--sandbox")
    found = findings_of(home)
    assert "Claude Code" in found["settings"]["says"]
    assert found["key"]["says"] == "not needed on the sandbox"


def test_a_problem_of_several_hosts_is_reported_once(home: Home) -> None:
    for host in ("claude-code", "cursor", "gemini"):
        home.does("install", host, "--sandbox")
    home.does("install", "gemini", "--sandbox", "--database", f"sqlite:///{home.path}/events.db")
    found = [json.loads(line) for line in home.run("doctor", "--json").stdout.splitlines()]
    says = {
        name: [finding["says"] for finding in found if finding["name"] == name] for name in ("settings", "key", "store")
    }
    assert says == {
        "settings": ["those of Claude Code, Cursor, Gemini CLI, since TELNYX_API_KEY is not set here"],
        "key": ["not needed on the sandbox"],
        "store": [
            "a temporary file, deleted when the server ends (Claude Code, Cursor)",
            f"sqlite:///{home.path}/events.db opens (Gemini CLI)",
        ],
    }


def test_a_missing_key_no_connection_and_an_invalid_public_key_each_have_a_fix(home: Home) -> None:
    assert findings_of(home, code=1)["key"]["state"] == "wrong"
    home.more = {
        "TELNYX_API_KEY": "KEYx",
        "TELNYX_BASE_URL": "http://127.0.0.1:9/v2",
        "TELNYX_PUBLIC_KEY": "nonsense",
        "TELNYX_CONFERENCING_DATABASE": f"sqlite:///{home.path}/no/such/place.db",
    }
    found = findings_of(home, code=1)
    assert {name for name, finding in found.items() if finding["state"] == "wrong"} == {
        "connection",
        "public key",
        "store",
    }


def app_with_headers(*headers: tuple[bytes, bytes]) -> Any:
    """An app that answers everything with an empty object."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2"), *headers]})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


def test_a_wrong_clock_is_reported(home: Home) -> None:
    with serve_app(app_with_headers((b"date", b"Thu, 01 Jan 2026 00:00:00 GMT")), dated=False) as url:
        home.more = {"TELNYX_API_KEY": "KEYx", "TELNYX_BASE_URL": url}
        found = findings_of(home, code=1)
    assert found["clock"]["state"] == "wrong"


def test_a_port_in_use_by_another_program_is_reported(home: Home) -> None:
    with serve_app(app_with_headers()) as url:
        found = findings_of(home, "--sandbox", "--webhook-port", url.rsplit(":", 1)[1], code=1)
    assert "another program" in found["port"]["says"]


def test_how_events_arrive_without_a_webhook_port_is_reported(home: Home) -> None:
    home.more = {"TELNYX_API_KEY": "KEYx", "TELNYX_BASE_URL": "http://127.0.0.1:9/v2"}
    assert "sees no events without --catch-up" in findings_of(home, code=1)["webhooks"]["says"]
    home.more["TELNYX_CONFERENCING_CATCH_UP"] = "5s"
    assert "fetches events every 5 s" in findings_of(home, code=1)["webhooks"]["says"]
    assert "directly from the sandbox" in findings_of(home, "--sandbox")["webhooks"]["says"]


def test_a_policy_that_became_invalid_is_reported(home: Home) -> None:
    policy = home.path / "policy.toml"
    policy.write_text("[tools]\nread_only = true\n")
    home.does("install", "cursor", "--sandbox", "--policy", str(policy))
    assert findings_of(home)["policy"]["state"] == "good"
    policy.write_text("[tool]\n")
    found = findings_of(home, code=1)["policy"]
    assert (found["state"], "did you mean tools" in found["says"]) == ("wrong", True)


def test_a_host_with_a_missing_program_is_reported(home: Home) -> None:
    home.write("cursor", '{"mcpServers": {"telnyx-conferencing": {"command": "/gone"}}}')
    home.write("codex", "not toml")
    found = findings_of(home, "--sandbox", code=1)
    assert "/gone" in found["Cursor"]["says"]
    assert "install cursor" in found["Cursor"]["do"]
    assert found["Codex"]["state"] == "wrong"


@pytest.mark.parametrize("host", ["claude-code", "codex", "opencode"])
def test_as_host_starts_the_configured_server_and_calls_a_tool(host: str, home: Home) -> None:
    home.does("install", host, "--sandbox", "--read-only")
    found = findings_of(home, "--as-host", host)
    assert found["start"]["state"] == "good"
    assert " tools; " in found["start"]["says"]
    assert found["key"]["says"].endswith("on the sandbox")


def test_as_host_reports_why_the_server_does_not_start(home: Home) -> None:
    home.write("claude-desktop", '{"mcpServers": {"telnyx-conferencing": {"command": "/bin/cat", "args": ["/gone"]}}}')
    home.more = {"TELNYX_API_KEY": "KEYx", "TELNYX_BASE_URL": "http://127.0.0.1:9/v2"}
    found = findings_of(home, "--as-host", code=1)
    assert found["start"]["state"] == "wrong"
    assert "No such file" in found["start"]["says"]
    assert "Set TELNYX_API_KEY" in found["key"]["says"]  # Claude Desktop passes nothing on


def test_as_host_needs_a_host_that_has_the_server(home: Home) -> None:
    ended = home.run("doctor", "--as-host", "gemini")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "install gemini" in ended.stderr


def test_doctor_prints_one_line_per_check(home: Home) -> None:
    output = home.does("doctor", "--sandbox")
    assert "note   key " in output
    assert "\x1b[" not in output
