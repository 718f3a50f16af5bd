"""Writes audit records in the background, in batches. No record is dropped without a record that says so."""

import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import anyio

from ..database import StoreError
from ..errors import CallFailed, CallRefused
from ..json_text import compact_json
from ..lifecycle import Supervisor
from .ledger import Ledger

_TASK = "audit"
_MAX_QUEUED = 10_000
_BATCH_SIZE = 500
_BATCH_DELAY_S = 0.05
_RETRY_DELAY_S = 1.0
_SHUTDOWN_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)

Entry = Mapping[str, Any]


class _Queued(NamedTuple):
    """A record that waits to be written."""

    at: datetime
    entry: Callable[[], Entry]
    minimal_entry: Callable[[str], Entry]
    is_reduced: bool = False

    def reduced(self) -> "_Queued":
        """The record with its minimal entry."""
        return self._replace(entry=partial(self.minimal_entry, "the store refused it"), is_reduced=True)


class AuditWriter:
    """Queues records, so that a call does not wait for the store."""

    def __init__(self, ledger: Ledger, max_queued: int = _MAX_QUEUED) -> None:
        """`max_queued`: with this many records in the queue, writes are refused, and records of reads are lost."""
        self._ledger = ledger
        self._max_queued = max_queued
        self._queue: deque[_Queued] = deque()
        self._added = anyio.Event()
        self._writing = anyio.Lock()
        self._failing = False
        self.lost = 0
        """Records that were lost since the start, because the queue was full."""
        self._unreported = 0
        """Those of them that no record reports yet."""
        self._supervisor = Supervisor()

    @property
    def queued(self) -> int:
        """How many records wait."""
        return len(self._queue)

    @property
    def problem(self) -> str:
        """What is wrong, as a sentence. Empty: nothing."""
        if self._is_full():
            return "its queue is full: writes are refused, and reads are not recorded"
        return "it cannot be written: see the server's log" if self._failing else ""

    def _is_full(self) -> bool:
        return len(self._queue) >= self._max_queued

    def require_room(self) -> None:
        """Raise `CallRefused` when the queue is full. Call this before a write."""
        if self._is_full():
            raise CallRefused(
                "Nothing was sent: this server cannot record what it does, and changes nothing until it can. "
                "The operator must repair the store."
            )

    def add(self, entry: Callable[[], Entry], minimal_entry: Callable[[str], Entry]) -> None:
        """Queue a record. `entry` is called when the record is written.

        If `entry` fails or its result cannot be written, `minimal_entry` is called with the reason.
        """
        if self._is_full():
            if self._unreported == 0:
                logger.error("The queue of the audit is full: writes are refused, and reads are not recorded")
            self.lost += 1
            self._unreported += 1
        else:
            self._queue.append(_Queued(datetime.now(UTC), entry, minimal_entry))
        self._supervisor.report(_TASK, self.problem)
        self._added.set()

    async def flush(self) -> None:
        """Write all queued records; return also when the store cannot be written."""
        async with self._writing:
            while self._queue:
                batch = list(islice(self._queue, _BATCH_SIZE))
                written = await self._write(batch)
                for _ in range(written):
                    self._queue.popleft()
                self._failing = written < len(batch)
                self._supervisor.report(_TASK, self.problem)
                if self._failing:
                    return
                self._report_loss()

    async def _write(self, batch: Sequence[_Queued]) -> int:
        """Write records in their order, and return how many. It stops where the store cannot be written."""
        entries = [(record.at, _writable(record)) for record in batch]
        try:
            await self._ledger.record(entries)
        except (StoreError, CallFailed) as problem:
            if not self._failing:
                logger.error("The audit cannot be written: %s", problem)
            return 0
        except Exception:
            if len(batch) == 1 and not batch[0].is_reduced:
                logger.exception("A record of the audit could not be written in full")
                return await self._write([batch[0].reduced()])
            if len(batch) == 1:
                raise
        else:
            return len(batch)
        for place, record in enumerate(batch):  # find the record at fault
            if not await self._write([record]):
                return place
        return len(batch)

    def _report_loss(self) -> None:
        if self._unreported:
            reason = f"{self._unreported} calls were not recorded: the queue of records was full"
            self._unreported = 0
            entry = {"outcome": "records lost", "why": reason}
            self._queue.append(_Queued(datetime.now(UTC), partial(dict, entry), partial(_with_reason, entry)))

    @asynccontextmanager
    async def running(self, supervisor: Supervisor | None = None) -> AsyncGenerator[None]:
        """Write while the context lasts, and flush at its end. `supervisor`: what learns of the audit's problems."""
        self._supervisor = supervisor or self._supervisor
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._supervisor.run, _TASK, self._run)
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
            # A batch must not be cancelled after its commit, or it is written twice.
            with anyio.CancelScope(shield=True):
                await self.flush()
            if self._failing:
                await anyio.sleep(_RETRY_DELAY_S)
                self._added.set()


def _with_reason(entry: Entry, reason: str) -> Entry:
    return {**entry, "why": reason}


def _writable(record: _Queued) -> Entry:
    """The entry of a record, or a minimal one where the full one cannot be written as JSON."""
    try:
        entry = record.entry()
        compact_json(entry)
    except Exception as error:
        logger.exception("A record of the audit could not be written in full")
        return record.minimal_entry(type(error).__name__)
    return entry
