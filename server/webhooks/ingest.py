"""Where events come from: the webhook port, the embedded Telnyx, and what was missed."""

import logging
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio

from ..database import StoreError, default_url, redacted_url
from ..errors import CallRefused
from ..events.envelope import RawWebhook, parse_event
from ..events.event import Event, EventFilter, StoredEvent, Via
from ..events.service import EventService
from ..events.store import Store
from ..settings import Settings, SettingsError
from ..telnyx import TelnyxClient
from .backfill import Backfill, GapDetector, run_backfill
from .signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureVerifier

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from .port import Port
    from .receiver import Receiver

logger = logging.getLogger(__name__)

_AGAIN = 1.0
"""Seconds until a store that could not be read is tried again."""
_SILENCE = (
    "This server takes in no events while it runs: the operator can start it with --webhook-port (over HTTP it is "
    "enough to set TELNYX_PUBLIC_KEY) or --catch-up 5s."
)


@contextmanager
def database_of(settings: Settings) -> Generator[str | None]:
    """The URL of the store that the settings name; None: the user's own. Practice on the sandbox goes to a file of its
    own that does not outlive it."""
    if settings.database is not None or not settings.sandbox:
        yield settings.database
        return
    with TemporaryDirectory(prefix="telnyx-conferencing-") as directory:
        yield f"sqlite:///{Path(directory) / 'events.db'}"


def open_store(settings: Settings, database: str | None) -> AbstractAsyncContextManager[Store]:
    """The store at a URL; None: the user's own. Raises `StoreError`."""
    return Store.open(database or default_url(), keep_for=settings.keep, keep_most=settings.keep_most)


def verifier_of(settings: Settings, sandbox: "Sandbox | None") -> SignatureVerifier | None:
    """Who may sign webhooks; None: nobody is asked, or none are received. Raises `SettingsError` for a bad key."""
    keys = sandbox.public_key if sandbox else settings.public_key or ""
    if settings.insecure_webhooks or not keys:
        return None
    try:
        return SignatureVerifier([key.strip() for key in keys.split(",") if key.strip()])
    except ValueError as wrong:
        raise SettingsError(f"TELNYX_PUBLIC_KEY: {wrong}") from None


def identity_of(settings: Settings) -> str:
    """Which store it is, for others of ours on this machine; its hash is public, so without a password."""
    if settings.sandbox and settings.database is None:
        return f"practice of process {os.getpid()}"
    return redacted_url(settings.database or default_url())


async def _newest(store: Store) -> list[StoredEvent]:
    """The newest event, as soon as the store can be read."""
    while True:
        try:
            return await store.find(EventFilter(), limit=1)
        except StoreError as problem:
            logger.warning("Webhooks are not received yet: %s", problem)
            await anyio.sleep(_AGAIN)


async def _warn_when_blocked(port: "Port") -> None:
    from .port import PortState  # noqa: PLC0415

    await port.wait_for(PortState.BLOCKED)
    logger.warning("%s", port.describe())


async def _note_takeover(port: "Port", gaps: GapDetector) -> None:
    """A port that was not held from the start: what was posted meanwhile may have come to nobody."""
    from .port import PortState  # noqa: PLC0415

    if port.state is not PortState.HOLDING:
        await port.wait_for(PortState.HOLDING)
        gaps.report()


async def _post_here(sandbox: "Sandbox", port: "Port") -> None:
    """Have the sandbox post its webhooks once somebody takes them: those that failed would come seconds later."""
    from .port import PortState  # noqa: PLC0415
    from .receiver import WEBHOOK_PATH  # noqa: PLC0415

    await port.wait_for(PortState.HOLDING)
    sandbox.post_to(f"http://{port.host}:{port.number}{WEBHOOK_PATH}")


class EventIngest:
    """Feeds one server's event service."""

    def __init__(
        self,
        settings: Settings,
        service: EventService,
        telnyx: TelnyxClient,
        sandbox: "Sandbox | None",
        verifier: SignatureVerifier | None,
    ) -> None:
        self._settings = settings
        self._service = service
        self._telnyx = telnyx
        self._sandbox = sandbox
        self._verifier = verifier
        self._gaps = GapDetector(service.now, anyio.sleep)
        self._held: Port | None = None
        self._told: list[Callable[[Event], None]] = []
        service.describe_ingest = self.describe
        if not settings.sandbox and not self.receives_webhooks and settings.catch_up is None:
            service.no_events_reason = _SILENCE
        if sandbox is not None and settings.webhook_port is None:
            take = self._taker(sandbox)
            for envelope in list(sandbox.events):  # how its scene came about
                take(envelope)
            sandbox.on_event(take)

    def describe(self) -> str:
        """How events come in, in words."""
        if self._settings.transport == "http":
            by = "Webhooks come to this server's own port." if self.receives_webhooks else "No webhooks come here."
        elif self._settings.webhook_port is not None:
            by = self._held.describe() if self._held else f"Port {self._settings.webhook_port} is not served."
        else:
            by = "From the embedded Telnyx directly." if self._sandbox else "No webhooks come here."
        if self._settings.sandbox:
            return by
        every = self._settings.catch_up
        looked = f"every {every.total_seconds():.0f} s" if every else "once at the start"
        return f"{by} What was missed is looked for {looked}."

    @property
    def receives_webhooks(self) -> bool:
        """Whether there is a port for them, and somebody who can tell whether they are Telnyx's."""
        over_http = self._settings.transport == "http"
        can_tell = self._verifier is not None or self._settings.insecure_webhooks
        return (over_http and can_tell) or self._settings.webhook_port is not None

    def on_event(self, told: Callable[[Event], None]) -> None:
        """Be told of every event that comes here and was not known."""
        self._told.append(told)

    def receiver(self) -> "Receiver":
        """Takes webhooks in over HTTP; what comes before the store is open waits for it."""
        from .receiver import Receiver  # noqa: PLC0415 (for those who want one)

        via = Via.SANDBOX if self._settings.sandbox else Via.WEBHOOK

        async def add(unread: RawWebhook) -> object:
            kept = await (await self._service.store()).add_unread(unread)
            if kept is not None:
                for told in self._told:
                    told(kept)
            return kept

        async def set_aside(raw: bytes, why: str) -> None:
            await (await self._service.store()).set_aside(raw, why)

        return Receiver(add, set_aside, self._verifier, store=identity_of(self._settings), via=via)

    def _taker(self, sandbox: "Sandbox") -> Callable[[dict[str, Any]], None]:
        """Takes the sandbox's events without a socket, signed and verified like any other."""

        def take(envelope: dict[str, Any]) -> None:
            body, headers = sandbox.signed(envelope)
            if self._verifier is not None:
                self._verifier.verify(body, headers[SIGNATURE_HEADER.decode()], headers[TIMESTAMP_HEADER.decode()])
            event = parse_event(body, via=Via.SANDBOX, verified=True, received_at=datetime.now(UTC))
            self._service.enqueue(event, body)
            for told in self._told:
                told(event)

        return take

    async def run(self) -> None:
        """Take in events until cancelled."""
        try:
            store = await self._service.wait_until_open()
        except CallRefused:
            return
        newest = await _newest(store)  # what comes to the port from now on says nothing of the gap
        async with self._port(), anyio.create_task_group() as tasks:
            if not self._settings.sandbox:
                every = self._settings.catch_up.total_seconds() if self._settings.catch_up else None
                latest = newest[0].occurred_at if newest else None
                catch_up = Backfill(self._telnyx.read, self._service.now)
                tasks.start_soon(self._gaps.watch)
                look = partial(run_backfill, catch_up, store, every, latest, anyio.sleep, gaps=self._gaps)
                tasks.start_soon(look)
            await anyio.sleep_forever()

    @asynccontextmanager
    async def _port(self) -> AsyncGenerator[None]:
        port = self._settings.webhook_port
        if port is None:
            yield
            return
        from .port import CannotListen, hold_port  # noqa: PLC0415 (a web server, for those who want one)

        try:
            async with (
                hold_port(port, self.receiver().app, identity_of(self._settings)) as held,
                anyio.create_task_group() as tasks,
            ):
                self._held = held
                tasks.start_soon(_warn_when_blocked, held)
                tasks.start_soon(_note_takeover, held, self._gaps)
                if self._sandbox is not None:
                    tasks.start_soon(_post_here, self._sandbox, held)
                yield
                tasks.cancel_scope.cancel()
        except CannotListen as problem:
            logger.error("Webhooks are not received: %s", problem)
            yield
