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
        self._again: set[str] = set()
        """The ids of conferences whose review failed and is tried again."""
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
            self._queue.extend(self._again)
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
            except Exception:  # what fails must not keep the others waiting
                logger.exception("An event could not be processed for opt-outs and recording consent")
            self._queue.popleft()

    async def _act(self, item: StoredEvent | str) -> None:
        if not isinstance(item, str):
            await self._note_person(item)
        if self._consent is not None:
            conference_id = item if isinstance(item, str) else await self._consent.conference_of(item)
            if conference_id is not None:
                await self._review_now(self._consent, conference_id)

    async def _review_now(self, consent: RecordingConsent, conference_id: str) -> None:
        try:
            await consent.review(conference_id)
        except StoreError:
            raise
        except Exception as problem:
            is_over = isinstance(problem, TelnyxRefused) and problem.status == _NOT_FOUND
            if not is_over:
                self._again.add(conference_id)
            logger.error(
                "A conference could not be reviewed for recording consent%s: %s",
                "" if is_over else ", and is tried again",
                problem,
                exc_info=None if isinstance(problem, CallFailed) else problem,
            )

    async def _note_person(self, event: StoredEvent) -> None:
        """Note what an event says of one person. An event that was noted before changes nothing."""
        if event.type == "call.dtmf.received":
            await self._opt_out(event)
        if self._consent is not None:
            await self._consent.note(event)

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
