"""Webhooks to measure with: conferences as Telnyx tells of them, signed, and posted over plain sockets."""

import base64
import json
import selectors
import socket
import time
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from baseline_servers import NotMeasured
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LOOPBACK = "127.0.0.1"
WEBHOOKS = "/webhooks/telnyx"
VERIFIED = "/verified"
APPENDED = "/appended"
"""The floors of `intake_server.py`."""

_END = b"\r\n\r\n"
_ANSWERED = b"HTTP/1.1 200 "
_ANSWERS_WITHIN = 30.0
_OPENS_WITHIN = 30.0

Json = dict[str, Any]

PEOPLE = 5
STORY = (
    *(("call.initiated", person) for person in range(PEOPLE)),
    ("conference.created", 0),
    *(("conference.participant.joined", person) for person in range(PEOPLE)),
    *(("conference.floor.changed", turn % PEOPLE) for turn in range(3 * PEOPLE)),
    *((left, person) for person in range(PEOPLE) for left in ("conference.participant.left", "call.hangup")),
    ("conference.ended", 0),
)
"""What happens in each conference, and to whom."""


class Key:
    """What Telnyx signs with."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = base64.b64encode(raw).decode()

    def request(self, event: Json, path: str = WEBHOOKS) -> bytes:
        """The whole HTTP request that brings an event, signed now."""
        body = json.dumps({"data": event, "meta": {"attempt": 1, "delivered_to": "https://example.com/"}}).encode()
        timestamp = str(int(time.time()))
        signature = base64.b64encode(self._private.sign(timestamp.encode() + b"|" + body)).decode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {LOOPBACK}\r\nuser-agent: telnyx-webhooks\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {timestamp}\r\n\r\n"
        )
        return head.encode() + body


def happening(event_type: str, about: Json, at: datetime) -> Json:
    """An event."""
    occurred_at = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "record_type": "event",
        "event_type": event_type,
        "id": str(uuid.uuid4()),
        "occurred_at": occurred_at,
        "payload": about | {"occurred_at": occurred_at},
    }


def conferences(start: datetime, apart: timedelta) -> Iterator[Json]:
    """Events of one conference after another, so far apart, without end."""
    moment = start
    while True:
        room = str(uuid.uuid4())
        legs = [_leg() for _ in range(PEOPLE)]
        for event_type, person in STORY:
            where = {"conference_id": room} if event_type.startswith("conference.") else {}
            yield happening(event_type, legs[person] | where, moment)
            moment += apart


def _leg() -> Json:
    return {
        "call_control_id": f"v3:{base64.urlsafe_b64encode(uuid.uuid4().bytes * 3).decode()}",
        "call_leg_id": str(uuid.uuid4()),
        "call_session_id": str(uuid.uuid4()),
        "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
        "connection_id": "1684641123236054244",
        "creator_call_session_id": str(uuid.uuid4()),
        "from": "+12025550133",
        "to": "+12025550131",
    }


class Load:
    """Connections that are kept, each with one request under way at a time."""

    def __init__(self, port: int, connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets = [socket.create_connection((LOOPBACK, port)) for _ in range(connections)]
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ, one)

    def post(self, requests: Iterable[bytes]) -> float:
        """Seconds until every request is answered 200."""
        waiting = iter(requests)
        started = perf_counter()
        under_way = sum(_send_next(one, waiting) for one in self._sockets)
        while under_way:
            ready = self._selector.select(_ANSWERS_WITHIN)
            if not ready:
                raise NotMeasured(f"a webhook was not answered within {_ANSWERS_WITHIN:.0f} s")
            for key, _ in ready:
                _answered(key.data)
                under_way -= not _send_next(key.data, waiting)
        return perf_counter() - started

    def close(self) -> None:
        self._selector.close()
        for one in self._sockets:
            one.close()


@contextmanager
def connected(port: int, connections: int) -> Generator[Load]:
    """Connections to a port of this machine."""
    load = Load(port, connections)
    try:
        yield load
    finally:
        load.close()


def free_port() -> int:
    """A free port."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return listener.getsockname()[1]


def opened(port: int) -> None:
    """Wait until a port is listened on."""
    give_up = perf_counter() + _OPENS_WITHIN
    while True:
        try:
            socket.create_connection((LOOPBACK, port)).close()
        except ConnectionRefusedError:
            if perf_counter() > give_up:
                raise NotMeasured(f"it does not receive webhooks within {_OPENS_WITHIN:.0f} s") from None
            time.sleep(0.05)
        else:
            return


def _send_next(to: socket.socket, waiting: Iterator[bytes]) -> bool:
    request = next(waiting, None)
    if request is not None:
        to.sendall(request)
    return request is not None


def _answered(connection: socket.socket) -> None:
    answer = b""
    while not answer.endswith(_END):
        piece = connection.recv(4096)
        if not piece:
            raise NotMeasured("a connection was closed in the middle of an answer")
        answer += piece
    if not answer.startswith(_ANSWERED):
        raise NotMeasured(f"a webhook was answered {answer[:40]!r}")
