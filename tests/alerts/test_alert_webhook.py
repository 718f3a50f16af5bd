"""Alerts sent to the operator's webhook: signed as Standard Webhooks has it, repeated, and sent once for each alert."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from support.alerts import RAISED, Watched, alerting_client
from support.homes import Home
from support.http import NO_TLS, serve_app
from support.mcp import call, connected
from support.webhooks import eventually, free_port, list_all_events, posting_telnyx, url_of, wait_until_listening
from telnyx_conferencing.server.adapters.running_servers import running_servers
from telnyx_conferencing.server.alerts.deliveries import RETRY_DELAYS
from telnyx_conferencing.server.alerts.webhook import AlertWebhook
from telnyx_conferencing.server.http.app import open_http_app
from telnyx_conferencing.server.settings import SettingsError, load

pytestmark = pytest.mark.anyio

KEYS = (b"the new key, of 32 bytes or so..", b"the old key, of 32 bytes or so..")
SECRETS = ",".join(f"whsec_{base64.b64encode(key).decode()}" for key in KEYS)
LONG_WAIT = '[[alerts]]\nname = "long-wait"\nwhen = "queue_wait"\nafter = "1m"\n'


@dataclass
class Receiver:
    """The operator's receiver, with an answer that the test chooses."""

    url: str = ""
    status: int = 200
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])

    async def take(self, request: Request) -> Response:
        self.requests.append((dict(request.headers), await request.body()))
        return Response(status_code=self.status, headers={"location": "/elsewhere"})

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]


@contextmanager
def receiver() -> Generator[Receiver]:
    receives = Receiver()
    app = Starlette(routes=[Route("/{path:path}", receives.take, methods=["POST", "GET"])])
    with serve_app(app) as url:
        receives.url = f"{url}/alerts"
        yield receives


class Sender:
    """The sender of a server in this process; it sends when the test says so."""

    def __init__(self, server: Watched, url: str, http: httpx2.AsyncClient) -> None:
        self.server = server
        self.webhook = AlertWebhook(server.service, url, KEYS)
        self._http = http

    async def send(self, after: float = 0) -> None:
        await self.server.sandbox.advance(after)
        await self.webhook.send_due(await self.server.service.connection.database(), self._http)


@asynccontextmanager
async def sending(url: str, directory: Path, **given: Any) -> AsyncGenerator[Sender]:
    async with (
        alerting_client(LONG_WAIT, directory, **given) as server,
        httpx2.AsyncClient(trust_env=False, verify=NO_TLS, follow_redirects=False) as http,
    ):
        sender = Sender(server, url, http)
        await sender.send()
        yield sender


async def test_an_alert_is_posted_with_a_signature_by_each_secret(tmp_path: Path) -> None:
    with receiver() as receives:
        async with sending(receives.url, tmp_path) as sender:
            leg = await sender.server.queue_up("+12025550188")
            await sender.server.after(61)
            await sender.send()
            await sender.send(3600)
            [raised] = await sender.server.events()
    [(headers, body)] = receives.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digests = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in KEYS]
    assert headers["webhook-signature"] == f"v1,{digests[0]} v1,{digests[1]}"
    assert headers["webhook-id"] == raised["id"]
    assert headers["content-type"] == "application/json"
    message = json.loads(body)
    assert (message["type"], message["timestamp"]) == (RAISED, raised["occurred_at"])
    assert message["data"]["call_control_id"] == leg
    assert message["data"]["message"] == raised["payload"]["message"]


async def test_a_host_name_that_cannot_exist_is_a_failed_attempt(tmp_path: Path) -> None:
    async with sending("https://a..example/alerts", tmp_path) as sender:
        await sender.server.queue_up("+12025550188")
        await sender.server.after(61)
        await sender.send()
        await sender.send(1)
        assert sender.webhook.results == {"failed": 1}


async def test_a_receiver_that_is_down_for_a_while_gets_each_alert_once_it_is_back(
    address: str, tmp_path: Path
) -> None:
    with receiver() as receives:
        receives.status = 503
        async with sending(receives.url, tmp_path, database=address) as sender:
            leg = await sender.server.queue_up("+12025550188")
            await sender.server.after(61)
            for delay in (0, 5, 30):
                await sender.send(delay)
            assert len(receives.requests) == 3
            problem = sender.webhook.problems()
            await sender.send(119)
            assert len(receives.requests) == 3
            receives.status = 204
            sender.server.hang_up(leg)
            await sender.server.after(1)
            await sender.server.after(11)
            await sender.send()
            await sender.send(3600)
            assert sender.webhook.problems() == {}
    assert problem == {"alert webhook": "1 alert event is about to be sent again to 127.0.0.1: it answered 503"}
    assert sorted(message["type"] for message in receives.messages()[3:]) == ["alert.cleared", "alert.raised"]
    assert len({headers["webhook-id"] for headers, _ in receives.requests}) == 2


async def test_a_delivery_that_fails_for_good_is_reported_and_not_repeated(address: str, tmp_path: Path) -> None:
    with receiver() as receives:
        receives.status = 302
        async with sending(receives.url, tmp_path, database=address) as sender:
            sender.server.board.alert_trouble = lambda: sender.webhook.problems().get("alert webhook", "")
            await sender.server.queue_up("+12025550188")
            await sender.server.after(61)
            for delay in (0, *(delay.total_seconds() for delay in RETRY_DELAYS), 100_000):
                await sender.send(delay)
            problems = sender.webhook.problems()
            shown = await sender.server.board.live()
    assert len(receives.requests) == len(RETRY_DELAYS) + 1
    assert problems == {
        "alert webhook": "1 alert event could not be delivered in the last 7 days to 127.0.0.1: it answered 302"
    }
    assert shown["alert_trouble"] == problems["alert webhook"]


async def test_a_receiver_that_is_gone_gets_no_second_attempt(tmp_path: Path) -> None:
    with receiver() as receives:
        receives.status = 410
        async with sending(receives.url, tmp_path) as sender:
            await sender.server.queue_up("+12025550188")
            await sender.server.after(61)
            await sender.send()
            await sender.send(3600)
            assert sender.webhook.results == {"given up": 1}
    assert len(receives.requests) == 1


async def test_alerts_from_before_the_webhook_was_set_up_are_not_sent(tmp_path: Path) -> None:
    with receiver() as receives:
        async with (
            alerting_client(LONG_WAIT, tmp_path) as server,
            httpx2.AsyncClient(trust_env=False, verify=NO_TLS) as http,
        ):
            await server.queue_up("+12025550188")
            await server.after(61)
            await Sender(server, receives.url, http).send()
    assert receives.requests == []


async def test_of_two_processes_on_one_store_one_raises_each_alert_and_one_sends_it(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[alerts]]\nname = "w"\nwhen = "queue_wait"\nqueues = ["sales"]\nafter = "1s"\nclear_after = "1s"\n'
    )
    port = free_port()
    with receiver() as receives, posting_telnyx(port) as telnyx:
        env = {
            **telnyx.env,
            "TELNYX_PUBLIC_KEY": telnyx.sandbox.public_key,
            "TELNYX_CONFERENCING_ALERT_SECRET": SECRETS,
        }
        options = ("--policy", str(policy), "--alert-webhook", receives.url, "--database", url_of(tmp_path / "e.db"))
        async with (
            connected("--webhook-port", str(port), *options, "--approval", "never", env=env) as one,
            connected(*options, env=env) as other,
        ):
            for client in (one, other):
                await client.list_tools()
            await wait_until_listening(port)
            for number in ("+12025550188", "+12025550189"):  # the second shows that the first is not raised again
                called = telnyx.request("POST", "/sandbox/calls", {"from": number})["data"]["call_control_id"]
                await call(one, "enqueue_call", call_control_id=called, queue_name="sales")
                about = {"call_control_id": called, "timeout_secs": 20}
                await call(other, "wait_for_event", types=[RAISED], **about)
                telnyx.request("POST", f"/sandbox/calls/{called}/hangup")
                await call(one, "wait_for_event", types=["alert.cleared"], **about)

            async def all_sent() -> bool:
                return len(receives.requests) >= 4

            await eventually(all_sent)
            alerts = await list_all_events(other, types=["alert.*"])
    assert [event["type"] for event in alerts] == ["alert.cleared", "alert.raised"] * 2
    assert sorted(headers["webhook-id"] for headers, _ in receives.requests) == sorted(one["id"] for one in alerts)


async def test_metrics_count_raised_alerts_and_deliveries(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(LONG_WAIT)
    with receiver() as receives:
        settings = load(
            sandbox=True,
            transport="http",
            database=url_of(tmp_path / "events.db"),
            policy=policy,
            alert_webhook=receives.url,
            alert_secret=SECRETS,
        )
        async with open_http_app(settings) as served_app:
            transport = httpx2.ASGITransport(served_app.app)
            async with httpx2.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{settings.port}") as http:

                async def all_sent() -> str:
                    text = (await http.get("/metrics")).text
                    return text if 'alert_deliveries_total{result="delivered"}' in text else ""

                metrics = await eventually(all_sent)
    # In the scene, five calls have waited for long: three of them in the queue support, and one for less than a minute.
    assert 'telnyx_conferencing_alerts_raised{alert="long-wait"} 4.0' in metrics
    assert "telnyx_conferencing_alert_deliveries_waiting 0.0" in metrics
    assert "telnyx_conferencing_alert_deliveries_given_up 0.0" in metrics


async def test_doctor_reports_alerts_that_are_not_delivered(tmp_path: Path) -> None:
    home, policy = Home(tmp_path), tmp_path / "policy.toml"
    policy.write_text(LONG_WAIT)
    with receiver() as receives, pytest.MonkeyPatch.context() as patch:
        receives.status = 410
        for name, value in home.env.items():
            patch.setenv(name, value)
        settings = load(
            sandbox=True,
            transport="http",
            database=url_of(tmp_path / "events.db"),
            policy=policy,
            alert_webhook=receives.url,
            alert_secret=SECRETS,
        )
        async with open_http_app(settings):

            async def has_given_up() -> bool:
                return any(server.problems for server in running_servers())

            await eventually(has_given_up)
            ended = await anyio.to_thread.run_sync(partial(home.run, "doctor", "--json", "--sandbox"))
    findings: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]
    [finding] = [finding for finding in findings if finding["name"] == "server: alert webhook"]
    assert (ended.returncode, finding["state"]) == (1, "wrong")
    assert "could not be delivered in the last 7 days to 127.0.0.1: it answered 410" in finding["says"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"alert_webhook": "https://example.com/alerts"}, "ALERT_SECRET"),
        ({"alert_webhook": "http://example.com/alerts", "alert_secret": SECRETS}, "must be an https URL"),
        ({"alert_webhook": "https://example.com:99999/", "alert_secret": SECRETS}, "must be an https URL"),
        ({"alert_webhook": "https://[::1/", "alert_secret": SECRETS}, "must be an https URL"),
        ({"alert_webhook": "https://exam ple.com/", "alert_secret": SECRETS}, "must be an https URL"),
        ({"alert_secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"alert_secret": "secret"}, "24 to 64 bytes"),
    ],
)
def test_a_webhook_that_is_not_safe_is_refused_at_the_start(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        load(**given)
    assert "c2hvcnQ" not in str(refused.value)


def test_the_secret_is_shown_nowhere() -> None:
    settings = load(alert_webhook="https://example.com/path-of-its-own", alert_secret=SECRETS)
    assert SECRETS not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "path-of-its-own" not in repr(settings)
