"""Requests by a page's own script: JSON of a bounded size, from this page's origin."""

import json
from collections.abc import Collection
from typing import Any, cast

import anyio
from starlette.requests import Request

from ....tools.text import clean
from ...json_text import MAX_NESTING, is_too_deep

MAX_BODY_BYTES = 16 * 1024
_BODY_TIMEOUT_S = 10.0


class RequestRefused(Exception):
    """Answer a request with this status and sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def require_same_origin(request: Request, schemes: Collection[str]) -> None:
    """Refuse requests that another site, or a page on another port, makes a browser send. Raises `RequestRefused`.

    `schemes`: those by which this page is reached; https only through a proxy.
    """
    host = request.headers["host"].lower()
    if request.headers.getlist("origin") not in [[f"{scheme}://{host}"] for scheme in schemes]:
        raise RequestRefused(403, "This request did not come from this page.")


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `RequestRefused`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestRefused(415, "The body must be JSON.")
    try:
        with anyio.fail_after(_BODY_TIMEOUT_S):
            body = await _read_bounded(request)
        content: Any = json.loads(body)
    except TimeoutError:
        raise RequestRefused(408, "The body took too long.") from None
    except (ValueError, RecursionError):
        raise RequestRefused(400, "The body is not JSON.") from None
    if is_too_deep(content):
        raise RequestRefused(400, f"The body is nested more than {MAX_NESTING} levels deep.")
    if not isinstance(content, dict):
        raise RequestRefused(400, "The body is not a JSON object.")
    return cast("dict[str, Any]", content)


async def _read_bounded(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    body = bytearray()
    if length.isdecimal() and len(length) < 16 and int(length) <= MAX_BODY_BYTES:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
        else:
            return bytes(body)
    raise RequestRefused(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")


def text_field(body: dict[str, Any], name: str, max_length: int) -> str:
    """A text field, cleaned and on one line; empty when it is missing. Raises `RequestRefused`."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > max_length:
        raise RequestRefused(400, f"{name}: must be a text of at most {max_length} characters.")
    return clean(value, max_length)
