"""Sends alert events to the operator's webhook, signed as Standard Webhooks 1.0 describes."""

import base64
import hashlib
import hmac
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2

from ...tools.text import count
from ..database import Database
from ..errors import CallRefused
from ..events.event import OWN_TYPES, StoredEvent
from ..events.service import EventService
from ..events.times import iso
from . import deliveries
from .deliveries import Backlog, Delivery

_INTERVAL_S = 0.5
"""Between two looks for what is due."""
_REPORT_INTERVAL_S = 5.0
"""Between two counts of what other processes could not deliver."""
_TIMEOUT_S = 10.0
_GONE = 410
"""The status by which a receiver asks for no more deliveries of an event."""

logger = logging.getLogger(__name__)


def sign(keys: Sequence[bytes], message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """The headers of a message: its id, the time of sending in Unix seconds, and a signature by each key."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def message(event: StoredEvent) -> str:
    """The body for an alert event: its type, its time, and its payload as `data`."""
    body: dict[str, Any] = {"type": event.type, "timestamp": iso(event.occurred_at), "data": dict(event.payload)}
    return json.dumps(body, separators=(",", ":"))


class AlertWebhook:
    """Sends the alert events of a store, of every process. Of several processes, one sends each."""

    def __init__(self, events: EventService, url: str, keys: Sequence[bytes]) -> None:
        self._events = events
        self._url = url
        self._keys = keys
        self._is_behind = True
        """Whether alert events may not be queued yet."""
        self._reported_at = float("-inf")
        self._listeners: list[Callable[[], None]] = []
        self.backlog = Backlog()
        """What the receiver has not accepted, as this process last saw it."""
        self.results: Counter[str] = Counter()
        """Attempts of this process: delivered, failed, given up."""
        events.on_change(self._note)

    def _note(self, changed: object, events: list[StoredEvent]) -> None:
        self._is_behind = self._is_behind or any(event.type in OWN_TYPES for event in events)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener when the problem changes."""
        self._listeners.append(listener)

    def problems(self) -> Mapping[str, str]:
        """A sentence if alerts are not delivered; empty if all is well."""
        backlog, host = self.backlog, urlsplit(self._url).hostname
        parts: list[str] = []
        if backlog.failed:
            parts.append(f"{count(backlog.failed, 'alert event')} could not be delivered in the last 7 days")
        if backlog.retried:
            parts.append(f"{count(backlog.retried, 'alert event')} {_is(backlog.retried)} about to be sent again")
        if not parts:
            return {}
        return {"alert webhook": f"{' and '.join(parts)} to {host}: {backlog.problem}"}

    async def run(self) -> None:
        """Send what is due until cancelled."""
        try:
            await self._events.connection.wait_until_open()
        except CallRefused:
            return
        database = await self._events.connection.database()
        self._is_behind = True
        # A redirect is not followed: only the address that the operator set gets alerts.
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as http:
            while True:
                await self.send_due(database, http)
                await anyio.sleep(_INTERVAL_S)

    async def send_due(self, database: Database, http: httpx2.AsyncClient) -> None:
        """Make the attempts that are due now. Raises `StoreError`."""
        now = self._events.now()
        if self._is_behind:
            self._is_behind = False
            await database.write(partial(deliveries.queue_new, body_of=message, now=now))
        if due := await database.read(partial(deliveries.due, now=now)):
            claimed = await database.write(partial(deliveries.claim, event_ids=due, now=now))
            async with anyio.create_task_group() as tasks:
                for delivery in claimed:
                    tasks.start_soon(self._attempt, database, http, delivery)
        if due or anyio.current_time() > self._reported_at + _REPORT_INTERVAL_S:
            self._reported_at = anyio.current_time()
            await self._report(database)

    async def _attempt(self, database: Database, http: httpx2.AsyncClient, delivery: Delivery) -> None:
        problem, for_good = await self._post(http, delivery)
        if not problem:
            self.results["delivered"] += 1
            await database.write(partial(deliveries.record_success, delivery=delivery))
            return
        work = partial(
            deliveries.record_failure, delivery=delivery, problem=problem, now=self._events.now(), for_good=for_good
        )
        is_over = await database.write(work)
        self.results["given up" if is_over else "failed"] += 1
        if is_over:
            logger.error("An alert event could not be delivered, and is not sent again: %s", problem)

    async def _post(self, http: httpx2.AsyncClient, delivery: Delivery) -> tuple[str, bool]:
        """Why an attempt failed, or an empty text; and whether the receiver wants no other."""
        headers = sign(self._keys, delivery.event_id, int(datetime.now(UTC).timestamp()), delivery.body)
        headers["content-type"] = "application/json"
        try:
            async with http.stream("POST", self._url, content=delivery.body.encode(), headers=headers) as response:
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:  # UnicodeError: a host such as a..example
            return f"it cannot be reached ({type(error).__name__})", False
        return ("", False) if 200 <= status < 300 else (f"it answered {status}", status == _GONE)

    async def _report(self, database: Database) -> None:
        backlog = await database.read(partial(deliveries.backlog, now=self._events.now()))
        before, self.backlog = self.problems(), backlog
        if self.problems() != before:
            for listener in self._listeners:
                listener()


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
