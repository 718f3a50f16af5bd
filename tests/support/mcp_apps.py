"""A host that renders MCP Apps, as a server sees it."""

from mcp.client import advertise
from mcp.client.extension import ClientExtension
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID

from telnyx_conferencing.tools import TOOLS
from telnyx_conferencing.tools.base import Tool

RENDERS: tuple[ClientExtension, ...] = (advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]}),)
"""What such a host declares."""
CARD = "telnyx-conferencing/card"
PENDING = "telnyx-conferencing/pending"
SWITCHBOARD = "ui://telnyx-conferencing/switchboard.html"
LISTED: tuple[type[Tool], ...] = tuple(tool for tool in TOOLS if not tool.needs_cards)
"""The tools that hosts without cards list."""
