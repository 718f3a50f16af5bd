"""`serve`: the MCP server on stdin and stdout, or over HTTP."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

import anyio
import click
from anyio.abc import TaskStatus
from mcp.server.stdio import stdio_server

from ..app import RunningServer, open_server
from ..mcp.stdout import Stdout
from ..observability.logs import log_to_stderr
from ..settings import Settings, SettingsError
from .failures import INTERRUPTED
from .options import HTTP_SETTINGS, SERVE_SETTINGS, flag, load_settings, settings_options
from .terminal import program

logger = logging.getLogger(__name__)

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
    _refuse_unused(options, settings)
    log_to_stderr(settings)
    tune_gc()
    if settings.transport == "http":
        _serve_http(settings)
    else:
        if sys.stdin.isatty():
            click.echo(
                "This server speaks MCP on stdin and stdout, and waits for a client. A host starts it for you: see "
                f"{program()} install --help. Press Ctrl-C to stop.",
                err=True,
            )
        anyio.run(_serve_stdio, settings)


def _refuse_unused(options: Mapping[str, Any], settings: Settings) -> None:
    """Raise `SettingsError` for an option that has no effect with the others."""
    if settings.transport != "http":
        for name in HTTP_SETTINGS:
            if options[name] is not None and name != "transport":
                raise SettingsError(f"{flag(name)} needs --transport http.")
    for name in ("sandbox_port", "scene"):
        if options[name] is not None and not settings.sandbox:
            raise SettingsError(f"{flag(name)} needs --sandbox.")


def _serve_http(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `KeyboardInterrupt` after SIGINT."""
    from ..http.server import run  # noqa: PLC0415 (a web server, which takes time to import and stdio does not need)

    run(settings, _announce if settings.log_format == "text" else logger.info)


def _announce(message: str) -> None:
    click.echo(message, err=True)


async def _serve_stdio(settings: Settings) -> None:
    """Serve until stdin closes, or until SIGINT. Raises `SettingsError` before anything is read."""
    async with anyio.create_task_group() as tasks:
        server = _ServerTask(settings)
        opened = await tasks.start(server.run)
        stdout = None if sys.platform == "win32" else cast("anyio.AsyncFile[str]", Stdout())
        async with stdio_server(stdout=stdout) as (incoming, outgoing):
            with _cancelled_by_interrupt() as scope:
                await opened.server.run(incoming, outgoing, opened.server.create_initialization_options())
            await server.close()
            if scope.cancel_called:
                os._exit(INTERRUPTED)  # a thread is still reading stdin, and nothing else can end that


class _ServerTask:
    """A server in a task of its own, so that it can end before the transport does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._close, self._closed = anyio.Event(), anyio.Event()

    async def run(self, *, task_status: TaskStatus[RunningServer]) -> None:
        """Keep the server open until `close`. Reports it as started once it is open."""
        async with open_server(self._settings) as opened:
            task_status.started(opened)
            await self._close.wait()
        self._closed.set()

    async def close(self) -> None:
        """Close the server, and wait until it is closed."""
        self._close.set()
        await self._closed.wait()


@contextmanager
def _cancelled_by_interrupt() -> Generator[anyio.CancelScope]:
    """A scope that SIGINT cancels."""
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:

        def cancel(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(scope.cancel)

        previous = signal.signal(signal.SIGINT, cancel)
        try:
            yield scope
        finally:
            signal.signal(signal.SIGINT, previous)


def tune_gc() -> None:
    """Tune the garbage collector for a server process: skip what exists now, and collect seldom."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
