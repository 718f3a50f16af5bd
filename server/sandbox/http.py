"""HTTP in and out: a plain ASGI function, because a request should cost next to nothing."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, quote

from .errors import ApiError, bad_request, forbidden, unauthenticated

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 1_000_000
"""Bytes."""

_JSON = (b"content-type", b"application/json")


@dataclass(slots=True)
class Incoming:
    """A request as it arrived."""

    method: str
    path: str
    """Percent-encoded."""
    headers: Mapping[bytes, bytes]
    query: dict[str, str]
    raw_body: bytes

    def body(self) -> dict[str, Any]:
        """The JSON object in the body; empty if there is none. Raises `Refused` (400)."""
        if not self.raw_body.strip():
            return {}
        try:
            parsed = json.loads(self.raw_body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise bad_request("The body is not JSON.", "10023", "Invalid JSON") from None
        if not isinstance(parsed, dict):
            raise bad_request("The body is not a JSON object.", status=422)
        return cast("dict[str, Any]", parsed)


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, answer: Any) -> "Reply":
        """A success; None is an empty one."""
        return cls(204) if answer is None else cls(200, encode(answer))

    @classmethod
    def refusing(cls, refused: ApiError) -> "Reply":
        return cls(refused.status, encode({"errors": list(refused.errors)}), refused.headers)

    async def send(self, send: Send) -> None:
        headers = [*self.headers, (b"x-request-id", str(uuid.uuid4()).encode())]
        if self.status != 204:
            headers += [_JSON, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def encode(answer: Any) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


async def read(scope: Scope, receive: Receive) -> Incoming:
    """Take a request in. Raises `Refused` (413)."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            raise bad_request("The body is too large.", status=413)
        chunks.append(chunk)
        more = bool(message.get("more_body", False))
    query: bytes = scope.get("query_string", b"")
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
    return Incoming(
        method=scope["method"],
        path=path_of(scope),
        headers=dict(scope.get("headers", [])),
        query=dict(pairs),
        raw_body=b"".join(chunks),
    )


def path_of(scope: Scope) -> str:
    """The percent-encoded path."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(scope["path"])


def authorize(headers: Mapping[bytes, bytes], method: str) -> None:
    """Take any key that begins with KEY; one that begins with KEYreadonly may only read. Raises `Refused`."""
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key.startswith("KEY"):
        raise unauthenticated()
    if key.startswith("KEYreadonly") and method != "GET":
        raise forbidden("This API key may only read.")


def refuse_web_pages(headers: Mapping[bytes, bytes]) -> None:
    """Raises `Refused` for what a browser sends on behalf of a page."""
    if b"origin" in headers:
        raise forbidden("A web page may not control the sandbox.")
