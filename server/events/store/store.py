"""The event store: every event that Telnyx sent, on disk, with searches."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio

from ...database import Database, get_value, open_database, set_value
from ...lifecycle import Supervisor
from ..event import Event, EventFilter, StoredEvent
from ..speech import SpeechMemory
from . import query, rejected, webhooks
from .change_feed import ChangeFeed, Listener
from .rejected import RejectedWebhook
from .retention import Retention
from .webhooks import RawEvent
from .writer import Writer

KEEP_FOR = timedelta(days=30)
KEEP_MOST = 5_000_000

_FEED_BATCH = 500


def _now() -> datetime:
    return datetime.now(UTC)


class Store:
    """An open store. Several processes may have the same store open: each sees the events of all.

    Every method but `subscribe` may raise `StoreError`.
    """

    def __init__(
        self,
        database: Database,
        *,
        keep_for: timedelta,
        keep_most: int,
        keep_transcripts: bool,
        now: Callable[[], datetime],
    ) -> None:
        """Use `Store.open`."""
        self.database = database
        self.speech = SpeechMemory(is_withholding=not keep_transcripts)
        """Transcribed speech, if it is not stored."""
        self._now = now
        self._feed = ChangeFeed(database, self._after)
        self._retention = Retention(database, keep_for=keep_for, keep_most=keep_most, now=now)
        self._writer = Writer(database, self._feed.on_commit)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        keep_for: timedelta = KEEP_FOR,
        keep_most: int = KEEP_MOST,
        keep_transcripts: bool = False,
        now: Callable[[], datetime] = _now,
        supervisor: Supervisor | None = None,
    ) -> "AsyncGenerator[Store]":
        """Open the store at a URL such as `sqlite:////var/lib/events.db`, or create it.

        Events are deleted when they were received longer ago than `keep_for`, and the oldest of more than `keep_most`.
        `keep_transcripts`: store what people say; otherwise events are stored without it, and `speech` has it.
        Raises `StoreError`, for the operator, when the database cannot be used, is damaged or contains something else.
        Events that were passed to `add` are stored before this context ends. `supervisor` runs the background tasks.
        """
        async with open_database(url) as database:
            store = cls(database, keep_for=keep_for, keep_most=keep_most, keep_transcripts=keep_transcripts, now=now)
            store._feed.position = await store.latest_number()
            async with store._running(supervisor or Supervisor()):
                yield store

    @asynccontextmanager
    async def _running(self, supervisor: Supervisor) -> AsyncGenerator[None]:
        writing = asyncio.create_task(supervisor.run("event writer", self._writer.run))
        background = [
            asyncio.create_task(supervisor.run("event feed", self._feed.run)),
            asyncio.create_task(supervisor.run("event retention", self._retention.run)),
        ]
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                self._writer.close()
                await writing
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)

    async def add(self, event: Event, body: bytes | None = None) -> StoredEvent | None:
        """Store one event. It is on disk when this returns. Returns None when its id was stored before.

        `body`: what Telnyx posted, from which the payload is read again. None creates a body from the event.
        Events that are added at the same time share one commit. When the caller is cancelled, the event is stored
        completely or not at all. Raises `UnfitEvent` when this event can never be stored, and `StoreError` otherwise:
        then it may be tried again.
        """
        withheld = self.speech.withhold(event)
        if withheld is not None:
            event, body = withheld, None
        return await self._writer.add(event, body, self._now())

    async def get(self, event_id: str) -> StoredEvent | None:
        """The event with this id."""
        return await self.database.read(partial(query.get, event_id=event_id))

    async def find(self, event_filter: EventFilter, *, limit: int, newest_first: bool = True) -> list[StoredEvent]:
        """The first `limit` events that match, in the order of their numbers."""
        work = partial(query.find, event_filter=event_filter, limit=limit, newest_first=newest_first)
        return await self.database.read(work)

    async def batches(self, event_filter: EventFilter, size: int) -> AsyncGenerator[list[StoredEvent]]:
        """All events that match, in the order of their numbers, `size` at a time."""
        while batch := await self.find(event_filter, limit=size, newest_first=False):
            yield batch
            if len(batch) < size:
                return
            event_filter = replace(event_filter, after_number=batch[-1].number)

    async def newest(self, event_filter: EventFilter, *, limit: int, before: int | None = None) -> list[StoredEvent]:
        """The `limit` newest events that match, by the time when they occurred and then by number.

        `before`: only those older than the event with this number.
        """
        work = partial(query.newest, event_filter=event_filter, limit=limit, before=before)
        return await self.database.read(work)

    async def raw_events(self, numbers: Sequence[int]) -> list[RawEvent]:
        """The events with these numbers as they arrived, in the order of their numbers."""
        return await self.database.read(partial(webhooks.raw_events, numbers=numbers))

    async def count(self, event_filter: EventFilter) -> int:
        """How many events match. `MAX_COUNT` means that many or more."""
        return await self.database.read(partial(query.count, event_filter=event_filter))

    async def distinct(self, field: query.Field, prefix: str = "", limit: int = 100) -> list[str]:
        """The values of a field that start with `prefix`, the most recently used first."""
        return await self.database.read(partial(query.distinct, name=field, prefix=prefix, limit=limit))

    async def latest_number(self) -> int:
        """The number of the newest event, 0 if there is none."""
        return await self.database.read(query.latest_number)

    async def reject(self, body: bytes, reason: str) -> None:
        """Keep a signed body that is not an event for the operator: the newest 100, 64 KiB of each.

        A body that may contain speech is kept only if transcripts are stored.
        """
        body = self.speech.without_speech(body)
        await self.database.write(partial(rejected.add, body=body, reason=reason, received_at=self._now()))

    async def rejected(self) -> list[RejectedWebhook]:
        """The webhooks that were rejected, newest first."""
        return await self.database.read(rejected.newest_first)

    async def get_value(self, name: str) -> str | None:
        """The value under a name, as set by any process."""
        return await self.database.read(partial(get_value, name=name))

    async def set_value(self, name: str, value: str) -> None:
        """Store a value under a name. It replaces the previous one."""
        await self.database.write(partial(set_value, name=name, value=value))

    async def prune(self) -> int:
        """Delete events that are too old or too many, in small steps, and return how many.

        The store also does this soon after it is opened and every hour.
        """
        return await self._retention.prune()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener`, in the event loop, with every event from now on, once, in the order of numbers.

        The first events may be some that another process stored shortly before. Returns a function that ends the
        subscription.
        """
        return self._feed.subscribe(listener)

    @property
    def duplicates(self) -> int:
        """How many events were added here whose id was stored before."""
        return self._writer.duplicates

    async def _after(self, number: int) -> list[StoredEvent]:
        return await self.find(EventFilter(after_number=number), limit=_FEED_BATCH, newest_first=False)
