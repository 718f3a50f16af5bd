"""Webhooks: every event, signed as Telnyx signs it, delivered with retries, and kept for /webhook_deliveries."""

import base64
import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, Field

from ...tools.base import GET, Command
from .clock import Timers
from .faults import Faults
from .ids import Ids
from .responses import Answer, Json, iso, page, time_filter

if TYPE_CHECKING:
    import httpx2

MAX_HISTORY = 10_000
"""Events and deliveries that are remembered."""
DELIVERY_TIMEOUT_S = 2.0
"""Real seconds a receiver has to answer."""
RETRY_DELAYS_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds between a failed attempt and the next."""

_TIME_IN_PAYLOAD = frozenset(
    {"conference.created", "conference.ended", "conference.floor.changed"}
    | {
        f"conference.{whose}{kind}.{what}"
        for whose in ("", "participant.")
        for kind in ("playback", "speak")
        for what in ("started", "ended")
    }
)
_WITHOUT_TIME = frozenset({"conference.recording.saved"})
_BARE = frozenset({"conference.floor.changed"})
"""Events whose envelope has no `data` around it."""

_log = logging.getLogger(__name__)


class Signer:
    """An Ed25519 key that signs as Telnyx does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = base64.b64encode(public).decode()
        """Base64 of its 32 bytes, as the portal shows it."""

    def headers(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The headers that prove who sent a body, and when."""
        timestamp = str(int(moment.timestamp()))
        signature = self._key.sign(timestamp.encode() + b"|" + body)
        return {
            "content-type": "application/json",
            "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
            "telnyx-timestamp": timestamp,
        }


@dataclass(slots=True)
class Attempt:
    started_at: datetime
    finished_at: datetime
    delivered: bool
    url: str
    request_headers: list[list[str]]
    response: Json | None

    def view(self) -> Json:
        http: Json = {"request": {"url": self.url, "headers": self.request_headers}}
        if self.response is not None:
            http["response"] = self.response
        return {
            "status": _status(self.delivered),
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "errors": [] if self.delivered or self.response is None else [self.response["status"]],
            "http": http,
        }


@dataclass(eq=False, slots=True)
class Delivery:
    """One event on its way to whoever listens."""

    id: str
    envelope: Json
    event: Json
    """What the envelope holds."""
    started_at: datetime
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    @property
    def delivered(self) -> bool:
        return any(attempt.delivered for attempt in self.attempts)

    @property
    def finished_at(self) -> datetime:
        return self.attempts[-1].finished_at if self.attempts else self.started_at

    def view(self) -> Json:
        return {
            "record_type": "webhook_delivery",
            "id": self.id,
            "user_id": "sandbox",
            "status": _status(self.delivered),
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "attempts": [attempt.view() for attempt in self.attempts],
            "webhook": self.event,
        }


def _status(delivered: bool) -> str:
    return "delivered" if delivered else "failed"


Between = dict[Literal["gte", "lte"], str]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class Contains(_Lenient):
    contains: str | None = None


class StatusIs(_Lenient):
    eq: Literal["delivered", "failed"] | None = None


class DeliveryFilter(_Lenient):
    status: StatusIs | None = None
    event_type: str | None = None
    webhook: Contains | None = None
    attempts: Contains | None = None
    started_at: Between | None = None
    finished_at: Between | None = None


class ListWebhookDeliveries(Command):
    route = GET("/webhook_deliveries")
    model_config = ConfigDict(extra="ignore", defer_build=True)

    filter: DeliveryFilter | None = None
    page_number: Annotated[int, Field(ge=1)] | None = None
    page_size: Annotated[int, Field(ge=1, le=250)] | None = None


class Outbox:
    """Everything that was emitted, and what became of it."""

    def __init__(self, timers: Timers, ids: Ids, faults: Faults, signer: Signer, url: str | None) -> None:
        self._timers = timers
        self._ids = ids
        self._faults = faults
        self._signer = signer
        self._url = url
        self._held: list[Delivery] = []
        self._waiting: deque[Delivery] = deque(maxlen=MAX_HISTORY)
        self.events: deque[Json] = deque(maxlen=MAX_HISTORY)
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_HISTORY)
        self.observers: list[Callable[[Json], None]] = []
        self.on_waiting: Callable[[], None] = lambda: None
        """Called when something waits to be delivered."""

    def emit(self, event_type: str, payload: dict[str, Any]) -> None:
        """Send an event that happens now; fields of the payload without a value are left out."""
        now = self._timers.now()
        event: Json = {"record_type": "event", "event_type": event_type, "id": self._ids.uuid()}
        payload = {key: value for key, value in payload.items() if value is not None}
        if event_type in _TIME_IN_PAYLOAD:
            payload["occurred_at"] = iso(now)
        elif event_type not in _WITHOUT_TIME:
            event["occurred_at"] = iso(now)
        event["payload"] = payload
        envelope = event if event_type in _BARE else {"data": event, "meta": self._meta(1)}
        delivery = Delivery(self._ids.uuid(), envelope, event, now)
        self.events.append(envelope)
        self.deliveries.append(delivery)
        self._dispatch(delivery, self._faults.for_event(event_type))

    def _meta(self, attempt: int) -> Json:
        return {"attempt": attempt} if self._url is None else {"attempt": attempt, "delivered_to": self._url}

    def _dispatch(self, delivery: Delivery, fault: str | None) -> None:
        if fault == "lose":
            return
        if fault == "reorder":
            self._held.append(delivery)
            return
        self._send(delivery)
        if fault == "duplicate":
            self._send(delivery)
        held, self._held = self._held, []
        for late in held:
            self._send(late)

    def _send(self, delivery: Delivery) -> None:
        for observer in self.observers:
            try:
                observer(delivery.envelope)
            except Exception:
                _log.exception("an observer of the sandbox's events failed")
        self._queue(delivery)

    def _queue(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self.on_waiting()

    def signed(self, envelope: Json) -> tuple[bytes, dict[str, str]]:
        """The body and the headers that a receiver gets for an envelope."""
        body = json.dumps(envelope, separators=(",", ":")).encode()
        return body, self._signer.headers(body, self._timers.clock.receivers_now())

    def post_to(self, url: str) -> None:
        """Post events there from now on, first of all those that have waited for somewhere to go."""
        self._url = url
        self.on_waiting()

    def drop_waiting(self) -> None:
        self._waiting.clear()

    async def deliver(self, client: "httpx2.AsyncClient") -> None:
        """Post what waits, one after the other, so that a story arrives in order."""
        while self.is_waiting:
            await self._attempt(client, self._waiting.popleft())

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to deliver, and somewhere to."""
        return self._url is not None and bool(self._waiting)

    async def _attempt(self, client: "httpx2.AsyncClient", delivery: Delivery) -> None:
        url = self._url or ""
        number = len(delivery.attempts) + 1
        bare = delivery.envelope is delivery.event
        envelope = delivery.envelope if bare else delivery.envelope | {"meta": self._meta(number)}
        body, headers = self.signed(envelope)
        started_at = self._timers.now()
        response = await _post(client, url, body, headers)
        delivered = response is not None and response["status"] // 100 == 2
        sent = [[name, value] for name, value in headers.items()]
        delivery.attempts.append(Attempt(started_at, self._timers.now(), delivered, url, sent, response))
        if not delivery.delivered and number <= len(RETRY_DELAYS_S):
            self._timers.after(RETRY_DELAYS_S[number - 1], lambda: self._queue(delivery))

    def list(self, command: ListWebhookDeliveries) -> Answer:
        """Newest first. One that nobody has taken counts as failed, also while it is tried again."""
        wanted = command.filter or DeliveryFilter()
        started = time_filter(wanted.started_at, "filter/started_at")
        finished = time_filter(wanted.finished_at, "filter/finished_at")
        found = [
            one
            for one in reversed(self.deliveries)
            if (wanted.status is None or wanted.status.eq in (None, _status(one.delivered)))
            and wanted.event_type in (None, one.event["event_type"])
            and started(one.started_at)
            and finished(one.finished_at)
            and _contains(wanted.webhook, one.event)
            and _contains(wanted.attempts, [attempt.view() for attempt in one.attempts])
        ]
        return page(found, Delivery.view, command)


def _contains(wanted: Contains | None, held: Any) -> bool:
    return wanted is None or wanted.contains is None or wanted.contains in json.dumps(held)


async def _post(client: "httpx2.AsyncClient", url: str, body: bytes, headers: dict[str, str]) -> Json | None:
    """What a receiver answered; None: nothing in time."""
    import httpx2  # noqa: PLC0415 - only who has a receiver pays for it

    try:
        with anyio.fail_after(DELIVERY_TIMEOUT_S):
            response = await client.post(url, content=body, headers=headers)
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL):
        return None
    return {
        "status": response.status_code,
        "headers": [[name, value] for name, value in response.headers.items()],
        "body": response.text[:10_000],
    }
