"""Webhooks as Telnyx posts them, to a server that listens on a loopback port."""

import itertools
import json
import os
import random
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
from mcp.client import Client

from support.http import NO_TLS, serve_app
from support.mcp import call, connected
from support.telnyx import Telnyx
from telnyx_conferencing.server.events.event import EventFilter, StoredEvent
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.sandbox import Fault, Sandbox, create_app
from telnyx_conferencing.server.sandbox.webhooks import Signer

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds after which what has not happened will not happen."""
NOWHERE: Mapping[str, str] = {"TELNYX_API_KEY": "KEYtests", "TELNYX_BASE_URL": "http://127.0.0.1:9/v2"}
"""An account at a Telnyx that cannot be reached."""


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(random.sample(range(12_000 + _WORKER % 8, 32_000, 8), 2_500))


def free_port() -> int:
    """A free port that no other worker gets and that no outgoing connection uses."""
    while True:
        port = next(_ports)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def url_of(store: Path | str) -> str:
    """The URL of a store in this file; a URL as it is."""
    return store if isinstance(store, str) else f"sqlite:///{store}"


def body_of(name: str, event_type: str = "conference.participant.joined", **payload: Any) -> bytes:
    """An event with this id that happens now, in its envelope."""
    happened = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event = {
        "record_type": "event",
        "event_type": event_type,
        "id": name,
        "occurred_at": happened,
        "payload": {"conference_id": "room", "call_control_id": "v3:anna", **payload},
    }
    return json.dumps({"data": event, "meta": {"attempt": 1}}).encode()


def signed_headers(signer: Signer, body: bytes, ago: float = 0) -> dict[str, str]:
    """The headers with which Telnyx posted this body, this many seconds ago."""
    return signer.headers(body, datetime.now(UTC) - timedelta(seconds=ago))


def post(port: int, body: bytes, headers: Mapping[str, str]) -> int:
    """Post a webhook; the status."""
    with httpx2.Client(trust_env=False, verify=NO_TLS, timeout=PATIENCE) as http:
        return http.post(f"http://127.0.0.1:{port}/webhooks/telnyx", content=body, headers=dict(headers)).status_code


async def eventually(look: Callable[[], Awaitable[T]], pause_s: float = 0.02) -> T:
    """The first answer that says something, asked for until there is one."""
    with anyio.fail_after(PATIENCE):
        while True:
            if answer := await look():
                return answer
            await anyio.sleep(pause_s)


async def wait_until_listening(port: int) -> None:
    """Wait until a server answers on its webhook port."""

    async def look() -> bool:
        try:
            async with httpx2.AsyncClient(trust_env=False, verify=NO_TLS) as http:
                return (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        except httpx2.TransportError:
            return False

    await eventually(look)


async def stored_in(path: Path | str, event_filter: EventFilter | None = None) -> list[StoredEvent]:
    """What is in a store, oldest first."""
    async with Store.open(url_of(path)) as store:
        return await store.find(event_filter or EventFilter(), limit=100_000, newest_first=False)


async def list_all_events(client: Client, **arguments: Any) -> list[dict[str, Any]]:
    """Every event that a server lists, newest first."""
    page = await call(client, "list_events", limit=100, **arguments)
    events: list[dict[str, Any]] = page["events"]
    while "next_cursor" in page:
        page = await call(client, "list_events", limit=100, cursor=page["next_cursor"], **arguments)
        events += page["events"]
    return events


async def has_all(client: Client, event_ids: set[str]) -> bool:
    """Whether a server lists all events with these ids."""
    return {event["id"] for event in await list_all_events(client)} >= event_ids


def ids(sandbox: Sandbox) -> set[str]:
    """The ids of all events that were ever emitted."""
    return {envelope.get("data", envelope)["id"] for envelope in sandbox.events}


@contextmanager
def posting_telnyx(port: int, *, remembers: bool = True) -> Generator[Telnyx]:
    """A Telnyx over HTTP that posts its webhooks to this port; if it does not remember, none can be asked for later."""
    sandbox = Sandbox(webhook_url=f"http://127.0.0.1:{port}/webhooks/telnyx")
    if not remembers:
        sandbox.faults.add(Fault(kind="status", status=403, path="webhook_deliveries"))
    with serve_app(create_app(sandbox)) as url:
        yield Telnyx(sandbox, url)


@asynccontextmanager
async def receiving_client(telnyx: Telnyx, port: int, database: Path) -> AsyncGenerator[Client]:
    """A client of a server that listens on this port for this Telnyx's webhooks, and looks for missed ones too."""
    env = {**telnyx.env, "TELNYX_PUBLIC_KEY": telnyx.sandbox.public_key}
    arguments = ("--webhook-port", str(port), "--catch-up", "1s", "--database", url_of(database))
    async with connected(*arguments, "--approval", "never", env=env) as client:
        await client.list_tools()
        await wait_until_listening(port)
        yield client
