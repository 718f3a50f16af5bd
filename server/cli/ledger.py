"""The ledger for a person who does one thing after another at a command line."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ...tools.words import clean
from ..database import StoreError, default_url, redacted_url
from ..guard.ledger import AuditTampered, Ledger, NoSuchApproval
from ..settings import SettingsError
from .options import loaded
from .terminal import CommandFailed

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST = 5_000


class LedgerClient:
    """An open ledger, used from a thread that waits for each answer, so that a person can be asked in between."""

    def __init__(self, portal: BlockingPortal, ledger: Ledger, store: str) -> None:
        self._portal = portal
        self._ledger = ledger
        self.store = store
        """Where it is, for a person: its URL without a password."""

    def call(self, method: Callable[Concatenate[Ledger, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a method of the ledger returns, or raises."""
        return self._portal.call(partial(method, self._ledger, *args, **kwargs))


@contextmanager
def store_at(database: str | None) -> Generator[str]:
    """The URL of the store that is named, or else set. Raises `SettingsError` when the store cannot be used."""
    try:
        yield loaded({"database": database}).database or default_url()
    except StoreError as problem:
        raise SettingsError(str(problem)) from None


@contextmanager
def open_ledger(database: str | None) -> Generator[LedgerClient]:
    """The ledger in the store at this URL, or in the one that is set.

    Raises `SettingsError` when the store cannot be used, and `NotDone` for what the ledger has not or cannot prove.
    """
    try:
        with (
            store_at(database) as url,
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(Ledger.open(url)) as ledger,
        ):
            yield LedgerClient(portal, ledger, clean(redacted_url(url), _LONGEST))
    except (NoSuchApproval, AuditTampered) as problem:
        raise CommandFailed(clean(str(problem), _LONGEST)) from None
