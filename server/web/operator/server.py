"""The operator page on a loopback port of its own."""

import errno
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
from starlette.routing import BaseRoute, Router

from ...asgi_server import listen, serving
from ...guard.ledger import Ledger
from ...settings import SettingsError
from .app import OperatorPage


def print_link(link: str) -> None:
    """Print a sign-in link on this process's terminal, and not to the log, which may be kept."""
    sys.stderr.write(f"Operator page (this link works once, for 10 minutes): {link}\n")


def run(url: str, port: int) -> None:
    """Serve the page over the store at a URL until interrupted. Raises `SettingsError`, `StoreError`."""
    anyio.run(_run, url, port)


async def _run(url: str, port: int) -> None:
    async with Ledger.open(url) as ledger, serve_operator_page(ledger, port) as link:
        print_link(link)
        await anyio.sleep_forever()


@asynccontextmanager
async def serve_operator_page(
    ledger: Ledger,
    port: int,
    show_link: Callable[[str], None] = print_link,
    by: str = "operator page",
    more_routes: Callable[[OperatorPage, int], list[BaseRoute]] = lambda page, port: [],
) -> AsyncGenerator[str]:
    """Serve the page until the context exits; yields the first sign-in link.

    `port`: 0 takes a free one. `show_link` shows a further link on the server's terminal, when a visitor asks for one.
    `by`: how the audit names decisions made here. `more_routes`: pages that share the sign-in and this port. Raises
    `SettingsError` when the port is in use.
    """
    try:
        listener = listen(port)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        problem = "is already in use" if in_use else f"cannot be opened ({error.strerror})"
        raise SettingsError(f"operator page: port {port} {problem}: choose another, or 0 for a free one.") from None
    own_port: int = listener.getsockname()[1]
    page = OperatorPage(ledger, own_port, show_link, by=by)
    async with serving(Router([*page.routes, *more_routes(page, own_port)]), listener):
        try:
            yield page.link()
        finally:
            page.close()  # the server waits for open streams
