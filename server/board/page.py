"""The page as it is shipped: one file without outside assets, built from `board/`."""

from functools import cache
from pathlib import Path


@cache
def html() -> str:
    """The page."""
    return Path(__file__).with_name("switchboard.html").read_text("utf-8")
