"""MCP on stdin and stdout."""

import anyio
from mcp.server.stdio import stdio_server

from ..app import open_server
from ..settings import Settings


def run(settings: Settings) -> None:
    """Serve until stdin closes. Raises `SettingsError` before anything is read."""
    anyio.run(_serve, settings)


async def _serve(settings: Settings) -> None:
    async with open_server(settings) as opened, stdio_server() as (incoming, outgoing):
        await opened.server.run(incoming, outgoing, opened.server.create_initialization_options())
