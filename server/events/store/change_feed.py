"""Passes every new event of any process to subscribers once, in the order of numbers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

from ...database import Database, StoreError
from ..event import StoredEvent

Listener = Callable[[list[StoredEvent]], None]

_RETRY_DELAY_S = 1.0

_log = logging.getLogger(__name__)


class ChangeFeed:
    """Passes on events that this process has committed, unless other events come before them: then it reads all."""

    def __init__(self, database: Database, read_after: Callable[[int], Awaitable[list[StoredEvent]]]) -> None:
        """`read_after` reads some of the events after a number, oldest first."""
        self._database = database
        self._read_after = read_after
        self._listeners: dict[object, Listener] = {}
        self._has_listeners = asyncio.Event()
        self._unread = asyncio.Event()
        self._reading = False
        self.position = 0
        """The number of the last event that was passed on, or that came before the first subscriber."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on. Returns a function that ends the subscription."""
        key = object()
        self._listeners[key] = listener
        self._has_listeners.set()

        def unsubscribe() -> None:
            self._listeners.pop(key, None)
            if not self._listeners:
                self._has_listeners.clear()

        return unsubscribe

    def on_commit(self, events: list[StoredEvent]) -> None:
        """This process has committed these events. Their numbers are in sequence."""
        if not self._listeners:
            self.position = max(self.position, events[-1].number)
        elif self._reading or events[0].number != self.position + 1:
            self._unread.set()
        else:
            self._publish(events)

    async def run(self) -> None:
        """Watch for events of other processes while there are subscribers. Runs until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._database.watch, self._unread.set, self._has_listeners)
            while True:
                await self._unread.wait()
                await self._has_listeners.wait()
                self._unread.clear()
                await self._read()

    async def _read(self) -> None:
        self._reading = True
        try:
            while self._listeners and (events := await self._read_after(self.position)):
                self._publish(events)
        except StoreError as error:
            _log.warning("Events of other processes arrive late: %s", error)
            asyncio.get_running_loop().call_later(_RETRY_DELAY_S, self._unread.set)
        finally:
            self._reading = False

    def _publish(self, events: list[StoredEvent]) -> None:
        self.position = events[-1].number
        for listener in list(self._listeners.values()):
            try:
                listener(events)
            except Exception:
                _log.exception("A subscriber to events failed")
