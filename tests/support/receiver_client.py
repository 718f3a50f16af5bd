"""A receiver without a socket: what is posted to it, what it answers, what it keeps."""

import base64
import json
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from telnyx_conferencing.server.events.event import Event
from telnyx_conferencing.server.webhooks.receiver import Receiver
from telnyx_conferencing.server.webhooks.signature import SignatureVerifier

NOW = 1_740_830_400.0
Headers = dict[str, str]


class Key:
    """Telnyx's key."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public = base64.b64encode(self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    def sign(self, body: bytes, timestamp: str = str(int(NOW))) -> Headers:
        signature = base64.b64encode(self._private.sign(timestamp.encode() + b"|" + body)).decode()
        return {"telnyx-signature-ed25519": signature, "telnyx-timestamp": timestamp}


class Kept:
    """A store that keeps in memory what a store on disk could."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.bodies: list[bytes] = []
        self.aside: list[tuple[bytes, str]] = []
        self.failure: Exception | None = None

    async def add(self, event: Event, body: bytes) -> object:
        if self.failure is not None:
            raise self.failure
        json.dumps(dict(event.payload), ensure_ascii=False, allow_nan=False).encode()
        for found_by in (event.id, event.type, event.conference_id, event.call_control_id, event.queue):
            assert found_by is None or b"\0" not in found_by.encode()
        if event.id in self.events:
            return None
        self.events[event.id] = event
        self.bodies.append(body)
        return len(self.events)

    async def set_aside(self, body: bytes, why: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.aside.append((body, why))


class Posting:
    """A receiver with its store."""

    def __init__(self, *, insecure: bool = False, **more: Any) -> None:
        self.key = Key()
        self.kept = Kept()
        verifier = None if insecure else SignatureVerifier([self.key.public], now=lambda: NOW)
        self.receiver = Receiver(self.kept.add, self.kept.set_aside, verifier, **more)
        self.counts = self.receiver.counts
        self.pulled = 0
        """Pieces of a body that were read."""

    async def post(self, body: bytes, headers: Headers | None = None) -> int:
        """Post a body, signed if no headers are given; the status."""
        signed = self.key.sign(body) if headers is None else headers
        return (await self.send([body], {"content-length": str(len(body)), **signed}))[0]

    async def send(
        self, pieces: Iterable[bytes], headers: Headers, method: str = "POST", path: str = "/webhooks/telnyx"
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Any request, its body in pieces; the status, the headers and the body of the answer."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return await self.ask(pieces, raw, method, path)

    async def ask(
        self, pieces: Iterable[bytes], headers: list[tuple[bytes, bytes]], method: str, path: str
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        source = iter(pieces)
        sent: list[Any] = []
        following = next(source, b"")

        async def receive() -> dict[str, Any]:
            nonlocal following
            self.pulled += 1
            this = following
            more = (following := next(source, None)) is not None
            return {"type": "http.request", "body": this, "more_body": more}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.receiver.app(scope, receive, send)
        start, end = sent
        assert (start["type"], end["type"]) == ("http.response.start", "http.response.body")
        return start["status"], dict(start["headers"]), end["body"]
