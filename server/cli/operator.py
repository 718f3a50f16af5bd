"""`operator`: opens the operator page of a running server, or serves it over the store."""

import os
import sys
import webbrowser

import anyio
import click

from ..adapters.running_servers import ServerRecord, running_servers
from ..database import redacted_url
from ..guard.ledger import SIGN_IN_CODE_TTL, Ledger
from ..settings import SettingsError
from ..web.operator.server import run
from ..web.operator.sign_in import create_code
from .ledger import store_url
from .options import load_settings, settings_options
from .terminal import current_user, require_terminal

_MINUTES = SIGN_IN_CODE_TTL.seconds // 60


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8485,
    show_default=True,
    metavar="PORT",
    help="Port on 127.0.0.1, if no running server has the page. 0: a free port.",
)
@click.option("--no-browser", is_flag=True, help="Print the address and do not open the browser.")
@settings_options("database")
def operator(port: int, no_browser: bool, database: str | None) -> None:
    """Open the operator page, and print a code to sign in there.

    The page shows what happens now, the pending approval requests, past conferences and the audit. It also has the
    switch that pauses the agent. The command finds the page of the running server. If no server has one
    (--operator-page), the command serves the page over the store until interrupted. It works only at a terminal, since
    the code is for a person.

    \b
    Examples:
      telnyx-conferencing operator
      telnyx-conferencing operator --no-browser
    """
    require_terminal("The operator page")
    url = load_settings({"database": database}).database
    server = _choose([running for running in _servers_with_page() if url is None or running.store == redacted_url(url)])
    if server is None:
        store = store_url(database)
        click.echo(
            "No running server has the operator page, so this command serves it, without buttons for calls: those need "
            "a server with --operator-page. Press Ctrl-C to stop."
        )

        async def announce(ledger: Ledger, address: str) -> None:
            await _open(ledger, address, browser=not no_browser)

        run(store, port, announce)
        return
    assert server.page is not None
    if server.page_needs_token:
        click.echo(f"Operator page of {server.title}: {server.page}")
        click.echo("Sign in there with an access token that has the scope conferences:approve.")
        _open_browser(server.page, wanted=not no_browser)
        return
    anyio.run(_sign_in_at, _url_of(server, url), server.page, not no_browser)


def _servers_with_page() -> list[ServerRecord]:
    return [server for server in running_servers() if server.page is not None]


def _choose(servers: list[ServerRecord]) -> ServerRecord | None:
    """The server whose page to open; a person chooses between several."""
    if len(servers) < 2:
        return servers[0] if servers else None
    click.echo("Several servers have an operator page:")
    for number, server in enumerate(servers, 1):
        click.echo(f"  {number}. {server.page}  {server.title}, store {server.store}")
    number: int = click.prompt("Which one", type=click.IntRange(1, len(servers)), default=1)
    return servers[number - 1]


def _url_of(server: ServerRecord, url: str | None) -> str:
    """The URL of a server's store, with its user and password. Raises `SettingsError` if these are not known."""
    if server.store_needs_login and url is None:
        raise SettingsError(
            f"The server uses {server.store}. Give the URL with its user in TELNYX_CONFERENCING_DATABASE."
        )
    return url or server.store


async def _sign_in_at(url: str, page: str, browser: bool) -> None:
    async with Ledger.open(url) as ledger:
        await _open(ledger, page, browser=browser)


async def _open(ledger: Ledger, page: str, *, browser: bool) -> None:
    code = await create_code(ledger, current_user().removesuffix(" at a terminal"))
    click.echo(f"Operator page: {page}")
    click.echo(f"Sign-in code:  {click.style(code, bold=True)}  (works once, within {_MINUTES} minutes)")
    _open_browser(page, wanted=browser)


def _open_browser(page: str, *, wanted: bool) -> None:
    """Open the page, where this user has a browser with windows. The address never contains the code."""
    has_windows = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )
    if not wanted or not has_windows or not webbrowser.open(page):
        click.echo("Open the address in your browser.")
