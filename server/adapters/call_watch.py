"""Follows events for the guard: opt-outs keyed on calls, and people who join a recorded conference."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import anyio

from ...tools.numbers import party_key
from ..database import StoreError
from ..errors import CallFailed
from ..events.event import EventFilter, StoredEvent
from ..events.service import EventService
from ..guard import Ledger, Policy
from ..telnyx import TelnyxRefused
from .recording_consent import NOTED, WATCHED, RecordingConsent

logger = logging.getLogger(__name__)

_RETRY_DELAY_S = 1.0
_LOOK_BACK = timedelta(minutes=10)
"""Events before the start that an earlier process may have stored and not acted on."""
_BATCH_SIZE = 200
_NOT_FOUND = 404


class CallWatch:
    """Acts on events in their order, in the background."""

    def __init__(
        self, events: EventService, ledger: Ledger, policy: Callable[[], Policy], consent: RecordingConsent | None
    ) -> None:
        """`policy` returns the current policy for all callers. `consent`: None for a server that sends nothing."""
        self._consent = consent
        if consent is not None:
            consent.on_recorded = self._review
        self._events = events
        self._ledger = ledger
        self._policy = policy
        self._queue: deque[StoredEvent | str] = deque()
        """Events, and ids of conferences that may have people in a recording without their consent."""
        self._again: dict[str, StoredEvent | str] = {}
        """What failed and is tried again, by conference."""
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

    def review_all(self) -> None:
        """Look at every open conference: the policy may ask for consent since the recording began."""
        if self._policy().consent.is_required:
            for conference in self._events.projection.conferences(self._events.now(), open_only=True):
                self._review(conference.id)

    @property
    def is_idle(self) -> bool:
        """Whether it has acted on all events that have arrived."""
        return not self._queue

    async def run(self) -> None:
        """Act on events until cancelled."""
        await self._look_back()
        while True:
            with anyio.move_on_after(_RETRY_DELAY_S if self._again else None):
                await self._added.wait()
            self._added = anyio.Event()
            self._queue.extend(self._again.values())
            self._again.clear()
            await self.catch_up()

    async def _look_back(self) -> None:
        """Act on what happened shortly before the start: a process that ends may leave events that it has stored."""
        try:
            store = await self._events.connection.wait_until_open()
            recent = EventFilter(types=NOTED, since=self._events.now() - _LOOK_BACK)
            async for batch in store.batches(recent, _BATCH_SIZE):
                for event in batch:
                    await self._note_person(event)
        except (CallFailed, StoreError) as problem:
            logger.error("Events before the start were not looked at for opt-outs and recording consent: %s", problem)
        self.review_all()

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
            except Exception as problem:  # what fails must not keep the others waiting
                self._try_again(self._queue[0], problem)
            self._queue.popleft()

    def _try_again(self, item: StoredEvent | str, problem: Exception) -> None:
        is_over = isinstance(problem, TelnyxRefused) and problem.status == _NOT_FOUND
        conference_id = item if isinstance(item, str) else self._conference_of(item)
        if conference_id is not None and not is_over:
            self._again.setdefault(conference_id, item)
        logger.error(
            "An event could not be processed for recording consent%s: %s",
            "" if conference_id is None or is_over else ", and is tried again",
            problem,
            exc_info=None if isinstance(problem, CallFailed) else problem,
        )

    async def _act(self, item: StoredEvent | str) -> None:
        if not isinstance(item, str):
            await self._note_person(item)
        conference_id = item if isinstance(item, str) else self._conference_of(item)
        if conference_id is not None and self._consent is not None:
            await self._consent.review(conference_id)

    async def _note_person(self, event: StoredEvent) -> None:
        """Note what an event says of one person. An event that was noted before changes nothing."""
        if event.type == "call.dtmf.received":
            await self._opt_out(event)
        if self._consent is not None:
            await self._consent.note(event)

    def _conference_of(self, event: StoredEvent) -> str | None:
        leg = event.call_control_id
        return event.conference_id or (self._events.projection.conference_of(leg) if leg is not None else None)

    async def _opt_out(self, event: StoredEvent) -> None:
        digit, leg = event.payload.get("digit"), event.call_control_id
        if leg is None or digit not in self._policy().optout_digits:
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
