"""A server's connection to its store: opened in the background, and held open until the server ends."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime

import anyio

from ..database import Database, StoreUnreachable
from ..errors import CallRefused
from ..lifecycle import Supervisor
from .event import Event, EventFilter, StoredEvent
from .history import LOOK_BACK
from .store import Store, StoreError, UnfitEvent

logger = logging.getLogger(__name__)

_MAX_LOADED_EVENTS = 200_000
_LOAD_BATCH = 200
_STORE_TIMEOUT_S = 5.0
"""For storing the events that have arrived, at the start and on shutdown."""
_RETRY_DELAY_S = 1.0
"""Delay until an event that could not be stored is tried again."""
OPEN_DELAY_S = 2.0
"""Delay after the start until the store is opened, unless it is needed earlier. It must not delay the first answer."""


class StoreConnection:
    """Opens the store, loads the events of the recent past, and stores those that are enqueued."""

    def __init__(
        self,
        open_store: Callable[[], AbstractAsyncContextManager[Store]],
        *,
        load: Callable[[StoredEvent], object],
        on_stored: Callable[[list[StoredEvent]], None],
        now: Callable[[], datetime],
        delay_s: float = OPEN_DELAY_S,
    ) -> None:
        """`load` is called with each event of the recent past, `on_stored` with the events of each change.

        The store is opened when it is needed, or `delay_s` seconds after the start.
        """
        self._open_store = open_store
        self._load_event = load
        self._on_stored = on_stored
        self._now = now
        self._delay_s = delay_s
        self._needed = anyio.Event()
        self._opened = anyio.Event()
        """Set when the store is open, or the first attempt to open it has failed."""
        self._decided = anyio.Event()
        """Set when the store is open, or further attempts are useless."""
        self.current: Store | None = None
        """The store. None: it is not open."""
        self._problem: StoreError | None = None
        self._backlog: list[tuple[Event, bytes]] = []
        self._enqueued = anyio.Event()
        self.newest = 0
        """The number of the newest event that this process knows."""
        self.newest_at_start = 0
        """`newest` before the first event that arrived while this process ran."""
        self._history = 0
        """How many events of the backlog were there before this process ran: the history of a scene."""

    @asynccontextmanager
    async def running(self, supervisor: Supervisor | None = None) -> AsyncGenerator[None]:
        """Open the store in the background. At the end, store all received events and close it."""
        self._history = len(self._backlog)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon((supervisor or Supervisor()).run, "event store", self._run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def store(self) -> Store:
        """The store, which is opened now if necessary. Raises `CallRefused` if it cannot be opened."""
        self._needed.set()
        return await self._store_or_refusal()

    async def wait_until_open(self) -> Store:
        """The store, as soon as it is open. Raises `CallRefused` if it cannot be opened."""
        await self._decided.wait()
        return await self._store_or_refusal()

    async def database(self) -> Database:
        """The database of the store, which is opened now if necessary. Raises `StoreError` if it cannot be opened."""
        self._needed.set()
        return (await self._opened_store()).database

    def open_soon(self) -> None:
        """Open the store soon: the first answer has been sent."""
        self._needed.set()

    def enqueue(self, event: Event, body: bytes) -> None:
        """Store an event from inside this process. Events are stored in the order of the calls."""
        self._backlog.append((event, body))
        self._needed.set()
        self._enqueued.set()

    async def _store_or_refusal(self) -> Store:
        try:
            return await self._opened_store()
        except StoreError as problem:
            raise CallRefused(f"Events are not available on this server: {problem}") from None

    async def _opened_store(self) -> Store:
        if self.current is None:  # waiting, even for a set event, would yield to other tasks
            await self._opened.wait()
        if self.current is None:
            raise self._problem or StoreError("The store is closed.")
        return self.current

    async def _run(self) -> None:
        with anyio.move_on_after(self._delay_s):
            await self._needed.wait()
        while True:
            if not await self._hold_store_open():
                break
            await anyio.sleep(_RETRY_DELAY_S)
        self._decided.set()

    async def _hold_store_open(self) -> bool:
        """Keep the store open until cancelled. If it cannot be opened, return whether another attempt may succeed."""
        async with AsyncExitStack() as stack:
            try:
                store = await self._open_and_load(stack)
            except StoreError as problem:
                if self._problem is None:
                    logger.error("Events are not available: %s", problem)
                self._problem = problem
                self._opened.set()
                return isinstance(problem, StoreUnreachable)
            self.current = store
            self._opened.set()
            self._decided.set()
            try:
                await self._store_backlog(store)
            except Exception:  # callers wait until the store is open again
                self.current, self._opened = None, anyio.Event()
                raise
            finally:
                with anyio.move_on_after(_STORE_TIMEOUT_S, shield=True):
                    await self._drain(store)
        return False

    async def _open_and_load(self, stack: AsyncExitStack) -> Store:
        """Open the store until the stack closes, store the backlog, and load the recent past. Raises `StoreError`."""
        store = await stack.enter_async_context(self._open_store())
        stack.callback(store.subscribe(self._note_stored))  # before loading, so that no event is missed
        with anyio.move_on_after(_STORE_TIMEOUT_S) as timeout:  # the first answer includes the events until now
            await self._drain(store, only_history=True)
            self.newest_at_start = await store.latest_number()
            await self._drain(store)
        await self._load(store)
        latest = await store.latest_number()
        if timeout.cancelled_caught:
            self.newest_at_start = latest
        self.newest = max(self.newest, latest)
        return store

    def _note_stored(self, events: list[StoredEvent]) -> None:
        for event in events:
            self.newest = max(self.newest, event.number)
        self._on_stored(events)

    async def _load(self, store: Store) -> None:
        loaded = 0
        async for batch in store.batches(EventFilter(since=self._now() - LOOK_BACK), _LOAD_BATCH):
            for event in batch:
                self._load_event(event)
            loaded += len(batch)
            if loaded >= _MAX_LOADED_EVENTS:
                return

    async def _store_backlog(self, store: Store) -> None:
        while True:
            await self._drain(store)
            self._enqueued = anyio.Event()
            await self._enqueued.wait()

    async def _drain(self, store: Store, *, only_history: bool = False) -> None:
        while self._history if only_history else self._backlog:
            event, body = self._backlog[0]
            try:
                await store.add(event, body)
            except UnfitEvent as problem:
                logger.warning("An event of type %r cannot be stored: %s", event.type, problem)
            except StoreError as problem:
                logger.error("An event could not be stored, and is tried again: %s", problem)
                await anyio.sleep(_RETRY_DELAY_S)
                continue
            del self._backlog[0]
            self._history = max(0, self._history - 1)
