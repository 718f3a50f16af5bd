"""The checks of `doctor`: each reports that something works, or what to do about it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx2

from ...adapters.api_key import key_of
from ...adapters.guard_factory import policy_source
from ...adapters.running_servers import running_servers
from ...asgi_server import LOOPBACK, listen
from ...database import StoreError, default_url, redacted_url
from ...settings import Settings, SettingsError
from ...stores import open_event_store, store_identity
from ...webhooks.receiver import HEALTH_PATH, store_marker
from ...webhooks.signature import create_verifier
from ..terminal import CommandFailed, program
from .install import configured_server
from .registry import HOSTS, NAME, Host

_TIMEOUT_S = 10
_MAX_CLOCK_ERROR_S = 300
"""With a larger error, signed webhooks are refused as stale."""
_UNNOTICED_CLOCK_ERROR_S = 5


class State(StrEnum):
    """The result of a check."""

    GOOD = "good"
    WRONG = "wrong"
    NOTE = "note"
    """Neither: it is not used, or it could not be checked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    state: State
    says: str
    do: str = ""
    """The fix, if something is wrong."""


def as_json(finding: Finding) -> str:
    """A finding as a line of JSON, without empty fields."""
    fields = {"name": finding.name, "state": str(finding.state), "says": finding.says, "do": finding.do}
    return json.dumps({key: value for key, value in fields.items() if value})


def check_settings(settings: Settings) -> Iterator[Finding]:
    """What a server with these settings needs, each finding as soon as it is known."""
    yield from _check_telnyx(settings)
    yield _check_public_key(settings)
    yield from _check_webhooks(settings)
    yield from _check_policy(settings)
    yield _check_store(settings)


def _check_telnyx(settings: Settings) -> Iterator[Finding]:
    """The key, the connection and the clock, with one read that is free of charge."""
    if settings.sandbox:
        yield Finding("key", State.NOTE, "not needed on the sandbox")
        return
    try:
        key = key_of(settings)
    except SettingsError as error:
        yield Finding("key", State.WRONG, str(error), f"To set up a host with a key: {program()} install HOST")
        return
    host = urlsplit(settings.base_url).netloc
    try:
        response = httpx2.get(
            f"{settings.base_url}/conferences",
            params={"page[size]": "1"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        message = f"{host} cannot be reached: {str(error) or type(error).__name__}"
        fix = "Check the network, the proxy, and TELNYX_BASE_URL if it is set."
        yield Finding("connection", State.WRONG, message, fix)
        return
    yield Finding("connection", State.GOOD, f"{host} answers")
    yield _check_key(response.status_code)
    yield _check_clock(response.headers.get("date"))


def _check_key(status: int) -> Finding:
    if status in (401, 403):
        message = "Telnyx does not accept it" if status == 401 else "Telnyx does not allow it to read conferences"
        fix = f"Create a key in the Telnyx portal under API Keys, and run {program()} install HOST again."
        return Finding("key", State.WRONG, message, fix)
    if status != 200:
        return Finding("key", State.NOTE, f"could not be checked: Telnyx answered {status}")
    return Finding("key", State.GOOD, "Telnyx accepts it")


def _check_clock(date: str | None) -> Finding:
    try:
        telnyx_time = parsedate_to_datetime(date or "")
    except ValueError:
        return Finding("clock", State.NOTE, "could not be checked: Telnyx sent no date")
    telnyx_time = telnyx_time if telnyx_time.tzinfo else telnyx_time.replace(tzinfo=UTC)
    seconds = abs((datetime.now(UTC) - telnyx_time).total_seconds())
    message = f"differs from Telnyx's by {seconds:.0f} s"
    if seconds > _MAX_CLOCK_ERROR_S:
        return Finding("clock", State.WRONG, message, "Set this machine's clock: webhooks would be refused as stale.")
    return Finding(
        "clock", State.GOOD, "correct" if seconds <= _UNNOTICED_CLOCK_ERROR_S else f"{message}, which is fine"
    )


def _check_public_key(settings: Settings) -> Finding:
    name = "public key"
    if settings.sandbox:
        return Finding(name, State.NOTE, "not needed on the sandbox")
    if not settings.public_key:
        return Finding(name, State.NOTE, "TELNYX_PUBLIC_KEY is not set; only webhooks need it")
    try:
        create_verifier(settings, None)
    except SettingsError as error:
        fix = "Copy it from the Telnyx portal: Keys & Credentials, Public Key."
        return Finding(name, State.WRONG, str(error), fix)
    return Finding(name, State.GOOD, "valid")


def _check_webhooks(settings: Settings) -> Iterator[Finding]:
    """The webhook port, and the program that answers on it."""
    port = settings.webhook_port
    if port is None:
        yield Finding("webhooks", State.NOTE, _without_port(settings))
        return
    try:
        response = httpx2.get(f"http://{LOOPBACK}:{port}{HEALTH_PATH}", timeout=_TIMEOUT_S, trust_env=False)
    except httpx2.ConnectError:
        yield _check_free_port(port)
        yield Finding("webhooks", State.NOTE, "not received now: a server receives them while it runs")
        return
    except httpx2.HTTPError:
        yield _port_in_use(port)
        return
    yield from _check_receiver(port, response, settings)


def _without_port(settings: Settings) -> str:
    """How events arrive without a webhook port."""
    if settings.sandbox:
        return "not needed: events come directly from the sandbox"
    if settings.transport == "http":
        return "arrive at the server's own port, if TELNYX_PUBLIC_KEY is set"
    if settings.catch_up:
        return f"not received; the server fetches events every {settings.catch_up.total_seconds():.0f} s"
    return "not received: the agent sees no events without --catch-up 5s or --webhook-port"


def _check_free_port(port: int) -> Finding:
    try:
        listen(port).close()
    except OSError as error:
        message = f"{port} cannot be used ({(error.strerror or type(error).__name__).lower()})"
        return Finding("port", State.WRONG, message, "Choose another --webhook-port.")
    return Finding("port", State.GOOD, f"{port} is free")


def _port_in_use(port: int) -> Finding:
    fix = "Choose another --webhook-port, or end that program."
    return Finding("port", State.WRONG, f"{port} is in use by another program", fix)


def _check_receiver(port: int, response: httpx2.Response, settings: Settings) -> Iterator[Finding]:
    try:
        answer: Any = response.json()
    except ValueError:
        answer = None
    ours = store_marker(store_identity(settings))
    fields = cast("Mapping[str, Any]", answer if isinstance(answer, dict) else {})
    if fields.get("server") != ours["server"]:
        yield _port_in_use(port)
        return
    yield Finding("port", State.GOOD, f"{port} is in use by {NAME}")
    if fields.get("store") != ours["store"]:
        fix = "Give all servers the same --database, or give each its own --webhook-port."
        yield Finding("webhooks", State.WRONG, "received by a server with another store", fix)
    else:
        yield Finding("webhooks", State.GOOD, f"received at http://{LOOPBACK}:{port}")


def _check_policy(settings: Settings) -> Iterator[Finding]:
    if settings.policy is None:
        return
    try:
        policy_source(settings)
    except SettingsError as error:
        fix = f"Until then no server starts with it. To check it again: {program()} policy check {settings.policy}"
        yield Finding("policy", State.WRONG, str(error), fix)
    else:
        yield Finding("policy", State.GOOD, f"{settings.policy} is valid")


def _check_store(settings: Settings) -> Finding:
    async def open_and_close(url: str) -> None:
        async with open_event_store(settings, url):
            pass

    if settings.sandbox and settings.database is None:
        return Finding("store", State.NOTE, "a temporary file, deleted when the server ends")
    try:
        url = settings.database or default_url()
        anyio.run(open_and_close, url)
    except StoreError as error:
        return Finding("store", State.WRONG, "cannot be used", str(error))
    return Finding("store", State.GOOD, f"{redacted_url(url)} opens")


def check_servers() -> Iterator[Finding]:
    """The servers of this user that run now."""
    for server in running_servers():
        page = f"; operator page: {server.page}" if server.page else ""
        yield Finding("server", State.GOOD, f"{server.title} uses {server.store}{page}")
        for task, problem in server.problems.items():
            yield Finding(f"server: {task}", State.WRONG, f"{server.title}: {problem}", "See its log, or restart it.")


def check_hosts() -> Iterator[Finding]:
    """Every host that has this server, or whose configuration cannot be read."""
    findings = [finding for host in HOSTS.values() if (finding := _check_host(host))]
    yield from findings or [
        Finding("hosts", State.NOTE, f"no host has this server; to add it: {program()} install HOST")
    ]


def _check_host(host: Host) -> Finding | None:
    try:
        server = configured_server(host)
    except CommandFailed as error:
        return Finding(host.title, State.WRONG, "its configuration cannot be read", error.message)
    if server is None:
        return None
    command = str(server.get("command", ""))
    if not Path(command).is_file():
        fix = f"Run {program()} install {host.name} again."
        return Finding(host.title, State.WRONG, f"starts {command}, which does not exist", fix)
    arguments = " ".join(map(str, server.get("args", ())))
    return Finding(host.title, State.GOOD, f"starts this server with: {arguments}")
