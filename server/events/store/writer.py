"""Writes events in groups: all that wait are stored by one commit, and each is answered when it is on disk."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from ...database import Dialect, StoreError
from ..event import Event, StoredEvent
from ..grouping import taken
from .rows import EVENTS, Row, row_of, stored

_GROUP = 512
_FEW = 64
_LEAST = 8
_QUICK_SECONDS = 0.002


class _Waiting(NamedTuple):
    read: Callable[[], Event]
    body: bytes | None
    received_at: datetime
    answer: "asyncio.Future[StoredEvent | None]"


class _Read(NamedTuple):
    waiting: _Waiting
    event: Event
    row: Row


class _Pace:
    """How many events to write at once: each commit costs as much work as several events, and a wait for the disk.

    Where the disk is quick, the work counts: all that wait are taken. Where it is slow, the wait counts: of a few, only
    half are taken, so that the others are made ready meanwhile.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    def size(self, waiting: int) -> int:
        """How many of those that wait to write now."""
        if self._seconds < _QUICK_SECONDS or waiting > _FEW:
            return min(_GROUP, waiting)
        return min(waiting, max(_LEAST, (waiting + 1) // 2))

    def took(self, seconds: float) -> None:
        """A commit took so long: remember a mean, in which the last ten or so count."""
        self._seconds += (seconds - self._seconds) / 10


class Writer:
    """The one place of this process from which events are written."""

    def __init__(self, dialect: Dialect, committed: Callable[[list[StoredEvent]], None]) -> None:
        """`committed` is told what each group brought that is new, in the order of numbers."""
        self._dialect = dialect
        self._committed = committed
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._pace = _Pace()
        self.duplicates = 0

    async def add(self, read: Callable[[], Event], body: bytes | None, received_at: datetime) -> StoredEvent | None:
        """Store the event that `read` returns. Returns None when its id was there.

        Raises what `read` raises, and `StoreError`; then it may be tried again.
        """
        if self._closing:
            raise StoreError("The store is closed.")
        answer: asyncio.Future[StoredEvent | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(read, body, received_at, answer))
        self._wake.set()
        return await answer

    def close(self) -> None:
        """Take no more events; `run` ends once those that wait are stored."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write what comes until closed."""
        while self._waiting or not self._closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            group = taken(self._waiting, self._pace.size(len(self._waiting)))
            await self._write(_read(group))

    async def _write(self, group: Sequence[_Read]) -> None:
        if not group:
            return
        try:
            done = await self._dialect.insert(EVENTS, [read.row for read in group])
        except Exception as error:  # whatever it is, those who wait must hear of it
            failed = error if isinstance(error, StoreError) else StoreError(str(error))
            for read in group:
                _fail(read.waiting, failed)
        else:
            self._pace.took(done.seconds)
            self._answer(group, {name: number for number, name in done.new})

    def _answer(self, group: Sequence[_Read], numbers: dict[str, int]) -> None:
        new: list[StoredEvent] = []
        for waiting, event, row in group:
            number = numbers.pop(row[0], None)
            found = None if number is None else stored(event, waiting.received_at, number)
            if found is None:
                self.duplicates += 1
            else:
                new.append(found)
            if not waiting.answer.done():
                waiting.answer.set_result(found)
        if new:
            self._committed(new)


def _read(group: Iterable[_Waiting]) -> list[_Read]:
    """The events of a group; whoever's cannot be read hears of it."""
    found: list[_Read] = []
    for waiting in group:
        try:
            event = waiting.read()
            found.append(_Read(waiting, event, row_of(event, waiting.received_at, waiting.body)))
        except Exception as error:
            _fail(waiting, error)
    return found


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
