"""Writes events in groups: one commit stores all events that are waiting."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from ...database import Database, StoreError, Transaction
from ..event import Event, StoredEvent
from .rows import COLUMNS, Row, row_of, stored

_MAX_GROUP_EVENTS = 512
_MAX_GROUP_BYTES = 1024 * 1024
"""Of bodies. Reading more at once would block the event loop for too long."""


class _Pending(NamedTuple):
    """An event that waits to be stored."""

    read: Callable[[], Event]
    body: bytes | None
    received_at: datetime
    result: "asyncio.Future[StoredEvent | None]"

    def fail(self, error: Exception) -> None:
        if not self.result.done():  # the caller may have been cancelled
            self.result.set_exception(error)


class _Prepared(NamedTuple):
    pending: _Pending
    event: Event
    row: Row


class Writer:
    """Stores the events of this process."""

    def __init__(self, database: Database, on_commit: Callable[[list[StoredEvent]], None]) -> None:
        """`on_commit` is called with the new events of each group, in the order of numbers."""
        self._database = database
        self._on_commit = on_commit
        self._queue: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self.duplicates = 0

    async def add(self, read: Callable[[], Event], body: bytes | None, received_at: datetime) -> StoredEvent | None:
        """Store the event that `read` returns. Returns when it is on disk, None when its id was stored before.

        Raises what `read` raises, and `StoreError`; after that it may be tried again.
        """
        if self._closing:
            raise StoreError("The store is closed.")
        result: asyncio.Future[StoredEvent | None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Pending(read, body, received_at, result))
        self._wake.set()
        return await result

    def close(self) -> None:
        """Accept no more events. `run` returns once the queue is empty."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write the events of the queue until `close` is called."""
        while self._queue or not self._closing:
            if self._queue:
                await self._write(self._next_group())
            else:
                self._wake.clear()
                await self._wake.wait()

    def _next_group(self) -> list[_Prepared]:
        """Take events from the queue and read them. Those that cannot be read fail alone."""
        group: list[_Prepared] = []
        size = 0
        while self._queue and len(group) < _MAX_GROUP_EVENTS and size < _MAX_GROUP_BYTES:
            pending = self._queue.popleft()
            size += len(pending.body or b"")
            try:
                event = pending.read()
                group.append(_Prepared(pending, event, row_of(event, pending.received_at, pending.body)))
            except Exception as error:
                pending.fail(error)
        return group

    async def _write(self, group: list[_Prepared]) -> None:
        if not group:
            return
        try:
            new = await self._database.write(partial(_insert, rows=[prepared.row for prepared in group]))
        except Exception as error:
            failure = error if isinstance(error, StoreError) else StoreError(str(error))
            for prepared in group:
                prepared.pending.fail(failure)
        else:
            self._answer(group, {event_id: number for number, event_id in new})

    def _answer(self, group: list[_Prepared], numbers: dict[str, int]) -> None:
        new: list[StoredEvent] = []
        for pending, event, row in group:
            number = numbers.pop(row[0], None)
            if number is None:
                self.duplicates += 1
                result = None
            else:
                result = stored(event, pending.received_at, number)
                new.append(result)
            if not pending.result.done():
                pending.result.set_result(result)
        if new:
            self._on_commit(new)


def _insert(transaction: Transaction, rows: list[Row]) -> list[tuple[int, str]]:
    return transaction.insert_new("events", COLUMNS, rows)
