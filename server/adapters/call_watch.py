"""Follows events for the guard: a person on a call who presses the opt-out key is not called again."""

import logging
from collections import deque
from collections.abc import Callable

import anyio

from ...tools.numbers import party_key
from ..database import StoreError
from ..events.event import StoredEvent
from ..events.service import EventService
from ..guard import Ledger, Policy

logger = logging.getLogger(__name__)

_RETRY_DELAY_S = 1.0
_WATCHED = frozenset({"call.dtmf.received"})


class CallWatch:
    """Acts on events in their order, in the background."""

    def __init__(self, events: EventService, ledger: Ledger, policy: Callable[[], Policy]) -> None:
        """`policy` returns the current policy for all callers."""
        self._events = events
        self._ledger = ledger
        self._policy = policy
        self._queue: deque[StoredEvent] = deque()
        self._added = anyio.Event()
        events.on_change(self._note)

    def _note(self, _: set[str], events: list[StoredEvent]) -> None:
        watched = [event for event in events if event.type in _WATCHED]
        if watched:
            self._queue.extend(watched)
            self._added.set()

    async def run(self) -> None:
        """Act on events until cancelled."""
        while True:
            await self._added.wait()
            self._added = anyio.Event()
            await self.catch_up()

    async def catch_up(self) -> None:
        """Act on all events that have arrived."""
        while self._queue:
            try:
                await self._act(self._queue[0])
            except StoreError as problem:
                logger.error("An event could not be acted on, and is tried again: %s", problem)
                await anyio.sleep(_RETRY_DELAY_S)
                continue
            if self._queue:
                self._queue.popleft()

    async def _act(self, event: StoredEvent) -> None:
        digit, leg = event.payload.get("digit"), event.call_control_id
        if leg is None or digit not in self._policy().calling.optout_digits:
            return
        number = self._events.projection.number(leg)
        try:
            key = party_key(number or "")
        except ValueError:
            logger.warning("A person pressed the opt-out key on a call whose number is not known")
            return
        await self._ledger.add_optout(key, f"the person on the call, with key {digit}", "opt-out keyed on a call")
