"""The event store: every event that Telnyx sent, on disk, found by what it is about."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import anyio

from ...database import Dialect, Transaction, microseconds, note, noted, open_database
from ..envelope import RawWebhook
from ..event import Event, EventFilter, StoredEvent
from .change_feed import ChangeFeed
from .retention import Retention
from .rows import stored_text
from .writer import Writer

if TYPE_CHECKING:
    from .reader import Aside, EventReader

KEEP_FOR = timedelta(days=30)
KEEP_MOST = 5_000_000

_NEWS_AT_ONCE = 500
_ASIDE_AT_MOST = 100
_ASIDE_BYTES = 64 * 1024
_REASON_CHARACTERS = 1_000

_SET_ASIDE = "INSERT INTO aside (received_at, reason, size, body) VALUES (:received_at, :reason, :size, :body)"
_TRIM_ASIDE = "DELETE FROM aside WHERE number <= (SELECT max(number) FROM aside) - :most"


def _now() -> datetime:
    return datetime.now(UTC)


class Store:
    """An open store. Other processes may have the same one open; all see, and are told of, every event.

    Every method but `subscribe` may raise `StoreError`.
    """

    def __init__(
        self,
        dialect: Dialect,
        reader: "EventReader",
        *,
        keep_for: timedelta,
        keep_most: int,
        now: Callable[[], datetime],
    ) -> None:
        """Use `Store.open`."""
        self.dialect = dialect
        """The database it is in."""
        self._now = now
        self._reader = reader
        self._news = ChangeFeed(dialect, self._after)
        self._upkeep = Retention(dialect, reader.beyond, keep_for=keep_for, keep_most=keep_most, now=now)
        self._writer = Writer(dialect, self._committed)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        keep_for: timedelta = KEEP_FOR,
        keep_most: int = KEEP_MOST,
        now: Callable[[], datetime] = _now,
    ) -> "AsyncGenerator[Store]":
        """Open the store at a URL such as `sqlite:////var/lib/events.db`; make it if it is not there.

        Events go when they were received longer ago than `keep_for`, and the oldest of more than `keep_most`.
        Raises `StoreError`, for the operator, when the place cannot be used, holds something else or is damaged.
        What was handed to `add` before the end is stored before this ends.
        """
        async with open_database(url) as dialect:
            from .reader import EventReader  # noqa: PLC0415 (loads SQLAlchemy, which an open database has loaded)

            store = cls(dialect, EventReader(dialect), keep_for=keep_for, keep_most=keep_most, now=now)
            store._news.told = await store.latest_number()
            async with store._running():
                yield store

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        writing = asyncio.create_task(self._writer.run(), name="event store: writer")
        ending = anyio.CancelScope(), anyio.CancelScope()  # unlike a task's own end, these let a read come to its end
        beside = [
            asyncio.create_task(_within(ending[0], self._news.run), name="event store: news"),
            asyncio.create_task(_within(ending[1], self._upkeep.run), name="event store: upkeep"),
        ]
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                self._writer.close()
                await writing
                for scope in ending:
                    scope.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    async def add(self, event: Event, body: bytes | None = None) -> StoredEvent | None:
        """Store one event. It is on disk when this returns; None when its id was there.

        `body`: what it came in, from which its payload is read again; None makes one.
        Events added at the same time share one commit. Cancelling the caller leaves the event stored or not, whole.
        Raises `UnfitEvent` when this event can never be stored, and `StoreError` otherwise: then it may be tried again.
        """
        return await self._writer.add(lambda: event, body, self._now())

    async def add_unread(self, unread: RawWebhook) -> StoredEvent | None:
        """The same for an event that is still to be read, which is done for all that are stored together: one after
        another, that is quicker than each between two requests. Raises `NotAnEvent` too."""
        return await self._writer.add(unread.parse, unread.body, self._now())

    async def get(self, event_id: str) -> StoredEvent | None:
        """The event with this id."""
        return await self._reader.get(event_id)

    async def find(self, wanted: EventFilter, *, limit: int, newest_first: bool = True) -> list[StoredEvent]:
        """The first `limit` of the wanted events in the order of their numbers, from the newest or from the oldest."""
        return await self._reader.find(wanted, limit, newest_first=newest_first)

    async def count(self, wanted: EventFilter) -> int:
        """How many events are wanted; `COUNT_AT_MOST` stands for that many or more."""
        return await self._reader.count(wanted)

    async def distinct(
        self,
        field: Literal["conference_id", "call_control_id", "queue", "type", "id"],
        prefix: str = "",
        limit: int = 100,
    ) -> list[str]:
        """The values of a field that start with `prefix`, most recently seen first."""
        return await self._reader.distinct(field, prefix, limit)

    async def latest_number(self) -> int:
        """The number of the newest event; 0 without any."""
        return await self._reader.latest_number()

    async def set_aside(self, body: bytes, reason: str) -> None:
        """Keep a body that is not an event for the operator: the newest 100 are kept, 64 KiB of each."""
        said = {
            "received_at": microseconds(self._now()),
            "reason": stored_text(reason[:_REASON_CHARACTERS]),
            "size": len(body),
            "body": body[:_ASIDE_BYTES],
        }

        def work(session: Transaction) -> None:
            session.change(_SET_ASIDE, **said)
            session.change(_TRIM_ASIDE, most=_ASIDE_AT_MOST)

        await self.dialect.transaction(work)

    async def noted(self, name: str) -> str | None:
        """The single fact that is kept under a name, whoever kept it."""
        return await self.dialect.transaction(lambda session: noted(session, name), outlives="process")

    async def note(self, name: str, value: str) -> None:
        """Keep a single fact under a name, in place of what was there."""
        await self.dialect.transaction(lambda session: note(session, name, value))

    async def aside(self) -> "list[Aside]":
        """What was set aside, newest first."""
        return await self._reader.aside()

    async def prune(self) -> int:
        """Delete what is too old or too much, a little at a time, and return how many events went.

        Runs by itself too: soon after opening, and every hour.
        """
        return await self._upkeep.prune()

    def subscribe(self, on_news: Callable[[list[StoredEvent]], None]) -> Callable[[], None]:
        """Call `on_news`, in the event loop, with every event from now on, once, in the order of numbers.

        Events that another process stored shortly before may be among the first. Returns what ends it.
        """
        return self._news.subscribe(on_news)

    @property
    def duplicates(self) -> int:
        """How many events were added here whose id was there already."""
        return self._writer.duplicates

    def _committed(self, events: list[StoredEvent]) -> None:
        self._upkeep.committed(events)
        self._news.committed(events)

    async def _after(self, number: int) -> list[StoredEvent]:
        return await self.find(EventFilter(after_number=number), limit=_NEWS_AT_ONCE, newest_first=False)


async def _within(scope: anyio.CancelScope, run: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await run()
