"""The page's static files. `app.js` and `app.css` are built from `board/`."""

from functools import cache
from pathlib import Path

from starlette.responses import Response

_MEDIA_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
PUBLIC_FILES = ("app.css", "app.js", "icon.svg")
"""Served without a sign-in: they hold nothing secret, and signing in needs them."""


def file_response(name: str) -> Response:
    """A response with a static file."""
    return Response(_read(name), media_type=_MEDIA_TYPES[name.rpartition(".")[2]])


@cache
def _read(name: str) -> bytes:
    return Path(__file__).parent.joinpath("static", name).read_bytes()
