"""Access checks of a server over HTTP, its probes and its metrics."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import httpx2
import pytest

from support.command_line import run
from support.mcp import call, refusal
from support.mcp_http import Site, site
from support.telnyx import telnyx
from support.tokens import CONTROL, create_token
from support.webhooks import body_of, signed_headers
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
        token = await create_token(home, "anna", CONTROL)
        async with site(*options, home=home, env=env) as served:
            served.token = token
            yield served


JSON_AND_SSE = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


REQUESTS: Sequence[tuple[str, str, Mapping[str, str], int]] = (
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
    ("GET", "/operator", {}, 200),
    ("GET", "/operator/api/events", {}, 401),
    ("GET", "/operator", {"host": "rebound.example"}, 421),
    ("GET", "/operator", {"host": "team.example"}, 200),
    ("GET", "/webhooks/telnyx", {}, 405),
    ("POST", "/webhooks/telnyx", {"host": "tunnel.example"}, 401),
    ("GET", "/", {}, 404),
    ("GET", "/mcp/more", {}, 404),
    ("GET", "/operators", {}, 404),
)
"""Requests with the status of their response."""


async def test_each_path_checks_the_host_the_origin_and_the_method(server: Site) -> None:
    wrong = {}
    for method, path, headers, status in REQUESTS:
        answer = await server.request(method, path, JSON_AND_SSE | dict(headers))
        if answer.status_code != status:
            wrong[method, path, *headers.items()] = (answer.status_code, answer.text)
    assert wrong == {}


async def test_only_under_its_own_names_a_server_tells_its_store_from_others(server: Site) -> None:
    for host, is_own in (("127.0.0.1", True), ("team.example", True), ("whatever.example", False)):
        answer = await server.get("/healthz", host=host)
        assert (answer.json()["status"], "store" in answer.json()) == ("alive", is_own), host


async def test_a_body_over_one_megabyte_is_refused(server: Site) -> None:
    answer = await server.request("POST", "/mcp", JSON_AND_SSE, b" " * 1_048_577)
    assert answer.status_code == 413


async def test_metrics_count_calls_and_webhooks_without_personal_data(server: Site) -> None:
    body = body_of("counted", **{"from": "+12025550111"})
    async with httpx2.AsyncClient(trust_env=False) as http:
        for content, headers in (
            (body, signed_headers(SIGNER, body)),
            (body, {}),
            (body, signed_headers(SIGNER, body)),
        ):
            await http.post(f"{server.url}/webhooks/telnyx", content=content, headers=headers)
    async with server.client() as client:
        await call(client, "list_queues")
        await refusal(client, "delete_queue", queue_name="support")
    metrics = (await server.get("/metrics")).text
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
        assert line in metrics
    assert "+1202" not in metrics
    assert "support" not in metrics


async def test_the_log_has_one_json_line_for_a_call_without_its_content(server: Site) -> None:
    async with server.client() as client:
        await call(client, "create_queue", queue_name="unheard-of")
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line.get("tool") == "create_queue"]
    assert line["outcome"] == "done"
    assert {"time", "level", "ms", "session", "call", "request_id", "telnyx_request_id"} <= line.keys()
    assert "unheard-of" not in server.log.read_text()


IMPOSSIBLE_OPTIONS: Sequence[tuple[tuple[str, ...], str]] = (
    (("--host", "0.0.0.0"), "needs --allowed-hosts"),
    (("--host", "0.0.0.0", "--allowed-hosts", "team.example"), "the store has none yet"),
    (("--allowed-hosts", "team.example"), "the store has none yet"),
    (("--require-tokens",), "telnyx-conferencing tokens create NAME"),
    (("--require-tokens",), "A sandbox needs --database"),
    (("--oauth-issuer", "https://login.example"), "--oauth-issuer and --oauth-audience need each other"),
    (("--oauth-issuer", "http://login.example", "--oauth-audience", "https://a.example"), "must be an https URL"),
    (("--oauth-jwks-url", "https://login.example/keys"), "needs --oauth-issuer"),
    (("--webhook-port", "9000"), "/webhooks/telnyx"),
    (("--host", "10.0.0.1", "--insecure-webhooks"), "needs a loopback --host"),
)
"""Options with what the error says."""


def test_the_server_does_not_start_with_options_that_leave_it_open_or_unreachable() -> None:
    env = {"TELNYX_PUBLIC_KEY": SIGNER.public_key}
    wrong = {}
    for options, error in IMPOSSIBLE_OPTIONS:
        ended = run("serve", "--transport", "http", "--sandbox", "--port", "0", *options, env=env)
        if ended.returncode != 2 or error not in ended.stderr:
            wrong[options] = (ended.returncode, ended.stderr)
    assert wrong == {}


async def test_a_server_with_a_wrong_api_key_is_not_ready(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with site(home=tmp_path, env={**phone.env, "TELNYX_API_KEY": "secret-but-wrong"}) as unready:
            answer = await unready.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == {"telnyx": "Telnyx does not accept the API key"}
    assert "secret" not in answer.text
