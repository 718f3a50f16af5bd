"""The store as a command uses it: its URL, its events, and its ledger one call at a time."""

import shlex
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import click
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ...tools.text import clean
from ..adapters.running_servers import running_servers
from ..database import default_url, is_new, redacted_url
from ..guard.ledger import AuditTampered, Ledger, NoSuchApproval, NoSuchGrant
from ..settings import SettingsError
from .options import load_settings
from .terminal import CommandFailed

P = ParamSpec("P")
T = TypeVar("T")

_MAX_MESSAGE_LENGTH = 5_000


class LedgerClient:
    """An open ledger, used from a thread that waits for each answer, so that a command can ask a person in between."""

    def __init__(self, portal: BlockingPortal, ledger: Ledger, store: str, option: str) -> None:
        self._portal = portal
        self._ledger = ledger
        self.store = store
        """The store's URL without its password, for a person."""
        self.option = option
        """The --database option that commands for this store need, with a space before it; empty if they need none."""

    def call(self, method: Callable[Concatenate[Ledger, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the ledger, and return or raise what it does."""
        return self._portal.call(partial(method, self._ledger, *args, **kwargs))


def store_url(database: str | None) -> str:
    """The URL of the store: the one given, else the one in the environment, else that of the running servers.

    If no server runs, it is the default store. Raises `SettingsError` if the running servers use different stores, and
    `StoreError` if the default store's directory cannot be created.
    """
    settings = load_settings({"database": database})
    if settings.database and is_new(settings.database):
        click.echo(f"{settings.database} is a new store: no server has used it yet.", err=True)
    return settings.database or _store_of_running_servers() or default_url()


def _store_of_running_servers() -> str | None:
    servers = {server.store: server for server in running_servers()}
    if not servers:
        return None
    if len(servers) > 1:
        choices = [f"  --database {shlex.quote(server.store)}    {server.title}" for server in servers.values()]
        raise SettingsError("\n".join(["Several servers run. Choose the store of one:", *choices]))
    [server] = servers.values()
    if server.store_needs_login:
        raise SettingsError(
            f"The running server uses {server.store}. Give the URL with its user in TELNYX_CONFERENCING_DATABASE."
        )
    if server.store != default_url():
        click.echo(f"Using the store of {server.title}: {server.store}", err=True)
    return server.store


@contextmanager
def open_ledger(database: str | None) -> Generator[LedgerClient]:
    """The ledger in the store at this URL, or in the store that `store_url` finds.

    Raises `SettingsError` or `StoreError` if the store cannot be used, and `CommandFailed` for a code that the ledger
    does not know and for an audit that was tampered with.
    """
    url = store_url(database)
    option = f" --database {shlex.quote(database)}" if database and redacted_url(url) == url else ""
    try:
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(Ledger.open(url)) as ledger,
        ):
            yield LedgerClient(portal, ledger, clean(redacted_url(url), _MAX_MESSAGE_LENGTH), option)
    except (NoSuchApproval, NoSuchGrant, AuditTampered) as error:
        raise CommandFailed(clean(str(error), _MAX_MESSAGE_LENGTH)) from None
