"""Writes events in groups: one commit stores all events that are waiting."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ...database import Database, StoreError, Transaction
from ..event import Event, StoredEvent, Via
from .rows import COLUMNS, Row, row_of, stored

_MAX_GROUP_EVENTS = 512


class _Pending(NamedTuple):
    """An event that waits to be stored."""

    event: Event
    received_at: datetime
    row: Row
    result: "asyncio.Future[StoredEvent | None]"


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

    async def add(self, event: Event, body: bytes | None, received_at: datetime) -> StoredEvent | None:
        """Store an event. Returns when it is on disk, None when its id was stored before.

        Raises `UnfitEvent` when it can never be stored, and `StoreError` otherwise.
        """
        if self._closing:
            raise StoreError("The store is closed.")
        row = row_of(event, received_at, body)
        result: asyncio.Future[StoredEvent | None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Pending(event, received_at, row, result))
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
                size = min(len(self._queue), _MAX_GROUP_EVENTS)
                await self._write([self._queue.popleft() for _ in range(size)])
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _write(self, group: list[_Pending]) -> None:
        try:
            new = await self._database.write(partial(_insert, rows=[pending.row for pending in group]))
            self._answer(group, {event_id: number for number, event_id in new})
        except Exception as error:
            failure = error if isinstance(error, StoreError) else StoreError(str(error))
            for pending in group:
                if not pending.result.done():  # the caller may have been cancelled
                    pending.result.set_exception(failure)

    def _answer(self, group: list[_Pending], numbers: dict[str, int]) -> None:
        new: list[StoredEvent] = []
        for pending in group:
            number = numbers.pop(pending.row[0], None)
            result = None if number is None else stored(pending.event, pending.received_at, number)
            if result is None:
                self.duplicates += 1
            else:
                new.append(result)
            if not pending.result.done():
                pending.result.set_result(result)
        if new:
            self._on_commit(new)


def _insert(transaction: Transaction, rows: Sequence[Row]) -> list[tuple[int, str]]:
    new = transaction.insert_new("events", COLUMNS, rows)
    if len(new) < len(rows):
        stored_now = {event_id for _, event_id in new}
        for row in rows:
            if row[0] not in stored_now:
                _add_signature(transaction, dict(zip(COLUMNS, row, strict=True)))
    return new


def _add_signature(transaction: Transaction, row: Mapping[str, Any]) -> None:
    """A signed webhook replaces the same event as it was fetched from Telnyx's list, which has no signature."""
    if row["signature"] is not None:
        transaction.change(
            "UPDATE events SET signature = :signature, signed_at = :signed_at, body = :body, via = :via "
            "WHERE id = :id AND signature IS NULL AND via = :fetched",
            fetched=str(Via.CATCH_UP),
            **{name: row[name] for name in ("id", "signature", "signed_at", "body", "via")},
        )
