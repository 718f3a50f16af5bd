"""The page's static files."""

from functools import cache
from pathlib import Path

from starlette.responses import Response

_MEDIA_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
PUBLIC_FILES = (
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
"""Served without a sign-in: they hold nothing secret, and the sign-in pages need some of them."""


def file_response(name: str, status: int = 200) -> Response:
    """A response with a static file."""
    return Response(_read(name), status, media_type=_MEDIA_TYPES[name.rpartition(".")[2]])


@cache
def _read(name: str) -> bytes:
    return Path(__file__).parent.joinpath("static", name).read_bytes()
