"""The page's own files, as they are shipped."""

from functools import cache
from pathlib import Path

from starlette.responses import Response

_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
SERVED = (
    "style.css",
    "icon.svg",
    "page.js",
    "actions.js",
    "card.js",
    "cards.js",
    "elements.js",
    "server.js",
    "sign_in.js",
    "sign_in_by_token.js",
    "signed_out.js",
    "stream.js",
    "switch.js",
)
"""To anybody: they are public, and the page without a sign-in needs some of them."""


def file(name: str, status: int = 200) -> Response:
    """A file as an answer."""
    return Response(_read(name), status, media_type=_TYPES[name.rpartition(".")[2]])


@cache
def _read(name: str) -> bytes:
    return Path(__file__).parent.joinpath("static", name).read_bytes()
