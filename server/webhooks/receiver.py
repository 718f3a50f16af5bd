"""Where Telnyx posts webhooks to: verified before anything is parsed, answered 200 only once the event is kept."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from ..events.envelope import MAX_BODY_BYTES, NotAnEvent, RawWebhook
from ..events.event import Via
from .proving import SignatureChecker
from .signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, BadSignature, SignatureVerifier

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

WEBHOOK_PATH = "/webhooks/telnyx"
HEALTH_PATH = "/healthz"
SERVER_NAME = "telnyx-conferencing"

_BODY_TIMEOUT = 10.0
"""Seconds that a body which does not come in one piece may take."""
_BODIES_IN_HAND = 64
"""Bodies that are taken in piece by piece at once; further ones wait in their connections, 64 KiB each."""

_EMPTY = ((b"content-length", b"0"),)
_HEADERS = {
    405: (*_EMPTY, (b"allow", b"POST")),
    408: (*_EMPTY, (b"connection", b"close")),
    413: (*_EMPTY, (b"connection", b"close")),  # what is still on its way is not read
}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What became of the requests since the start."""

    accepted: int = 0
    duplicates: int = 0
    """Already known: answered 200, and not stored twice."""
    refused: Counter[str] = field(default_factory=Counter[str])
    """By the reason of `BadSignature`."""
    too_large: int = 0
    not_events: int = 0
    """Signed, but no events: set aside."""
    failed: int = 0
    """Answered 503, since they could not be stored: Telnyx sends them again."""


class _RequestRejected(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class _Gone(Exception):
    """The sender left before the end of the body."""


def store_marker(store: str) -> dict[str, str]:
    """What `/healthz` says by which another of our processes knows one that shares its store.

    Not the identity itself: that may be a path or a URL, and a tunnel shows `/healthz` to the world.
    """
    return {"server": SERVER_NAME, "store": hashlib.sha256(store.encode(errors="replace")).hexdigest()[:16]}


class Receiver:
    """An ASGI app for `POST /webhooks/telnyx` and `GET /healthz`.

    `add` reads and keeps the event in a body, and returns once it is durable: None if it was known already. It raises
    `NotAnEvent` when there is none in it; after any other exception Telnyx is to send it again.
    `set_aside` keeps a signed body that is no event, with the reason. `verifier`: None takes everything for Telnyx's,
    and every event is then marked as not verified. `health`: what `/healthz` says beyond that it is there. `store`: the
    identity of what `add` writes to. `via`: how its events are said to have come. `body_timeout`: seconds.
    """

    def __init__(
        self,
        add: Callable[[RawWebhook], Awaitable[object]],
        set_aside: Callable[[bytes, str], Awaitable[None]],
        verifier: SignatureVerifier | None,
        health: Callable[[], Mapping[str, Any]] = dict,
        *,
        store: str = "",
        via: Via = Via.WEBHOOK,
        body_timeout: float = _BODY_TIMEOUT,
    ) -> None:
        self.counts = Counts()
        self._add = add
        self._set_aside = set_aside
        self._prover = SignatureChecker(verifier)
        self._is_verified = verifier is not None
        self._health = health
        self._mark = store_marker(store)
        self._via = via
        self._body_timeout = body_timeout
        self._large = anyio.Semaphore(_BODIES_IN_HAND)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(scope, receive, send)

        self.app: Asgi = app  # a function: uvicorn takes a bound method for ASGI 2
        """Answers every HTTP request, always with an empty body but for `/healthz`."""

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == WEBHOOK_PATH:
            try:
                status = await self._take(scope, receive) if scope["method"] == "POST" else 405
            except _RequestRejected as refused:
                status = refused.status
            except _Gone:
                return
            await _answer(send, status, _HEADERS.get(status, _EMPTY))
        elif path == HEALTH_PATH:
            await self._tell_health(scope["method"], send)
        else:
            await _answer(send, 404, _EMPTY)

    async def _take(self, scope: Scope, receive: Receive) -> int:
        """The status to answer a webhook with. Raises `_Refused`, `_Gone`."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = await self._read(headers, receive)
        await self._prove(headers, body)
        try:
            return await self._keep(RawWebhook(body, self._via, self._is_verified, datetime.now(UTC)))
        except NotAnEvent as why:
            return await self._put_aside(body, str(why))

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        length = headers.get(b"content-length")
        if length is not None and not length.isdigit():
            raise _RequestRejected(400)
        if length is not None and (len(length) > 15 or int(length) > MAX_BODY_BYTES):
            raise self._too_large()
        message = await receive()
        body = _chunk(message)
        if len(body) > MAX_BODY_BYTES:
            raise self._too_large()
        return await self._read_on(body, receive) if message.get("more_body") else body

    async def _read_on(self, body: bytes, receive: Receive) -> bytes:
        chunks, size, more = [body], len(body), True
        async with self._large:
            with anyio.move_on_after(self._body_timeout):
                while more:
                    message = await receive()
                    chunks.append(_chunk(message))
                    size += len(chunks[-1])
                    more = message.get("more_body", False)
                    if size > MAX_BODY_BYTES:
                        raise self._too_large()
                return b"".join(chunks)
        raise _RequestRejected(408)

    def _too_large(self) -> _RequestRejected:
        self.counts.too_large += 1
        return _RequestRejected(413)

    async def _prove(self, headers: Mapping[bytes, bytes], body: bytes) -> None:
        try:
            await self._prover.prove(body, _text(headers.get(SIGNATURE_HEADER)), _text(headers.get(TIMESTAMP_HEADER)))
        except BadSignature as bad:
            self.counts.refused[bad.reason] += 1
            raise _RequestRejected(401) from None

    async def _put_aside(self, body: bytes, why: str) -> int:
        self.counts.not_events += 1
        try:
            await self._set_aside(body, why)
        except Exception as failure:
            _log.warning("What is no event could not be set aside: %r", failure)
        return 400

    async def _keep(self, unread: RawWebhook) -> int:
        try:
            kept = await self._add(unread)
        except NotAnEvent:
            raise
        except Exception as failure:
            self.counts.failed += 1
            _log.warning("An event could not be stored, Telnyx will send it again: %r", failure)
            return 503
        if kept is None:
            self.counts.duplicates += 1
        else:
            self.counts.accepted += 1
        return 200

    async def _tell_health(self, method: str, send: Send) -> None:
        if method != "GET":
            await _answer(send, 405, (*_EMPTY, (b"allow", b"GET")))
            return
        body = json.dumps({**self._health(), **self._mark}, separators=(",", ":")).encode()
        length = (b"content-length", str(len(body)).encode())
        await _answer(send, 200, ((b"content-type", b"application/json"), length), body)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise _Gone
    return message.get("body", b"")


async def _answer(send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
