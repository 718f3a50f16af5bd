"""The built page: one HTML file without external assets. Its sources are in `board/`."""

from functools import cache
from pathlib import Path


@cache
def html() -> str:
    """The page."""
    return Path(__file__).with_name("switchboard.html").read_text("utf-8")
