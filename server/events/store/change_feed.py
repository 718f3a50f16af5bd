"""Tells subscribers of every event once, in the order of numbers, whichever process stored it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ...database import Dialect, StoreError
from ..event import StoredEvent

OnNews = Callable[[list[StoredEvent]], None]

_AGAIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


class ChangeFeed:
    """What this process commits is told at once, unless another's events come before it: then all are read back."""

    def __init__(self, dialect: Dialect, read_after: Callable[[int], Awaitable[list[StoredEvent]]]) -> None:
        """`read_after` reads the next events after a number, oldest first, some at a time."""
        self._dialect = dialect
        self._read_after = read_after
        self._subscribers: dict[object, OnNews] = {}
        self._anyone = asyncio.Event()
        self._unread = asyncio.Event()
        self._reading = False
        self.told = 0
        """The number of the last event that was told, or that needed no telling."""

    def subscribe(self, on_news: OnNews) -> Callable[[], None]:
        """Tell `on_news` from now on; the returned function ends that."""
        key = object()
        self._subscribers[key] = on_news
        self._anyone.set()

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)
            if not self._subscribers:
                self._anyone.clear()

        return unsubscribe

    def committed(self, events: list[StoredEvent]) -> None:
        """This process committed these, which follow each other."""
        if not self._subscribers:
            self.told = max(self.told, events[-1].number)
        elif self._reading or events[0].number != self.told + 1:
            self._unread.set()
        else:
            self._tell(events)

    async def run(self) -> None:
        """Hear of other processes' events while anyone wants to know. Runs until cancelled."""
        watching = asyncio.create_task(self._dialect.watch(self._unread.set, self._anyone))
        try:
            while True:
                await self._unread.wait()
                await self._anyone.wait()
                self._unread.clear()
                await self._read()
        finally:
            watching.cancel()

    async def _read(self) -> None:
        self._reading = True
        try:
            while self._subscribers and (events := await self._read_after(self.told)):
                self._tell(events)
        except StoreError as error:
            _log.warning("News of events is late: %s", error)
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._unread.set)
        finally:
            self._reading = False

    def _tell(self, events: list[StoredEvent]) -> None:
        self.told = events[-1].number
        for on_news in list(self._subscribers.values()):
            try:
                on_news(events)
            except Exception:
                _log.exception("A subscriber to events failed")
