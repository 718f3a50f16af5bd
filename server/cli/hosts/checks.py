"""What must be right for the server to work: each check says that it is well, or the one thing to do."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx2

from ...adapters.api_key import key_of
from ...asgi_server import LOOPBACK, listen
from ...database import StoreError, default_url, redacted_url
from ...settings import Settings, SettingsError
from ...stores import open_event_store, store_identity
from ...webhooks.receiver import HEALTH_PATH, store_marker
from ...webhooks.signature import create_verifier
from ..terminal import CommandFailed
from .install import configured
from .registry import HOSTS, NAME, Host


class State(StrEnum):
    """How it is."""

    GOOD = "good"
    WRONG = "wrong"
    NOTE = "note"
    """Neither: it is not used, or could not be told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    state: State
    says: str
    do: str = ""
    """The one thing to do, if it is wrong."""


def every(settings: Settings) -> Iterator[Finding]:
    """All of them, each as soon as it is known."""
    yield from telnyx(settings)
    yield public_key(settings)
    yield from webhooks(settings)
    yield store(settings)
    yield from hosts()


_PATIENCE = 10
"""Seconds for an answer."""
_TOLERANCE = 300
"""Seconds that a clock may be off before signed webhooks are refused."""
_NOTICED = 5


def telnyx(settings: Settings) -> Iterator[Finding]:
    """The key, the connection and the clock, by one read that costs nothing."""
    if settings.sandbox:
        yield Finding("key", State.NOTE, "none is needed on the embedded Telnyx")
        return
    try:
        key = key_of(settings)
    except SettingsError as wrong:
        yield Finding("key", State.WRONG, str(wrong), "Set TELNYX_API_KEY, or run install again.")
        return
    try:
        headers = {"Authorization": f"Bearer {key}"}
        ask = {"page[size]": "1"}
        answer = httpx2.get(f"{settings.base_url}/conferences", params=ask, headers=headers, timeout=_PATIENCE)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as failed:
        why = str(failed) or type(failed).__name__
        yield Finding(
            "connection",
            State.WRONG,
            f"{urlsplit(settings.base_url).netloc} cannot be reached: {why}",
            "Look at the network, the proxy, and TELNYX_BASE_URL if it is set.",
        )
        return
    yield Finding("connection", State.GOOD, f"{urlsplit(settings.base_url).netloc} answers")
    yield _key(answer.status_code)
    yield _clock(answer.headers.get("date"))


def _key(status: int) -> Finding:
    if status in (401, 403):
        said = "Telnyx does not know it" if status == 401 else "Telnyx does not let it read conferences"
        do = "Make a key in the Telnyx portal under API Keys, and put it where this one is (install does)."
        return Finding("key", State.WRONG, said, do)
    if status != 200:
        return Finding("key", State.NOTE, f"cannot be told: Telnyx answers {status}")
    return Finding("key", State.GOOD, "Telnyx takes it")


def _clock(date: str | None) -> Finding:
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        return Finding("clock", State.NOTE, "cannot be compared: Telnyx gives no date")
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    off = abs((datetime.now(UTC) - there).total_seconds())
    if off > _TOLERANCE:
        do = "Set this machine's clock by the network: webhooks are refused as stale."
        return Finding("clock", State.WRONG, f"{off:.0f} s off Telnyx's", do)
    return Finding(
        "clock", State.GOOD, "as Telnyx's" if off <= _NOTICED else f"{off:.0f} s off Telnyx's, which will do"
    )


def public_key(settings: Settings) -> Finding:
    """Telnyx's public key can be one."""
    name = "public key"
    if settings.sandbox:
        return Finding(name, State.NOTE, "the embedded Telnyx has its own")
    if not settings.public_key:
        return Finding(name, State.NOTE, "TELNYX_PUBLIC_KEY is not set, which only webhooks need")
    try:
        create_verifier(settings, None)
    except SettingsError as wrong:
        return Finding(name, State.WRONG, str(wrong), "Copy it from the Telnyx portal, Keys & Credentials, Public Key.")
    return Finding(name, State.GOOD, "can be read")


def webhooks(settings: Settings) -> Iterator[Finding]:
    """The webhook port, and whoever answers on it."""
    port = settings.webhook_port
    if port is None:
        yield Finding("webhooks", State.NOTE, "are not received: --webhook-port is not given")
        return
    address = f"{LOOPBACK}:{port}"
    try:
        answer = httpx2.get(f"http://{address}{HEALTH_PATH}", timeout=_PATIENCE, trust_env=False)
    except httpx2.ConnectError:
        yield _listenable(port)
        yield Finding("webhooks", State.NOTE, "nobody receives them now: a server does, from its start")
        return
    except httpx2.HTTPError:
        yield _taken(port)
        return
    yield from _answering(port, answer, settings)


def _listenable(port: int) -> Finding:
    try:
        listen(port).close()
    except OSError as error:
        said = f"{port} cannot be listened on ({(error.strerror or type(error).__name__).lower()})"
        return Finding("port", State.WRONG, said, "Choose another --webhook-port.")
    return Finding("port", State.GOOD, f"{port} is free")


def _taken(port: int) -> Finding:
    said = f"{port} is held by another program"
    return Finding("port", State.WRONG, said, "Choose another --webhook-port, or end that program.")


def _answering(port: int, answer: httpx2.Response, settings: Settings) -> Iterator[Finding]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    ours = store_marker(store_identity(settings))
    if not isinstance(said, dict) or said.get("server") != ours["server"]:  # pyright: ignore[reportUnknownMemberType]
        yield _taken(port)
        return
    yield Finding("port", State.GOOD, f"{port} is held by {NAME}")
    if said.get("store") != ours["store"]:  # pyright: ignore[reportUnknownMemberType]
        do = "Give all servers the same --database, or each its own --webhook-port."
        yield Finding("webhooks", State.WRONG, "go to a server with another store", do)
    else:
        yield Finding("webhooks", State.GOOD, f"are received at http://{LOOPBACK}:{port}")


def store(settings: Settings) -> Finding:
    """The store opens."""

    async def look(url: str) -> None:
        async with open_event_store(settings, url):
            pass

    if settings.sandbox and settings.database is None:
        return Finding("store", State.NOTE, "practice is kept in a file that goes when the server ends")
    begun = time.monotonic()
    try:
        url = settings.database or default_url()
        anyio.run(look, url)
    except StoreError as why:
        return Finding("store", State.WRONG, "cannot be used", str(why))
    return Finding("store", State.GOOD, f"{redacted_url(url)} opens in {time.monotonic() - begun:.1f} s")


def hosts() -> Iterator[Finding]:
    """Every host that is configured, or whose configuration cannot be read."""
    found = [finding for host in HOSTS.values() if (finding := _host(host))]
    yield from found or [Finding("hosts", State.NOTE, f"none starts this server: {NAME} install puts it into one")]


def _host(host: Host) -> Finding | None:
    try:
        server = configured(host)
    except CommandFailed as why:
        return Finding(host.title, State.WRONG, "its configuration cannot be read", why.message)
    if server is None:
        return None
    program = str(server.get("command", ""))
    if not Path(program).is_file():
        do = f"Run {NAME} install {host.name} again."
        return Finding(host.title, State.WRONG, f"starts {program}, which is not there", do)
    return Finding(host.title, State.GOOD, f"starts it with {' '.join(map(str, server.get('args', ())))}")


def as_json(finding: Finding) -> str:
    """One line of JSON."""
    said = {"name": finding.name, "state": str(finding.state), "says": finding.says, "do": finding.do}
    return json.dumps({key: value for key, value in said.items() if value}, ensure_ascii=False)
