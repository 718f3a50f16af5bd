"""Which database the settings name, and how to open the event store in it."""

import os
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from .database import default_url, redacted_url
from .events.event import EventFilter, Via
from .events.store import Store
from .lifecycle import Supervisor
from .settings import Settings


@contextmanager
def store_url(settings: Settings) -> Generator[str | None]:
    """The URL of the database that the settings name. None is the user's own database.

    The sandbox without `--database` uses a temporary file, which is deleted when the context ends.
    """
    if settings.database is not None or not settings.sandbox:
        yield settings.database
        return
    with TemporaryDirectory(prefix="telnyx-conferencing-") as directory:
        yield f"sqlite:///{Path(directory) / 'events.db'}"


def open_event_store(
    settings: Settings, url: str | None, supervisor: Supervisor | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open the event store at a URL; None is the user's own. `supervisor` runs its tasks. Raises `StoreError`."""
    return Store.open(
        url or default_url(),
        keep_for=settings.keep,
        keep_most=settings.keep_most,
        keep_transcripts=settings.keep_transcripts,
        supervisor=supervisor,
    )


def open_for_reading(url: str) -> AbstractAsyncContextManager[Store]:
    """Open the event store at a URL in a process that is not its server: it deletes no old events.

    Only the server knows how long to keep them. Raises `StoreError`.
    """
    return Store.open(url, keep_for=timedelta(days=36_500), keep_most=2**62)


async def time_of(store: Store) -> datetime:
    """Now, or the time of a sandbox whose clock was advanced. Raises `StoreError`."""
    newest = await store.newest(EventFilter(), limit=1)
    return max([datetime.now(UTC), *(event.occurred_at for event in newest if event.via is Via.SANDBOX)])


def store_identity(settings: Settings) -> str:
    """What tells this server's store from the stores of other servers on this machine. It contains no password."""
    if settings.sandbox and settings.database is None:
        return f"sandbox of process {os.getpid()}"
    return redacted_url(settings.database or default_url())
