"""The operator page on a loopback port of its own."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from starlette.routing import Router

from ...alerts.book import AlertBook
from ...asgi_server import LOOPBACK, listen, port_problem, serving
from ...board.board import Board
from ...errors import CallRefused
from ...events.service import ApiAnswer, EventService
from ...events.store import Store
from ...guard.ledger import Ledger
from ...settings import SettingsError
from ...stores import open_for_reading
from .app import PATH, OperatorPage
from .live import LiveCalls


def announce_page(address: str, *, needs_token: bool = False) -> None:
    """Print on stderr where the page is. The address holds no secret, so that a host may keep it."""
    how = "with an access token" if needs_token else "with the code that `telnyx-conferencing operator` prints"
    sys.stderr.write(f"Operator page: {address} (sign in {how})\n")


@asynccontextmanager
async def serve_operator_page(ledger: Ledger, live: LiveCalls, port: int) -> AsyncGenerator[str]:
    """Serve the page until the context exits; yields its address.

    `port`: 0 takes a free one. Raises `SettingsError` when the port is in use.
    """
    try:
        listener = listen(port)
    except OSError as error:
        problem = f"port {port} {port_problem(error)}: choose another, or 0 for a free one."
        raise SettingsError(f"operator page: {problem}") from None
    own_port: int = listener.getsockname()[1]
    page = OperatorPage(ledger, live, own_port)
    async with serving(Router(page.routes), listener):
        try:
            yield f"http://{LOOPBACK}:{own_port}{PATH}"
        finally:
            page.close()  # the server waits for open streams


@asynccontextmanager
async def open_stored_calls(url: str) -> AsyncGenerator[tuple[Ledger, LiveCalls]]:
    """The ledger and the calls in the store at a URL, for a page without a server: it has no buttons.

    Raises `StoreError` if the store cannot be opened.
    """

    def open_store() -> AbstractAsyncContextManager[Store]:
        return open_for_reading(url)

    events = EventService(open_store, _NoTelnyx(), open_delay_s=0)
    async with events.connection.running():
        ledger = Ledger(events.connection.database)
        await events.connection.database()
        alerts = AlertBook()
        events.on_change(alerts.note)
        yield ledger, LiveCalls(Board(events, ledger, lambda name, policy: False, alerts), events)


class _NoTelnyx:
    """Knows nothing: this process has no access to Telnyx."""

    async def open_conferences(self) -> dict[str, str]:
        raise _UNKNOWN

    async def queues(self) -> list[str]:
        raise _UNKNOWN

    async def conference(self, conference_id: str) -> ApiAnswer:
        raise _UNKNOWN

    async def queue(self, name: str) -> ApiAnswer:
        raise _UNKNOWN


_UNKNOWN = CallRefused("This process has no access to Telnyx.")


def run(url: str, port: int, announce: Callable[[Ledger, str], Awaitable[None]]) -> None:
    """Serve the page over the store at a URL until interrupted. Raises `SettingsError`, `StoreError`.

    `announce` gets the ledger and the page's address once it is served.
    """
    anyio.run(_run, url, port, announce)


async def _run(url: str, port: int, announce: Callable[[Ledger, str], Awaitable[None]]) -> None:
    async with open_stored_calls(url) as (ledger, live), serve_operator_page(ledger, live, port) as address:
        await announce(ledger, address)
        await anyio.sleep_forever()
