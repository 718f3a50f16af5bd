"""Reading requests: the percent-encoded path, the JSON body, and the API key."""

import json
from typing import Any, cast
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.types import Scope

from .errors import bad_encoding, bad_request, forbidden, unauthenticated

MAX_BODY_BYTES = 1_000_000


def encoded_path(scope: Scope) -> str:
    """The percent-encoded path, so that a slash in a queue's name (`%2F`) does not separate segments."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(scope["path"])


def query_of(request: Request) -> dict[str, str]:
    """The query parameters; the last value counts where a name occurs twice."""
    return dict(request.query_params)


async def read_body(request: Request) -> bytes:
    """The raw body. Raises `ApiError` (413)."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise bad_request("The body is too large.", status=413)
        chunks.append(chunk)
    return b"".join(chunks)


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object in a body; empty if there is none. Raises `ApiError` (400, 422)."""
    if not raw.strip():
        return {}
    try:
        text = raw.decode()
    except UnicodeDecodeError as wrong:
        raise bad_encoding(wrong.start) from None
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON.", "10023", "Invalid JSON") from None
    if not isinstance(parsed, dict):
        raise bad_request("The body is not a JSON object.", status=422)
    return cast("dict[str, Any]", parsed)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def authorize(request: Request) -> None:
    """Accept any key that begins with KEY; a key that begins with KEYreadonly may only read. Raises `ApiError`."""
    scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key.startswith("KEY"):
        raise unauthenticated()
    if key.startswith("KEYreadonly") and request.method not in ("GET", "HEAD"):
        raise forbidden("This API key may only read.")


def refuse_web_pages(request: Request) -> None:
    """Raises `ApiError` for a request that a browser sends on behalf of a page."""
    if "origin" in request.headers:
        raise forbidden("A web page may not control the sandbox.")


def decoded_path_params(request: Request) -> dict[str, str]:
    """The path parameters, percent-decoded."""
    return {name: unquote(value) for name, value in request.path_params.items()}
