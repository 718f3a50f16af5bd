"""Deletes events that are too old, and the oldest when there are too many."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from ...database import Database, StoreError, Transaction, microseconds

_FIRST_PRUNE_S = 60.0
"""After the store was opened."""
_PRUNE_INTERVAL_S = 3600.0
_BATCH = 200
"""Events per transaction: few enough that an event that arrives meanwhile waits only some milliseconds."""
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_MAX_NUMBER = 2**63 - 1

_log = logging.getLogger(__name__)


class Retention:
    """The rules, and the task that applies them."""

    def __init__(self, database: Database, *, keep_for: timedelta, keep_most: int, now: Callable[[], datetime]) -> None:
        self._database = database
        self._keep_for = keep_for
        self._keep_most = keep_most
        self._now = now

    async def run(self) -> None:
        """Prune when it is time. Runs until cancelled."""
        await asyncio.sleep(_FIRST_PRUNE_S)
        while True:
            try:
                await self.prune()
            except StoreError as error:
                _log.warning("Old events could not be deleted: %s", error)
            await asyncio.sleep(_PRUNE_INTERVAL_S)

    async def prune(self) -> int:
        """Delete events that are too old or too many, and return how many. Raises `StoreError`."""
        try:
            keep_since = self._now() - self._keep_for
        except OverflowError:  # events are kept without limit
            keep_since = datetime.min.replace(tzinfo=UTC)
        too_old = await self._delete(keep_since, _MAX_NUMBER)
        last = await self._database.read(partial(_last_beyond, keep_most=self._keep_most))
        return too_old + await self._delete(_END_OF_TIME, last)

    async def _delete(self, before: datetime, last: int) -> int:
        """Delete the oldest events up to a number that were received before a time."""
        total, after = 0, 0
        while True:
            work = partial(_delete_batch, after=after, last=last, before=microseconds(before))
            numbers = await self._database.write(work, wait_for_disk=False)
            total += len(numbers)
            if len(numbers) < _BATCH:
                return total
            after = numbers[-1]


def _delete_batch(transaction: Transaction, *, after: int, last: int, before: int) -> list[int]:
    """Delete some of the oldest events and return their numbers.

    Numbers are nearly in the order of reception, so a batch without an old event is the end. `after` skips what was
    deleted already, which may still take time to read over.
    """
    rows = transaction.rows(
        "SELECT number, received_at FROM events WHERE number > :after AND number <= :last ORDER BY number LIMIT :batch",
        after=after,
        last=last,
        batch=_BATCH,
    )
    numbers = [number for number, received_at in rows if received_at < before]
    if numbers:
        transaction.change(
            "DELETE FROM events WHERE number >= :first AND number <= :last AND received_at < :before",
            first=numbers[0],
            last=numbers[-1],
            before=before,
        )
    return numbers


def _last_beyond(transaction: Transaction, keep_most: int) -> int:
    """The number of the newest event beyond the `keep_most` newest. 0: there are fewer."""
    ((span,),) = transaction.rows("SELECT coalesce(max(number) - min(number) + 1, 0) FROM events")
    if span <= keep_most:  # counting is slow, and seldom needed
        return 0
    rows = transaction.rows("SELECT number FROM events ORDER BY number DESC LIMIT 1 OFFSET :most", most=keep_most)
    return rows[0][0] if rows else 0
