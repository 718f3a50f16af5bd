"""Webhooks: every event, signed as Telnyx signs it, delivered with retries, and kept for /webhook_deliveries."""

import base64
import json
import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..newest import Newest
from .clock import Timers
from .commands import Contains, DeliveryFilter, GetWebhookDelivery, ListWebhookDeliveries, WebhookArguments
from .context import MAX_HISTORY
from .errors import not_found
from .faults import Faults
from .ids import Ids
from .responses import Answer, Json, data, iso, page, time_filter

if TYPE_CHECKING:
    import httpx2

DELIVERY_TIMEOUT_S = 2.0
"""Real seconds a receiver has to answer."""
RETRY_DELAYS_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Between a failed attempt and the next."""
ATTEMPTS_BEFORE_FAILOVER = 3
"""Attempts at the first URL, where there is a failover URL for the rest."""

_TIME_IN_PAYLOAD = frozenset(
    {"conference.created", "conference.ended", "conference.floor.changed"}
    | {
        f"conference.{scope}{kind}.{phase}"
        for scope in ("", "participant.")
        for kind in ("playback", "speak")
        for phase in ("started", "ended")
    }
)
"""Events that have `occurred_at` in their payload too."""
_BARE = frozenset({"conference.floor.changed"})
"""Events whose envelope has no `data` around it."""

_log = logging.getLogger(__name__)


class Signer:
    """An Ed25519 key that signs as Telnyx does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        """Base64 of its 32 bytes, as the portal shows it."""

    def headers(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The headers of a webhook, with the signature of its body and time."""
        timestamp = str(int(moment.timestamp()))
        signature = self._key.sign(timestamp.encode() + b"|" + body)
        return {
            "content-type": "application/json",
            "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
            "telnyx-timestamp": timestamp,
            "user-agent": "telnyx-webhooks",
        }


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook goes."""

    url: str
    method: str = "POST"


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
    """One event on its way to its receiver."""

    id: str
    envelope: Json
    event: Json
    """The event in the envelope."""
    started_at: datetime
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    @property
    def delivered(self) -> bool:
        return any(attempt.delivered for attempt in self.attempts)

    @property
    def finished_at(self) -> datetime:
        return self.attempts[-1].finished_at if self.attempts else self.started_at


def _status(delivered: bool) -> str:
    return "delivered" if delivered else "failed"


class Outbox:
    """Every event that was emitted, and its delivery.

    `url` is where webhooks go, and `failover_url` where they go after three failed attempts.
    """

    def __init__(
        self,
        timers: Timers,
        ids: Ids,
        faults: Faults,
        signer: Signer,
        *,
        url: str | None,
        failover_url: str | None = None,
    ) -> None:
        self._timers = timers
        self._ids = ids
        self._faults = faults
        self._signer = signer
        self._url = url
        self._failover_url = failover_url
        self._by_call = Newest[str, WebhookArguments](MAX_HISTORY)
        self._held: list[Delivery] = []
        self._waiting: deque[Delivery] = deque(maxlen=MAX_HISTORY)
        self.user_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://sandbox.invalid/user"))
        self.events: deque[Json] = deque(maxlen=MAX_HISTORY)
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_HISTORY)
        self.observers: list[Callable[[Json], None]] = []
        self.is_history = False
        """While the scene is made: what happens belongs to the past and is not delivered."""
        self.on_waiting: Callable[[], None] = lambda: None
        """Called when something waits to be delivered."""

    def set_webhooks(self, call_control_id: str, request: WebhookArguments) -> None:
        """Send the later webhooks of a call to where and when a request asks, if it does."""
        if request.webhook_url or request.webhook_urls or request.webhook_retries_policies:
            self._by_call[call_control_id] = request

    def emit(self, event_type: str, payload: dict[str, Any]) -> None:
        """Send an event that happens now. Fields without a value are left out, except `client_state`."""
        now = iso(self._timers.now())
        payload = {name: value for name, value in payload.items() if value is not None or name == "client_state"}
        if event_type in _TIME_IN_PAYLOAD:
            payload["occurred_at"] = now
        event: Json = {
            "record_type": "event",
            "event_type": event_type,
            "id": self._ids.uuid(),
            "occurred_at": now,
            "payload": payload,
        }
        envelope = event if event_type in _BARE else {"data": event, "meta": self._meta(1, self._receiver(event, 1))}
        delivery = Delivery(self._ids.uuid(), envelope, event, self._timers.now())
        self.events.append(envelope)
        self.deliveries.append(delivery)
        if not self.is_history:
            self._dispatch(delivery, self._faults.for_event(event_type))

    def _receiver(self, event: Json, attempt: int) -> Receiver | None:
        """Where an event goes; None: nowhere (yet)."""
        request = self._by_call.get(event["payload"].get("call_control_id", ""))
        if request is not None:
            url = (request.webhook_urls or {}).get(event["event_type"])
            if url is not None:
                return Receiver(url, request.webhook_urls_method or "POST")
            if request.webhook_url is not None:
                return Receiver(request.webhook_url, request.webhook_url_method or "POST")
        if self._url is None:
            return None
        is_failover = self._failover_url is not None and attempt > ATTEMPTS_BEFORE_FAILOVER
        return Receiver(self._failover_url if is_failover and self._failover_url else self._url)

    def _meta(self, attempt: int, receiver: Receiver | None) -> Json:
        return {"attempt": attempt} if receiver is None else {"attempt": attempt, "delivered_to": receiver.url}

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
        """Post events there from now on, first of all the events that waited for a receiver."""
        self._url = url
        self.on_waiting()

    def drop_waiting(self) -> None:
        self._waiting.clear()

    def take_deliverable(self) -> list[Delivery]:
        """Take out what waits and has a receiver, oldest first."""
        if not self._waiting or (self._url is None and not self._by_call):
            return []
        waiting, self._waiting = self._waiting, deque(maxlen=MAX_HISTORY)
        deliverable: list[Delivery] = []
        for delivery in waiting:
            has_receiver = self._receiver(delivery.event, 1) is not None
            (deliverable if has_receiver else self._waiting).append(delivery)
        return deliverable

    async def attempt(self, client: "httpx2.AsyncClient", delivery: Delivery) -> None:
        """Send a delivery once, and schedule the next attempt if it fails."""
        number = len(delivery.attempts) + 1
        receiver = self._receiver(delivery.event, number)
        if receiver is None:
            return
        is_bare = delivery.envelope is delivery.event
        envelope = delivery.envelope if is_bare else delivery.envelope | {"meta": self._meta(number, receiver)}
        body, headers = self.signed(envelope)
        started_at = self._timers.now()
        response = await _send_request(client, receiver, body, headers)
        delivered = response is not None and response["status"] // 100 == 2
        sent = [[name, value] for name, value in headers.items()]
        delivery.attempts.append(Attempt(started_at, self._timers.now(), delivered, receiver.url, sent, response))
        delays_s = self._retry_delays_s(delivery.event)
        if not delivery.delivered and number <= len(delays_s):
            self._timers.after(delays_s[number - 1], lambda: self._queue(delivery))

    def _retry_delays_s(self, event: Json) -> Sequence[float]:
        """Between a failed attempt and the next."""
        request = self._by_call.get(event["payload"].get("call_control_id", ""))
        policy = ((request and request.webhook_retries_policies) or {}).get(event["event_type"])
        return RETRY_DELAYS_S if policy is None else [retry_ms / 1000 for retry_ms in policy.retries_ms]

    def list(self, command: ListWebhookDeliveries) -> Answer:
        """Newest first. A delivery that no receiver has taken counts as failed, also while it is retried."""
        matches = _filter(command.filter or DeliveryFilter())
        return page([delivery for delivery in reversed(self.deliveries) if matches(delivery)], self._view, command)

    def get(self, command: GetWebhookDelivery) -> Answer:
        delivery = next((item for item in self.deliveries if item.id == command.delivery_id), None)
        if delivery is None:
            raise not_found(f"There is no webhook delivery {command.delivery_id}.")
        return data(self._view(delivery))

    def _view(self, delivery: Delivery) -> Json:
        return {
            "record_type": "webhook_delivery",
            "id": delivery.id,
            "user_id": self.user_id,
            "status": _status(delivery.delivered),
            "started_at": iso(delivery.started_at),
            "finished_at": iso(delivery.finished_at),
            "attempts": [attempt.view() for attempt in delivery.attempts],
            "webhook": delivery.event,
        }


def _filter(criteria: DeliveryFilter) -> Callable[[Delivery], bool]:
    started = time_filter(criteria.started_at, "filter[started_at]")
    finished = time_filter(criteria.finished_at, "filter[finished_at]")

    def matches(delivery: Delivery) -> bool:
        return (
            (criteria.status is None or criteria.status.eq in (None, _status(delivery.delivered)))
            and criteria.event_type in (None, delivery.event["event_type"])
            and started(delivery.started_at)
            and finished(delivery.finished_at)
            and _contains(criteria.webhook, delivery.event)
            and _contains(criteria.attempts, [attempt.view() for attempt in delivery.attempts])
        )

    return matches


def _contains(criterion: Contains | None, value: Any) -> bool:
    return criterion is None or criterion.contains is None or criterion.contains in json.dumps(value)


async def _send_request(
    client: "httpx2.AsyncClient", receiver: Receiver, body: bytes, headers: dict[str, str]
) -> Json | None:
    """The receiver's answer; None: none in time."""
    import httpx2  # noqa: PLC0415 - needed only where there is a receiver

    try:
        with anyio.fail_after(DELIVERY_TIMEOUT_S):
            response = await client.request(receiver.method, receiver.url, content=body, headers=headers)
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL):
        return None
    return {
        "status": response.status_code,
        "headers": [[name, value] for name, value in response.headers.items()],
        "body": response.text[:10_000],
    }
