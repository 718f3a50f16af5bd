"""`doctor`: each thing is well, or the one thing to do is said."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from support.homes import Home
from support.http import served
from support.telnyx import telnyx

Found = dict[str, dict[str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def examined(home: Home, *arguments: str, code: int = 0) -> Found:
    """What is found, by name."""
    ended = home.run("doctor", "--json", *arguments)
    assert ended.returncode == code, ended.stdout + ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert all(("do" in one) == (one["state"] == "wrong") for one in found)
    return {one["name"]: one for one in found}


def test_where_all_is_well_each_line_says_good(home: Home) -> None:
    with telnyx() as phone:
        home.more = {**phone.env, "TELNYX_PUBLIC_KEY": phone.sandbox.public_key}
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        found = examined(home, "--webhook-port", port)
    names = ("connection", "key", "clock", "public key", "port", "store")
    assert {name: found[name]["state"] for name in names} == dict.fromkeys(names, "good")


def test_a_key_that_telnyx_does_not_know_is_named_and_never_shown(home: Home) -> None:
    with telnyx() as phone:
        home.more = {**phone.env, "TELNYX_API_KEY": "canary"}
        found = examined(home, code=1)
    assert found["connection"]["state"] == "good"
    assert "does not know it" in found["key"]["says"]
    assert "canary" not in json.dumps(found)


def test_no_key_no_connection_and_a_key_that_is_none_are_each_one_thing_to_do(home: Home) -> None:
    assert examined(home, code=1)["key"]["state"] == "wrong"
    home.more = {
        "TELNYX_API_KEY": "KEYx",
        "TELNYX_BASE_URL": "http://127.0.0.1:9/v2",
        "TELNYX_PUBLIC_KEY": "nonsense",
        "TELNYX_CONFERENCING_DATABASE": f"sqlite:///{home.path}/no/such/place.db",
    }
    found = examined(home, code=1)
    assert {name for name, one in found.items() if one["state"] == "wrong"} == {"connection", "public key", "store"}


def answering(*headers: tuple[bytes, bytes]) -> Any:
    """An app that answers everything with an empty object."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2"), *headers]})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


def test_a_clock_that_is_off_is_said(home: Home) -> None:
    with served(answering((b"date", b"Thu, 01 Jan 2026 00:00:00 GMT")), dated=False) as url:
        home.more = {"TELNYX_API_KEY": "KEYx", "TELNYX_BASE_URL": url}
        found = examined(home, code=1)
    assert found["clock"]["state"] == "wrong"


def test_a_port_that_another_program_holds_is_said(home: Home) -> None:
    with served(answering()) as url:
        found = examined(home, "--sandbox", "--webhook-port", url.rsplit(":", 1)[1], code=1)
    assert "another program" in found["port"]["says"]


def test_a_host_that_starts_what_is_no_longer_there_is_said(home: Home) -> None:
    home.write("cursor", '{"mcpServers": {"telnyx-conferencing": {"command": "/gone"}}}')
    home.write("codex", "not toml")
    found = examined(home, "--sandbox", code=1)
    assert "/gone" in found["Cursor"]["says"]
    assert "install cursor" in found["Cursor"]["do"]
    assert found["Codex"]["state"] == "wrong"


@pytest.mark.parametrize("host", ["claude-code", "codex"])
def test_as_host_starts_what_is_configured_and_asks_it_something(host: str, home: Home) -> None:
    home.does("install", host, "--sandbox", "--read-only")
    found = examined(home, "--as-host", host)
    assert found["start"]["state"] == "good"
    assert " tools; " in found["start"]["says"]
    assert found["key"]["says"].endswith("embedded Telnyx")


def test_as_host_says_what_the_server_says_when_it_does_not_start(home: Home) -> None:
    home.write("claude-desktop", '{"mcpServers": {"telnyx-conferencing": {"command": "/bin/cat", "args": ["/gone"]}}}')
    home.more = {"TELNYX_API_KEY": "KEYx", "TELNYX_BASE_URL": "http://127.0.0.1:9/v2"}
    found = examined(home, "--as-host", code=1)
    assert found["start"]["state"] == "wrong"
    assert "No such file" in found["start"]["says"]
    assert "set TELNYX_API_KEY" in found["key"]["says"]  # Claude Desktop hands nothing on


def test_as_host_needs_a_host_that_has_it(home: Home) -> None:
    ended = home.run("doctor", "--as-host", "gemini")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "install gemini" in ended.stderr


def test_for_people_it_is_a_line_each(home: Home) -> None:
    said = home.does("doctor", "--sandbox")
    assert "note   key " in said
    assert "\x1b[" not in said
