"""The operator page as found by the `operator` command, or served by it."""

import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from support.commands import forked
from support.guarded_server import overheard
from support.mcp import call as called
from support.mcp import connected, text
from support.mcp_apps import RENDERS
from support.mcp_stdio import environment
from support.operator_visitor import Visitor
from support.terminal import CTRL_C, ENTER, Terminal, at_terminal
from support.webhooks import NOWHERE, url_of

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/operator\b")
CODE = re.compile(r"(?:[A-HJKMNP-TV-Z][0-9A-HJKMNP-TV-Z]{3}-){2}[A-HJKMNP-TV-Z][0-9A-HJKMNP-TV-Z]{3}")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A home directory of its own, without a browser."""
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}


def printed_address(terminal: Terminal) -> tuple[str, str]:
    """The address and the code that the command prints."""
    said = terminal.until("works once")
    return ADDRESS.findall(said)[0], CODE.findall(said)[0]


async def signs_in(address: str, code: str) -> bool:
    async with httpx2.AsyncClient(trust_env=False, base_url=address.removesuffix("/operator")) as http:
        visitor = Visitor(http)
        return (await visitor.sign_in(code)).status_code == 200 and await visitor.is_signed_in()


@pytest.mark.anyio
async def test_the_command_finds_the_page_of_the_running_server_and_prints_a_code(env: dict[str, str]) -> None:
    async with connected("--sandbox", "--operator-page", "0", env=env):
        with at_terminal("operator", env=env) as terminal:
            address, code = printed_address(terminal)
            assert terminal.ended()[0] == 0
        assert await signs_in(address, code)


@pytest.mark.anyio
async def test_the_command_opens_the_browser_at_an_address_without_the_code(
    env: dict[str, str], tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    async with connected("--sandbox", "--operator-page", "0", env=env):
        with at_terminal("operator", env={**env, "BROWSER": f"{browser} %s"}) as terminal:
            address, _ = printed_address(terminal)
            assert terminal.ended()[0] == 0
    assert (tmp_path / "opened").read_text().strip() == address


@pytest.mark.anyio
async def test_with_several_servers_the_command_lists_them_and_a_person_chooses(env: dict[str, str]) -> None:
    sandbox = ("--sandbox", "--operator-page", "0")
    async with connected(*sandbox, env=env), connected(*sandbox, env=env):
        with at_terminal("operator", env=env) as terminal:
            listed = ADDRESS.findall(terminal.until("Which one"))
            terminal.type(f"2{ENTER}")
            address, code = printed_address(terminal)
        assert (len(set(listed)), address) == (2, listed[1])
        assert await signs_in(address, code)


def test_without_a_running_server_the_command_serves_the_page_until_interrupted(
    env: dict[str, str], tmp_path: Path
) -> None:
    arguments = ("--port", "0", "--database", url_of(tmp_path / "events.db"))
    with at_terminal("operator", *arguments, env=env) as terminal:
        address, _ = printed_address(terminal)
        assert httpx2.get(address, trust_env=False).status_code == 200
        terminal.type(CTRL_C)
        code, said = terminal.ended()
    assert code == 130
    assert "Traceback" not in said


def test_without_a_terminal_the_command_prints_no_code(env: dict[str, str], tmp_path: Path) -> None:
    command = forked("operator", "--port", "0", "--database", url_of(tmp_path / "events.db"))
    done = subprocess.run(
        command, check=False, env=environment(env), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert "needs a person at a terminal" in done.stderr
    assert not CODE.findall(done.stdout + done.stderr)


@pytest.mark.anyio
async def test_a_server_shows_the_address_and_never_a_code(tmp_path: Path) -> None:
    options = ("--sandbox", "--operator-page", "0", "--approval", "disruptive")
    async with overheard(*options, home=tmp_path, env=NOWHERE, extensions=RENDERS) as server:
        await server.until("Operator page")
        [address] = set(ADDRESS.findall(server.log.read_text()))
        shown = await server.client.call_tool("show_switchboard", {})
        [call, *_] = (await called(server.client, "list_queue_calls", queue_name="support"))["calls"]
        caller = {"call_control_id": call["call_control_id"]}
        room = (await called(server.client, "create_conference", **caller, name="Standup"))["conference"]["id"]
        everyone = {"conference_id": room, "call_control_ids": "everyone"}
        refused = await server.client.call_tool("hold_participants", everyone)
    assert address in text(shown)
    assert f"on the operator page, {address}" in text(refused)
    assert not CODE.findall(server.log.read_text() + text(shown))
