"""What a server over HTTP answers whom: health, readiness, metrics, hosts, origins, sizes."""

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import httpx2
import pytest

from support.command_line import run
from support.mcp import call, refusal
from support.mcp_http import Site, site
from support.telnyx import telnyx
from support.tokens import CONTROL, given
from support.webhooks import body_of, signed
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = pytest.mark.anyio

SIGNER = Signer()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    with telnyx() as phone:
        env = {**phone.env, "TELNYX_PUBLIC_KEY": SIGNER.public_key}
        options = ("--allowed-hosts", "team.example", "--operator-page", "0", "--log-format", "json")
        home = tmp_path_factory.mktemp("site")
        token = await given(home, "anna", CONTROL)
        async with site(*options, home=home, env=env) as served:
            served.token = token
            yield served


JSON_AND_SSE = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/healthz", {}, 200),
        ("GET", "/healthz", {"host": "whatever.example"}, 200),
        ("POST", "/healthz", {}, 405),
        ("GET", "/readyz", {}, 200),
        ("GET", "/metrics", {}, 200),
        ("DELETE", "/metrics", {}, 405),
        ("GET", "/metrics", {"host": "rebound.example"}, 421),
        ("POST", "/mcp", {"host": "rebound.example"}, 421),
        ("POST", "/mcp", {"origin": "https://evil.example"}, 403),
        ("POST", "/mcp", {"origin": "null"}, 403),
        ("POST", "/mcp", {"host": "team.example", "content-type": "text/plain"}, 400),
        ("POST", "/mcp", {"origin": "https://team.example", "content-type": "text/plain"}, 400),
        ("GET", "/operator", {}, 401),
        ("GET", "/operator", {"host": "rebound.example"}, 421),
        ("GET", "/operator", {"host": "team.example"}, 401),
        ("GET", "/webhooks/telnyx", {}, 405),
        ("POST", "/webhooks/telnyx", {"host": "tunnel.example"}, 401),
        ("GET", "/", {}, 404),
        ("GET", "/mcp/more", {}, 404),
        ("GET", "/operators", {}, 404),
    ],
)
async def test_who_is_answered_what(
    server: Site, method: str, path: str, headers: Mapping[str, str], status: int
) -> None:
    answer = await server.request(method, path, JSON_AND_SSE | dict(headers))
    assert answer.status_code == status, answer.text


async def test_a_body_that_is_too_large_is_refused_without_being_read(server: Site) -> None:
    answer = await server.request("POST", "/mcp", JSON_AND_SSE, b" " * 1_048_577)
    assert answer.status_code == 413


async def test_numbers_tell_what_was_done_and_nothing_of_whom(server: Site) -> None:
    body = body_of("counted", **{"from": "+12025550111"})
    async with httpx2.AsyncClient(trust_env=False) as http:
        for content, headers in ((body, signed(SIGNER, body)), (body, {}), (body, signed(SIGNER, body))):
            await http.post(f"{server.url}/webhooks/telnyx", content=content, headers=headers)
    async with server.client() as client:
        await call(client, "list_queues")
        await refusal(client, "delete_queue", queue_name="support")
    told = (await server.get("/metrics")).text
    for line in (
        'telnyx_conferencing_calls_total{outcome="done",tool="list_queues"} 1.0',
        'telnyx_conferencing_calls_total{outcome="pending",tool="delete_queue"} 1.0',
        'telnyx_conferencing_events_total{type="conference.participant.joined"} 1.0',
        'telnyx_conferencing_webhooks_total{result="accepted"} 1.0',
        'telnyx_conferencing_webhooks_total{result="duplicate"} 1.0',
        'telnyx_conferencing_webhooks_total{result="signature missing"}',
        'telnyx_conferencing_approvals_total{answer="nobody",by="client"} 1.0',
        "telnyx_conferencing_pending_approvals 1.0",
        'telnyx_conferencing_telnyx_request_seconds_count{command="list_queues",status="2xx"}',
        "telnyx_conferencing_intake_lag_seconds_count 1.0",
    ):
        assert line in told
    assert "+1202" not in told
    assert "support" not in told


async def test_a_call_is_one_line_of_json_without_its_content(server: Site) -> None:
    async with server.client() as client:
        await call(client, "create_queue", queue_name="unheard-of")
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line.get("tool") == "create_queue"]
    assert line["outcome"] == "done"
    assert {"time", "level", "ms", "session", "call", "request_id", "telnyx_request_id"} <= line.keys()
    assert "unheard-of" not in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "needs --allowed-hosts"),
        (("--host", "0.0.0.0", "--allowed-hosts", "team.example"), "the store has none yet"),
        (("--allowed-hosts", "team.example"), "the store has none yet"),
        (("--require-tokens",), "telnyx-conferencing tokens create NAME"),
        (("--oauth-issuer", "https://login.example"), "--oauth-issuer and --oauth-audience belong together"),
        (("--oauth-issuer", "http://login.example", "--oauth-audience", "https://a.example"), "must be an https URL"),
        (("--oauth-jwks-url", "https://login.example/keys"), "needs --oauth-issuer"),
        (("--webhook-port", "9000"), "/webhooks/telnyx"),
        (("--host", "10.0.0.1", "--insecure-webhooks"), "for a loopback address"),
    ],
)
def test_what_it_does_not_start_with(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    env = {"TELNYX_PUBLIC_KEY": SIGNER.public_key}
    ended = run("serve", "--transport", "http", "--sandbox", "--port", "0", *options, env=env)
    assert ended.returncode == 2
    assert said in ended.stderr


async def test_a_key_that_telnyx_does_not_accept_makes_a_server_unready(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with site(home=tmp_path, env={**phone.env, "TELNYX_API_KEY": "secret-but-wrong"}) as unready:
            answer = await unready.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == {"telnyx": "Telnyx does not accept the API key"}
    assert "secret" not in answer.text
