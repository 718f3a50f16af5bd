"""What a page asks to be changed: JSON of a bounded size, sent by a script of this very page."""

import json
from collections.abc import Collection
from typing import Any, cast

import anyio
from starlette.requests import Request

from ....tools.words import clean

LARGEST = 16 * 1024
"""Bytes."""
_PATIENCE = 10.0
"""Seconds that a body may take."""


class RequestRefused(Exception):
    """A request is answered with this status and sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def from_own_page(request: Request, schemes: Collection[str]) -> None:
    """Refuse what another site, or a page of another port, makes a browser send. Raises `Refused`.

    `schemes`: by which this page is reached; by https only through a proxy.
    """
    host = request.headers["host"].lower()
    if request.headers.getlist("origin") not in [[f"{scheme}://{host}"] for scheme in schemes]:
        raise RequestRefused(403, "This request did not come from this page.")


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `Refused`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestRefused(415, "The body must be JSON.")
    try:
        with anyio.fail_after(_PATIENCE):
            raw = await _bounded(request)
        parsed = json.loads(raw)
    except TimeoutError:
        raise RequestRefused(408, "The body took too long.") from None
    except (ValueError, RecursionError):
        raise RequestRefused(400, "The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise RequestRefused(400, "The body is not a JSON object.")
    return cast("dict[str, Any]", parsed)


async def _bounded(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    taken = bytearray()
    if length.isdecimal() and len(length) < 16 and int(length) <= LARGEST:
        async for some in request.stream():
            taken += some
            if len(taken) > LARGEST:
                break
        else:
            return bytes(taken)
    raise RequestRefused(413, f"The body is larger than {LARGEST} bytes.")


def text_of(body: dict[str, Any], name: str, longest: int) -> str:
    """A text in a body, on one line and as it can be stored; empty if it is not there. Raises `Refused`."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise RequestRefused(400, f"{name}: must be a text of at most {longest} characters.")
    return clean(value, longest)
