"""The audit as far back as a call can last: an agent cannot have a command forgotten by many other calls."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

from ...tools.calls import MAX_CALL_S
from ..guard.ledger import AuditRecord, Ledger

_LONGEST_CALL = timedelta(seconds=MAX_CALL_S)


def records_of_open_calls(ledger: Ledger) -> AsyncGenerator[AuditRecord]:
    """The audit, newest first, back to when the oldest call can have begun. Raises `StoreError`."""
    return ledger.back_to(ledger.now() - _LONGEST_CALL)


class AuditFollower:
    """Notes each of these records once, oldest first, and from then on those that are new."""

    def __init__(self, ledger: Ledger, note: Callable[[AuditRecord], None]) -> None:
        """`note` may get a record again."""
        self._ledger = ledger
        self._note = note
        self._newest: int | None = None
        """The number of the newest record that was noted."""

    async def update(self) -> None:
        """Note what is new. Raises `StoreError`."""
        if self._newest is None:
            first = [record async for record in records_of_open_calls(self._ledger)]
            for record in reversed(first):
                self._note(record)
            self._newest = first[0].number if first else 0
        while records := await self._ledger.after(self._newest):
            for record in records:
                self._note(record)
            self._newest = records[-1].number
