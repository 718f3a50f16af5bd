"""What keeps the store small and quick: old events go, and finished runs of numbers get their times noted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from ...database import Dialect, Session, StoreError, microseconds
from ..event import StoredEvent

ZONE = 256
"""How many numbers in a row share one line of the table `zones`."""

_NOTE_EVERY = 4 * ZONE
_AFTER_OPEN_SECONDS = 60.0
_EVERY_SECONDS = 3600.0
_AT_ONCE = 200
"""Few enough that an event that comes meanwhile waits some milliseconds."""

_PRUNE = """
DELETE FROM events WHERE number IN (SELECT number FROM events ORDER BY number LIMIT :at_most) AND received_at < :before
"""
_PRUNE_ZONES = "DELETE FROM zones WHERE block < (SELECT min(number) FROM events) / :zone"
_NOTE_ZONES = """
INSERT INTO zones (block, earliest, latest)
SELECT number / :zone, min(occurred_at), max(occurred_at) FROM events
WHERE number >= (SELECT coalesce(max(block) + 1, 0) FROM zones) * :zone
AND number < (SELECT max(number) FROM events) / :zone * :zone
GROUP BY number / :zone ON CONFLICT DO NOTHING
"""

_NEVER = datetime.max.replace(tzinfo=UTC)

_log = logging.getLogger(__name__)


def _prune(session: Session, *, at_most: int, before: int) -> int:
    return session.change(_PRUNE, at_most=at_most, before=before)


class Upkeep:
    """Runs beside the writer; each step is a short transaction of its own."""

    def __init__(
        self,
        dialect: Dialect,
        surplus: Callable[[int], Awaitable[int]],
        *,
        keep_for: timedelta,
        keep_most: int,
        now: Callable[[], datetime],
    ) -> None:
        """`surplus` says how many more events there are than so many."""
        self._dialect = dialect
        self._surplus = surplus
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
        gone = await self._delete(self._kept_since(), None)
        gone += await self._delete(_NEVER, await self._surplus(self._keep_most))
        if gone:
            await self._dialect.transaction(lambda session: session.change(_PRUNE_ZONES, zone=ZONE))
        return gone

    def _kept_since(self) -> datetime:
        try:
            return self._now() - self._keep_for
        except OverflowError:  # kept for ever
            return datetime.min.replace(tzinfo=UTC)

    async def _delete(self, before: datetime, most: int | None) -> int:
        """Delete at most so many of the oldest that were received before then, a few at a time."""
        gone = 0
        while most is None or gone < most:
            at_most = _AT_ONCE if most is None else min(_AT_ONCE, most - gone)
            some = await self._dialect.transaction(partial(_prune, at_most=at_most, before=microseconds(before)))
            gone += some
            if some < at_most:
                break
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
                await self._dialect.transaction(lambda session: session.change(_NOTE_ZONES, zone=ZONE))
            except StoreError as error:
                _log.warning("Searches by time may be slow: %s", error)
