"""What keeps the store small and quick: old events go, and finished runs of numbers get their times noted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from ...database import Dialect, StoreError, Transaction, microseconds
from ..event import StoredEvent
from .zones import ZONE, keys_of, note_zones

_NOTE_EVERY = 4 * ZONE
_AFTER_OPEN_SECONDS = 60.0
_EVERY_SECONDS = 3600.0
_AT_ONCE = 200
"""Few enough that an event that comes meanwhile waits some milliseconds."""

_OLDEST = """
SELECT number, received_at FROM events WHERE number > :after AND number <= :last ORDER BY number LIMIT :at_most
"""
_PRUNED = "FROM events WHERE number >= :first AND number <= :last AND received_at < :before"
_PRUNE = f"DELETE {_PRUNED}"
_PRUNE_KEYS = f"DELETE FROM event_keys WHERE (field, value, number) IN ({keys_of(_PRUNED)})"  # noqa: S608 - constants
_PRUNE_ZONES = "DELETE FROM zones WHERE block < (SELECT min(number) FROM events) / :zone"

_EVER = datetime.max.replace(tzinfo=UTC)
_ALL = 2**63 - 1

_log = logging.getLogger(__name__)


class _Pruned(NamedTuple):
    """What came of deleting some."""

    gone: int
    after: int | None
    """The last number that was looked at; None: there is nothing left to delete."""


def _prune(session: Transaction, *, after: int, last: int, before: int) -> _Pruned:
    """Look at the oldest after a number, for what is left of those before it takes long to pass over."""
    found = session.rows(_OLDEST, after=after, last=last, at_most=_AT_ONCE)
    old = [number for number, received_at in found if received_at < before]
    gone = 0
    if old:
        these = {"first": old[0], "last": old[-1], "before": before}
        session.change(_PRUNE_KEYS, **these)
        gone = session.change(_PRUNE, **these)
    return _Pruned(gone, old[-1] if len(old) == _AT_ONCE else None)


class Retention:
    """Runs beside the writer; each step is a short transaction of its own."""

    def __init__(
        self,
        dialect: Dialect,
        beyond: Callable[[int], Awaitable[int]],
        *,
        keep_for: timedelta,
        keep_most: int,
        now: Callable[[], datetime],
    ) -> None:
        """`beyond` gives the number of the newest event that is one too many; 0: none is."""
        self._dialect = dialect
        self._beyond = beyond
        self._keep_for = keep_for
        self._keep_most = keep_most
        self._now = now
        self._noted = -1
        self._zones_ended = asyncio.Event()

    def committed(self, events: list[StoredEvent]) -> None:
        """These were stored: have zones noted when some have ended."""
        due = events[-1].number // _NOTE_EVERY
        if due != self._noted:
            self._noted = due
            self._zones_ended.set()

    async def prune(self) -> int:
        """Delete what is too old or too much; return how many events went. Raises `StoreError`."""
        gone = await self._delete(self._kept_since(), _ALL)
        gone += await self._delete(_EVER, await self._beyond(self._keep_most))
        if gone:
            await self._dialect.transaction(lambda session: session.change(_PRUNE_ZONES, zone=ZONE))
        return gone

    def _kept_since(self) -> datetime:
        try:
            return self._now() - self._keep_for
        except OverflowError:  # kept for ever
            return datetime.min.replace(tzinfo=UTC)

    async def _delete(self, before: datetime, last: int) -> int:
        """Delete the oldest up to a number that were received before then, a few at a time. Other processes may do the
        same meanwhile."""
        gone, after = 0, 0
        while after is not None:
            work = partial(_prune, after=after, last=last, before=microseconds(before))
            some, after = await self._dialect.transaction(work, outlives="process")
            gone += some
        return gone

    async def run(self) -> None:
        """Prune and note zones when it is time. Runs until cancelled."""
        noting = asyncio.create_task(self._note_zones())
        try:
            await asyncio.sleep(_AFTER_OPEN_SECONDS)
            while True:
                try:
                    await self.prune()
                except StoreError as error:
                    _log.warning("Old events could not be deleted: %s", error)
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            noting.cancel()

    async def _note_zones(self) -> None:
        while True:
            await self._zones_ended.wait()
            self._zones_ended.clear()
            try:
                await note_zones(self._dialect)
            except StoreError as error:
                _log.warning("Searches by time may be slow: %s", error)
