"""The operator page as started by the `operator` command, or with the server."""

import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from support.commands import forked
from support.guarded_server import overheard
from support.mcp_stdio import environment
from support.telnyx import telnyx
from support.terminal import CTRL_C, at_terminal
from support.webhooks import url_of

LINK = re.compile(r"http://127\.0\.0\.1:\d+/operator/sign-in\?token=[\w-]+")


def test_at_a_terminal_the_command_prints_a_link_and_serves_until_interrupted(tmp_path: Path) -> None:
    with at_terminal("operator", "--port", "0", "--database", url_of(tmp_path / "events.db")) as terminal:
        terminal.until("Operator page")
        [link] = LINK.findall(terminal.until("\n"))
        assert httpx2.get(link, trust_env=False).status_code == 200
        terminal.type(CTRL_C)
        code, said = terminal.ended()
    assert code == 130
    assert "Traceback" not in said


def test_without_a_terminal_the_command_prints_no_link(tmp_path: Path) -> None:
    command = forked("operator", "--port", "0", "--database", url_of(tmp_path / "events.db"))
    done = subprocess.run(
        command, check=False, env=environment({}), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert "needs a person at a terminal" in done.stderr
    assert "token" not in done.stdout + done.stderr


@pytest.mark.anyio
async def test_a_server_prints_the_link_on_stderr(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with overheard("--operator-page", "0", home=tmp_path, env=phone.env) as server:
            [link] = LINK.findall(await server.until("token="))
            async with httpx2.AsyncClient(trust_env=False) as browser:
                assert (await browser.get(link)).status_code == 200
