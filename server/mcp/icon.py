"""The server's icon, for hosts that show one."""

import base64
from functools import cache
from pathlib import Path

from mcp_types import Icon

_FILE = Path(__file__).with_name("icon.svg")


@cache
def icon() -> Icon:
    """The icon as a data URI, so that no host fetches anything."""
    data = base64.b64encode(_FILE.read_bytes()).decode()
    return Icon(src=f"data:image/svg+xml;base64,{data}", mime_type="image/svg+xml", sizes=["any"])
