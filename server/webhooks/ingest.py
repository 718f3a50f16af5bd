"""Brings events into the store: from the webhook port, from the sandbox, and from the backfill of missed events."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio

from ..database import StoreError
from ..errors import CallRefused
from ..events.envelope import parse_event
from ..events.event import Event, EventFilter, Signature, StoredEvent, Via
from ..events.service import EventService
from ..events.store import Store
from ..settings import Settings
from ..stores import store_identity
from ..telnyx import TelnyxClient
from .backfill import Backfill, GapDetector, run_backfill
from .signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureVerifier

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from .port import Port
    from .receiver import Receiver

logger = logging.getLogger(__name__)

EventListener = Callable[[Event], None]

_RETRY_DELAY_S = 1.0
"""Delay until a store that could not be read is tried again."""
_NO_EVENTS = (
    "This server receives no events while it runs: the operator can start it with --webhook-port (over HTTP it is "
    "enough to set TELNYX_PUBLIC_KEY) or --catch-up 5s."
)


class EventIngest:
    """Feeds the event service of one server."""

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
        self._port: Port | None = None
        self._port_problem = "is not open yet"
        self._listeners: list[EventListener] = []
        service.describe_ingest = self.describe
        if not settings.sandbox and not self.receives_webhooks and settings.catch_up is None:
            service.no_events_reason = _NO_EVENTS
        if sandbox is not None:
            listener = self._sandbox_listener(sandbox)
            for envelope in list(sandbox.events):  # the history of its scene, which it never posts
                listener(envelope)
            if settings.webhook_port is None:
                sandbox.on_event(listener)

    def describe(self) -> str:
        """How events arrive, in a sentence for the operator."""
        if self._settings.transport == "http":
            source = (
                "Webhooks arrive at this server's own port." if self.receives_webhooks else "No webhooks arrive here."
            )
        elif self._settings.webhook_port is not None:
            number = self._settings.webhook_port
            source = self._port.describe() if self._port else f"Port {number} {self._port_problem}."
        else:
            source = "Events come directly from the sandbox." if self._sandbox else "No webhooks arrive here."
        if self._settings.sandbox:
            return source
        if self._service.no_events_reason:
            return f"{_NO_EVENTS} Until then, look with the list tools instead of wait_for_event."
        interval = self._settings.catch_up
        when = f"every {interval.total_seconds():.0f} s" if interval else "once at the start"
        return f"{source} Missed events are fetched {when}."

    @property
    def receives_webhooks(self) -> bool:
        """Whether this server has a webhook endpoint, and can verify what arrives there or need not."""
        over_http = self._settings.transport == "http"
        can_verify = self._verifier is not None or self._settings.insecure_webhooks
        return (over_http and can_verify) or self._settings.webhook_port is not None

    def on_event(self, listener: EventListener) -> None:
        """Call the listener with every new event that arrives at this server."""
        self._listeners.append(listener)

    def receiver(self) -> "Receiver":
        """The webhook endpoint. Webhooks that arrive before the store is open wait for it."""
        from .receiver import Receiver  # noqa: PLC0415 (a web framework, which most servers over stdio do not need)

        via = Via.SANDBOX if self._settings.sandbox else Via.WEBHOOK

        async def add(event: Event, body: bytes) -> StoredEvent | None:
            store = await self._service.connection.store()
            stored = await store.add(event, body)
            if stored is not None:
                self._notify(stored)
            return stored

        async def set_aside(body: bytes, reason: str) -> None:
            store = await self._service.connection.store()
            await store.reject(body, reason)

        return Receiver(add, set_aside, self._verifier, store=store_identity(self._settings), via=via)

    def _notify(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _sandbox_listener(self, sandbox: "Sandbox") -> Callable[[dict[str, Any]], None]:
        """Takes the sandbox's events without a socket, signed and verified like any other."""

        def listener(envelope: dict[str, Any]) -> None:
            body, headers = sandbox.signed(envelope)
            signature = Signature(headers[SIGNATURE_HEADER], headers[TIMESTAMP_HEADER])
            if self._verifier is not None:
                self._verifier.verify(body, *signature)
            now = datetime.now(UTC)
            event = parse_event(body, via=Via.SANDBOX, verified=True, received_at=now, signature=signature)
            self._service.connection.enqueue(event, body)
            self._notify(event)

        return listener

    async def run(self) -> None:
        """Take in events until cancelled."""
        try:
            store = await self._service.connection.wait_until_open()
        except CallRefused:
            return
        newest = await _newest_event(store)  # before the port opens: what arrives there tells nothing about the gap
        async with self._serve_port(), anyio.create_task_group() as tasks:
            if not self._settings.sandbox:
                tasks.start_soon(self._gaps.watch)
                tasks.start_soon(self._run_backfill, store, newest.occurred_at if newest else None)
            await anyio.sleep_forever()

    async def _run_backfill(self, store: Store, latest: datetime | None) -> None:
        backfill = Backfill(self._telnyx.read, self._service.now)
        interval_s = self._settings.catch_up.total_seconds() if self._settings.catch_up else None
        await run_backfill(backfill, store, interval_s, latest, anyio.sleep, gaps=self._gaps)

    @asynccontextmanager
    async def _serve_port(self) -> AsyncGenerator[None]:
        number = self._settings.webhook_port
        if number is None:
            yield
            return
        from .port import CannotListen, hold_port  # noqa: PLC0415 (a web server, as above)

        try:
            async with (
                hold_port(number, self.receiver().app, store_identity(self._settings)) as port,
                anyio.create_task_group() as tasks,
            ):
                self._port = port
                tasks.start_soon(_warn_when_blocked, port)
                tasks.start_soon(_report_takeover, port, self._gaps)
                if self._sandbox is not None:
                    tasks.start_soon(_post_when_held, self._sandbox, port)
                yield
                tasks.cancel_scope.cancel()
        except CannotListen as problem:
            self._port_problem = "cannot be opened, so no webhooks arrive"
            logger.error("Webhooks are not received: %s", problem)
            yield


async def _newest_event(store: Store) -> StoredEvent | None:
    """The newest stored event. Waits until the store can be read."""
    while True:
        try:
            return next(iter(await store.find(EventFilter(), limit=1)), None)
        except StoreError as problem:
            logger.warning("Webhooks are not received yet: %s", problem)
            await anyio.sleep(_RETRY_DELAY_S)


async def _warn_when_blocked(port: "Port") -> None:
    await port.wait_until_blocked()
    logger.warning("%s", port.describe())


async def _report_takeover(port: "Port", gaps: GapDetector) -> None:
    """Nobody may have received the webhooks that were posted before this process took the port over."""
    if not port.is_held:
        await port.wait_until_held()
        gaps.report()


async def _post_when_held(sandbox: "Sandbox", port: "Port") -> None:
    """The sandbox posts only once the port answers, because a failed webhook is repeated seconds later."""
    await port.wait_until_held()
    sandbox.post_to(port.webhook_url)
