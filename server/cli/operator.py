"""`operator`: the operator page, served until interrupted."""

import click

from ..web.operator.server import run
from .ledger import store_url
from .options import settings_options
from .terminal import require_terminal


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8485,
    show_default=True,
    metavar="PORT",
    help="Port on 127.0.0.1. 0: a free port.",
)
@settings_options("database")
def operator(port: int, database: str | None) -> None:
    """Serve the operator page and print a sign-in link.

    The page shows the waiting approval requests and the latest calls of every server that uses this store. It also has
    the switch that stops all writes. The command works only at a terminal, since the link is for a person. It runs
    until interrupted.

    \b
    Example:
      telnyx-conferencing operator
    """
    require_terminal("The operator page")
    run(store_url(database), port)
