"""The address and password of the database never reach a client, a page, a log or a terminal."""

import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from support.command_line import run
from support.examples import EXAMPLES
from support.guarded_server import guarded, room
from support.mcp_http import site
from support.mcp_in_process import World
from support.postgres import PASSWORD, USER, Cluster
from support.telnyx import telnyx

CANARY_USER, CANARY_PASSWORD = "canaryuser", "CANARY/PASS%word"
UNREACHABLE = f"postgresql://{CANARY_USER}:{quote(CANARY_PASSWORD, safe='')}@127.0.0.1:1/canarydb?password=CANARYQUERY"
SECRETS = (CANARY_USER, "CANARY", quote(CANARY_PASSWORD, safe=""), PASSWORD, quote(PASSWORD, safe=""), f"{USER}:")
OWN_TOOLS = ("list_events", "get_event", "wait_for_event", "conference_summary", "report", "show_switchboard", "whoami")
COMMANDS = ("approvals", "audit", "audit verify", "tokens", "stop test", "resume", "events", "timeline x", "doctor")
PAGES = ("/healthz", "/readyz", "/metrics", "/operator", "/operator/api/session", "/operator/api/events", "/nothing")


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


async def everything_said(client: Client, conference_id: str) -> str:
    """What every tool answers, and every resource and prompt that is listed."""
    message: list[str] = []
    calls = [(example.tool, given) for example in EXAMPLES for _, given in example.variants()]
    calls += [(tool, {}) for tool in OWN_TOOLS]
    calls.append(("end_conference", {"conference_id": conference_id}))
    for tool, given in calls:
        try:
            message.append((await client.call_tool(tool, dict(given))).model_dump_json())
        except MCPError as error:
            message.append(str(error))
    message.append((await client.list_tools()).model_dump_json())
    message.append((await client.list_prompts()).model_dump_json())
    resources = await client.list_resources()
    message.append(resources.model_dump_json())
    for uri in (*(resource.uri for resource in resources.resources), "telnyx-conferencing://audit/session"):
        try:
            message.append((await client.read_resource(str(uri))).model_dump_json())
        except MCPError as error:
            message.append(str(error))
    return "\n".join(message)


@pytest.mark.anyio
async def test_no_result_shows_how_to_reach_the_database(postgres: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.DEBUG):
        async with guarded(world, approval="all", database=postgres.store()) as client:
            texts = await everything_said(client, room(world.sandbox))
    assert "approvals approve" in texts
    assert leaks(texts + caplog.text) == []


@pytest.mark.anyio
async def test_no_error_shows_how_to_reach_a_database_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.DEBUG):
        async with guarded(world, approval="all", database=UNREACHABLE) as client:
            result = await client.call_tool("end_conference", {"conference_id": room(world.sandbox)})
            listed = await client.call_tool("list_events", {})
    assert leaks(result.model_dump_json() + listed.model_dump_json() + caplog.text) == []


@pytest.mark.anyio
@pytest.mark.parametrize("page", [True, False])
async def test_a_refusal_over_http_names_the_operator_page_and_no_database_or_path(
    postgres: Cluster, tmp_path: Path, page: bool
) -> None:
    options = ("--sandbox", "--approval", "all", "--database", postgres.store())
    with telnyx() as phone:
        async with site(*options, *(("--operator-page", "0") if page else ()), home=tmp_path, env=phone.env) as server:
            async with server.client() as client:
                refused = await client.call_tool("create_queue", {"queue_name": "support2"})
            pages = [(await server.get(path)).text for path in PAGES]
            message = refused.model_dump_json()
            assert refused.is_error
            where = f"operator page, http://127.0.0.1:{server.port}/operator" if page else "on this server's machine"
            assert where in message
            assert str(tmp_path) not in message
            assert "/bin/telnyx" not in message
    assert leaks(message + json.dumps(pages) + server.log.read_text()) == []


def test_no_command_shows_the_user_or_password_of_its_database() -> None:
    env = {"TELNYX_CONFERENCING_DATABASE": UNREACHABLE}
    found: dict[str, list[str]] = {}
    for command in COMMANDS:
        done = run(*command.split(), env=env)
        if leaked := leaks(done.stdout + done.stderr):
            found[command] = leaked
    for url in (UNREACHABLE.upper(), f"{CANARY_USER}:CANARY@host/x", f"mysql://{CANARY_USER}:CANARY@host/x"):
        done = run("approvals", "--database", url)
        if leaked := leaks(done.stdout + done.stderr):
            found[url] = leaked
    assert found == {}
