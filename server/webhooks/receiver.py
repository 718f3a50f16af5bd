"""Receives Telnyx's webhooks over HTTP: verifies the signature, stores the event, then answers 200."""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..events.envelope import MAX_BODY_BYTES, NotAnEvent, is_version_1, parse_event
from ..events.event import Event, Signature, Via
from ..settings import is_loopback
from .signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, BadSignature, SignatureVerifier

WEBHOOK_PATH = "/webhooks/telnyx"
HEALTH_PATH = "/healthz"
READY_PATH = "/readyz"
"""Served by a server over HTTP."""
SERVER_NAME = "telnyx-conferencing"

_BODY_TIMEOUT_S = 10.0
"""How long a body may take that does not arrive in one piece."""
_MAX_PARTIAL_BODIES = 64
"""Bodies that are read piece by piece at the same time; further ones wait in their connections."""
_CLOSE = {"connection": "close"}
"""For answers that are sent before the whole body has been read."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What happened to the requests since the start."""

    accepted: int = 0
    duplicates: int = 0
    """Stored before: answered 200 and not stored again."""
    refused: Counter[str] = field(default_factory=Counter[str])
    """By the reason of `BadSignature`."""
    too_large: int = 0
    not_events: int = 0
    """Signed, but not an event: set aside for the operator."""
    failed: int = 0
    """Answered 503 because the event could not be stored. Telnyx sends these again."""


class _Rejected(Exception):
    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.response = Response(status_code=status, headers=headers)


def store_marker(store: str) -> dict[str, str]:
    """The part of the answer to `/healthz` by which processes on the same store recognise each other.

    `store` is the identity of the store. It is hashed, because it may contain a path or a URL and `/healthz` may be
    reachable through a public tunnel.
    """
    return {"server": SERVER_NAME, "store": hashlib.sha256(store.encode(errors="replace")).hexdigest()[:16]}


class Receiver:
    """`POST /webhooks/telnyx` and `GET /healthz`.

    `add` stores an event and the body it came in, and returns when they are on disk: None if the event was stored
    before. It raises `NotAnEvent` for an event that can never be stored. After any other exception the answer is 503,
    and Telnyx sends the webhook again.
    `set_aside` keeps a signed body that is not an event, with the reason.
    `verifier`: None accepts unsigned webhooks and marks their events as not verified.
    `health` returns further fields for `/healthz`. `store` is the identity of the store that `add` writes to.
    `via` says how the events arrived. `body_timeout_s` limits a body that arrives in pieces.
    """

    def __init__(
        self,
        add: Callable[[Event, bytes], Awaitable[object]],
        set_aside: Callable[[bytes, str], Awaitable[None]],
        verifier: SignatureVerifier | None,
        health: Callable[[], Mapping[str, Any]] = dict,
        *,
        store: str = "",
        via: Via = Via.WEBHOOK,
        body_timeout_s: float = _BODY_TIMEOUT_S,
    ) -> None:
        self.counts = Counts()
        self._add = add
        self._set_aside = set_aside
        self._verifier = verifier
        self._health = health
        self._marker = store_marker(store)
        self._via = via
        self._body_timeout_s = body_timeout_s
        self._has_reported_version = False
        self._partial_bodies = anyio.Semaphore(_MAX_PARTIAL_BODIES)
        self.app = Starlette(
            routes=[
                Route(WEBHOOK_PATH, self._receive_webhook, methods=["POST"]),
                Route(HEALTH_PATH, self._report_health, methods=["GET"]),
            ]
        )
        self.app.router.redirect_slashes = False

    async def _receive_webhook(self, request: Request) -> Response:
        try:
            body = await self._read_body(request)
            signature = self._verify(request, body)
            return Response(status_code=await self._store(body, signature))
        except _Rejected as rejected:
            return rejected.response
        except ClientDisconnect:
            return Response(status_code=400)  # nobody receives it

    async def _read_body(self, request: Request) -> bytes:
        length = request.headers.get("content-length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise _Rejected(400)
        if length is not None and (len(length) > 15 or int(length) > MAX_BODY_BYTES):
            raise self._too_large()
        message = await request.receive()
        body = _body_part(message)
        if len(body) > MAX_BODY_BYTES:
            raise self._too_large()
        return await self._read_rest(body, request) if message.get("more_body") else body

    async def _read_rest(self, first: bytes, request: Request) -> bytes:
        parts, size, more = [first], len(first), True
        async with self._partial_bodies:
            with anyio.move_on_after(self._body_timeout_s):
                while more:
                    message = await request.receive()
                    parts.append(_body_part(message))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
                    if size > MAX_BODY_BYTES:
                        raise self._too_large()
                return b"".join(parts)
        raise _Rejected(408, _CLOSE)

    def _too_large(self) -> _Rejected:
        self.counts.too_large += 1
        return _Rejected(413, _CLOSE)

    def _verify(self, request: Request, body: bytes) -> Signature | None:
        """Check who sent a body. Returns the proof; None if unsigned webhooks are accepted."""
        if self._verifier is None:
            return None
        try:
            value, timestamp = request.headers.get(SIGNATURE_HEADER), request.headers.get(TIMESTAMP_HEADER)
            return self._verifier.verify(body, value, timestamp)
        except BadSignature as bad:
            self.counts.refused[bad.reason] += 1
            raise _Rejected(401) from None

    async def _store(self, body: bytes, signature: Signature | None) -> int:
        """Store the event in a verified body. Returns the status to answer."""
        try:
            verified, now = signature is not None, datetime.now(UTC)
            event = parse_event(body, via=self._via, verified=verified, received_at=now, signature=signature)
            self._check_version(event)
            stored = await self._add(event, body)
        except NotAnEvent as reason:
            return await self._keep_aside(body, str(reason))
        except Exception as failure:
            self.counts.failed += 1
            _log.warning("An event could not be stored, Telnyx will send it again: %r", failure)
            return 503
        if stored is None:
            self.counts.duplicates += 1
        else:
            self.counts.accepted += 1
        return 200

    def _check_version(self, event: Event) -> None:
        if is_version_1(event.type) and not self._has_reported_version:
            self._has_reported_version = True
            _log.warning(
                "Telnyx sends webhooks of version 1, such as %s. They are stored but not understood: set "
                'webhook_api_version to "2" in the connection\'s settings.',
                event.type,
            )

    async def _keep_aside(self, body: bytes, reason: str) -> int:
        self.counts.not_events += 1
        try:
            await self._set_aside(body, reason)
        except Exception as failure:
            _log.warning("A signed body that is not an event could not be set aside: %r", failure)
        return 400

    async def _report_health(self, request: Request) -> Response:
        name = re.sub(r":\d+$", "", request.headers.get("host", "")).strip("[]")
        return JSONResponse({**self._health(), **(self._marker if is_loopback(name) else {})})


def _body_part(message: MutableMapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b"")
