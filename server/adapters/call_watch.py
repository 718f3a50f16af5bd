"""Follows events for the guard: opt-outs keyed on calls, and people who join a recorded conference."""

import logging
from collections import deque
from collections.abc import Callable

import anyio

from ...tools.numbers import party_key
from ..database import StoreError
from ..errors import CallFailed
from ..events.event import StoredEvent
from ..events.service import EventService
from ..guard import Ledger, Policy
from .recording_consent import WATCHED, RecordingConsent

logger = logging.getLogger(__name__)

_RETRY_DELAY_S = 1.0


class CallWatch:
    """Acts on events in their order, in the background."""

    def __init__(
        self, events: EventService, ledger: Ledger, policy: Callable[[], Policy], consent: RecordingConsent
    ) -> None:
        """`policy` returns the current policy for all callers."""
        self._consent = consent
        consent.on_recorded = self._review
        self._events = events
        self._ledger = ledger
        self._policy = policy
        self._queue: deque[StoredEvent | str] = deque()
        """Events, and ids of conferences whose recording was started."""
        self._added = anyio.Event()
        events.on_change(self._note)

    def _note(self, _: set[str], events: list[StoredEvent]) -> None:
        watched = [event for event in events if event.type in WATCHED]
        if watched:
            self._queue.extend(watched)
            self._added.set()

    def _review(self, conference_id: str) -> None:
        self._queue.append(conference_id)
        self._added.set()

    @property
    def is_idle(self) -> bool:
        """Whether it has acted on all events that have arrived."""
        return not self._queue

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
                logger.error(
                    "An event could not be processed for opt-outs and recording consent, and is tried again: %s",
                    problem,
                )
                await anyio.sleep(_RETRY_DELAY_S)
                continue
            except CallFailed as problem:
                logger.error("An event could not be processed for opt-outs and recording consent: %s", problem)
            self._queue.popleft()

    async def _act(self, item: StoredEvent | str) -> None:
        if isinstance(item, str):
            await self._consent.review(item)
            return
        if item.type == "call.dtmf.received":
            await self._opt_out(item)
        await self._consent.act(item)

    async def _opt_out(self, event: StoredEvent) -> None:
        digit, leg = event.payload.get("digit"), event.call_control_id
        if leg is None or digit not in self._policy().calling.optout_digits:
            return
        number = self._events.projection.legs.number(leg)
        try:
            key = party_key(number or "")
        except ValueError:
            logger.warning(
                "A person pressed the opt-out key, and the number of the call is not known: add it to the opt-out list "
                "with `telnyx-conferencing optout add`"
            )
            return
        await self._ledger.add_optout(key, f"the person on the call, with key {digit}", "opt-out keyed on a call")
