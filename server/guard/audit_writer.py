"""Writes the audit beside the calls, many records to a commit."""

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

_MOST = 10_000
"""Records that wait while the store cannot be written. Writes are refused then, so that these are reads."""
_AT_ONCE = 500
_PAUSE = 0.05
_AGAIN = 1.0
"""Seconds until the next try, when the store could not be written."""
_LAST_WORDS = 5.0
"""Seconds for what is in hand at the end."""

logger = logging.getLogger(__name__)


class AuditWriter:
    """Takes records without making anybody wait."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[tuple[datetime, Callable[[], Mapping[str, Any]]]] = deque(maxlen=_MOST)
        self._fresh = anyio.Event()
        self._writing = anyio.Lock()
        self._failing = False

    def add(self, entry: Callable[[], Mapping[str, Any]]) -> None:
        """Have a record written, after those that were added before; it is asked for when its turn comes."""
        self._waiting.append((datetime.now(UTC), entry))
        self._fresh.set()

    async def flush(self) -> None:
        """Return once everything added so far is written, or cannot be."""
        async with self._writing:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                try:
                    await self._ledger.record([(at, entry()) for at, entry in some])
                except (StoreError, CallFailed) as problem:
                    self._waiting.extendleft(reversed(some))
                    if not self._failing:
                        logger.error("The audit cannot be written: %s", problem)
                    self._failing = True
                    return
                self._failing = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Write for as long as the context lasts, and what is left at its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                with anyio.move_on_after(_LAST_WORDS, shield=True):
                    await self.flush()

    async def _run(self) -> None:
        while True:
            await self._fresh.wait()
            await anyio.sleep(_PAUSE)  # the call's answer goes first, and a burst is written together
            self._fresh = anyio.Event()
            with anyio.CancelScope(shield=True):  # a batch is written once: never cut off after its commit
                await self.flush()
            if self._failing:
                await anyio.sleep(_AGAIN)
                self._fresh.set()
