"""The operator page on a loopback port, beside whatever else this process does."""

import errno
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
from starlette.types import ASGIApp

from ...asgi_server import listen, serving
from ...guard.ledger import Ledger
from ...settings import SettingsError
from .app import OperatorPage


def print_link(link: str) -> None:
    """Show a sign-in link to whoever sees this process's terminal."""
    # Not the log, which may be kept: this is for whoever sits at the terminal now.
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
    tell: Callable[[str], None] = print_link,
    by: str = "operator page",
    beside: Callable[[OperatorPage, int], ASGIApp] = lambda page, port: page.app,
) -> AsyncGenerator[str]:
    """Serve the page for as long as the context lasts; yields the first sign-in link, for the terminal.

    `port`: 0 takes a free one. `tell` shows a further link to whoever sees the server's terminal; it is called when
    somebody asks for one on the page. `by`: how the audit names who decided here. `beside`: the page at this port as an
    app, with whatever else its sign-in serves. Raises `SettingsError` when the port
    is taken.
    """
    try:
        listener = listen(port)
    except OSError as error:
        why = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
        raise SettingsError(f"operator page: port {port} {why}: choose another, or 0 for a free one.") from None
    taken: int = listener.getsockname()[1]
    page = OperatorPage(ledger, taken, tell, by=by)
    async with serving(beside(page, taken), listener):
        try:
            yield page.link()
        finally:
            page.close()  # an open stream is a request in hand, which the server would wait for
