"""Writes audit records in the background, in batches."""

import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from ..database import StoreError
from ..errors import CallFailed
from .ledger import Ledger

_MAX_QUEUED = 10_000
"""Records that wait while the store cannot be written. Writes are refused then, so these are reads."""
_BATCH_SIZE = 500
_BATCH_DELAY_S = 0.05
_RETRY_DELAY_S = 1.0
_SHUTDOWN_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)


class AuditWriter:
    """Queues records, so that a call does not wait for the store."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: deque[tuple[datetime, Callable[[], Mapping[str, Any]]]] = deque(maxlen=_MAX_QUEUED)
        self._added = anyio.Event()
        self._writing = anyio.Lock()
        self._failing = False

    def add(self, entry: Callable[[], Mapping[str, Any]]) -> None:
        """Queue a record. `entry` is called when the record is written."""
        self._queue.append((datetime.now(UTC), entry))
        self._added.set()

    async def flush(self) -> None:
        """Write all queued records; return also when the store cannot be written."""
        async with self._writing:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(_BATCH_SIZE, len(self._queue)))]
                try:
                    await self._ledger.record([(at, entry()) for at, entry in batch])
                except (StoreError, CallFailed) as problem:
                    self._queue.extendleft(reversed(batch))
                    if not self._failing:
                        logger.error("The audit cannot be written: %s", problem)
                    self._failing = True
                    return
                self._failing = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Write while the context lasts, and flush at its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                with anyio.move_on_after(_SHUTDOWN_TIMEOUT_S, shield=True):
                    await self.flush()

    async def _run(self) -> None:
        while True:
            await self._added.wait()
            await anyio.sleep(_BATCH_DELAY_S)  # the call's result goes first, and a burst is one batch
            self._added = anyio.Event()
            with anyio.CancelScope(
                shield=True
            ):  # a batch must not be cancelled after its commit, or it is written twice
                await self.flush()
            if self._failing:
                await anyio.sleep(_RETRY_DELAY_S)
                self._added.set()
