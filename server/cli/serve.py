"""`serve`: the MCP server on stdin and stdout, or over HTTP."""

import gc
from typing import Any

import anyio
import click
from mcp.server.stdio import stdio_server

from ..app import open_server
from ..observability.logs import log_to_stderr
from ..settings import Settings
from .options import SERVE_SETTINGS, load_settings, settings_options

_GC_THRESHOLDS = (10_000, 20, 50)
"""For `gc.set_threshold`. A call allocates thousands of objects and leaves almost none behind. Python's own thresholds
would spend a tenth of its time on looking for garbage."""


@click.command()
@settings_options(*SERVE_SETTINGS)
def serve(**options: Any) -> None:
    """Serve MCP on stdin and stdout, or over HTTP.

    An MCP host starts this command and talks to it on stdin and stdout: `telnyx-conferencing install` sets that up.
    The server needs TELNYX_API_KEY, a key in the system keyring (--keyring), or --sandbox. It logs to stderr.

    Set the same TELNYX_CONFERENCING_STATE_KEYS on all replicas so that each can verify the others' approval requests.

    \b
    Examples:
      telnyx-conferencing serve --sandbox
      telnyx-conferencing serve --approval all --operator-page 8485
      telnyx-conferencing serve --transport http --port 8484
    """
    settings = load_settings(options)
    log_to_stderr(settings)
    tune_gc()
    if settings.transport == "http":
        from ..http.server import run  # noqa: PLC0415 (a web server, which takes time to import and stdio does not need)

        run(settings)
    else:
        anyio.run(_serve_stdio, settings)


async def _serve_stdio(settings: Settings) -> None:
    """Serve until stdin closes. Raises `SettingsError` before anything is read."""
    async with open_server(settings) as opened, stdio_server() as (incoming, outgoing):
        await opened.server.run(incoming, outgoing, opened.server.create_initialization_options())


def tune_gc() -> None:
    """Tune the garbage collector for a server process: skip what exists now, and collect seldom."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
