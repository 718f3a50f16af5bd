"""The board: what events, Telnyx and the ledger tell, looked at together."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import anyio

from ...tools.words import clean
from ..database import StoreError
from ..errors import CallFailed
from ..events.event import EventFilter
from ..events.service import EventService
from ..events.times import iso
from ..guard import Ledger, Policy
from .view import MOST_QUEUES, MOST_ROOMS, Names, approvals, happened, queues, rooms

ACTIONS = (
    "mute_participants",
    "unmute_participants",
    "hold_participants",
    "unhold_participants",
    "stop_audio",
    "pause_recording",
)
"""The tools behind its buttons: nothing that cannot be undone."""

_ASK_EVERY = 10.0
"""Seconds between two rounds of questions to Telnyx, however many look."""
_MEET_EVERY = 1.0
"""The same while a conference is new."""
_PATIENCE = 2.0
"""Seconds that a round may take; then what events tell must do."""
_MOST_ASKED = 10
"""Rooms and queues of a round, those that were longest not asked about first."""
_MOST_EVENTS = 10
_LONGEST = 300
_UNKNOWN = (CallFailed, StoreError)
_NEVER = ""


class Board:
    """What one server knows of the line, for people to look at."""

    def __init__(
        self,
        events: EventService,
        ledger: Ledger,
        policy: Callable[[], Policy],
        allows: Callable[[str, Policy], bool],
    ) -> None:
        """`policy` gives the one that holds for whoever proved nothing, `allows` whether a tool exists under one."""
        self._events = events
        self._ledger = ledger
        self._policy = policy
        self._allows = allows
        self._asking = anyio.Lock()
        self._asked = float("-inf")

    async def ask(self) -> None:
        """Have Telnyx tell what no event does, such as names; nothing if that was done a moment ago."""
        async with self._asking:
            if anyio.current_time() < self._asked + (_MEET_EVERY if self._has_met_one else _ASK_EVERY):
                return
            self._asked = anyio.current_time()
            with anyio.move_on_after(_PATIENCE):
                await self._round()

    @property
    def _has_met_one(self) -> bool:
        """Whether there is a conference of which Telnyx has told nothing yet, such as its name."""
        seen = self._events.projection.conferences(self._events.now(), open_only=True)
        return any(one.api_asked_at is None for one in seen[:MOST_ROOMS])

    async def _round(self) -> None:
        try:
            await self._events.conferences()
            await self._events.queues()
        except _UNKNOWN:
            return
        picture, now = self._events.projection, self._events.now()
        seen = picture.conferences(now, open_only=True)[:MOST_ROOMS]
        about = [(_since(one.api_asked_at), self._events.conference_now, one.id) for one in seen]
        about += [(_since(one.api_asked_at), self._events.queue, one.name) for one in picture.queues(now)[:MOST_QUEUES]]
        async with anyio.create_task_group() as tasks:
            for _, ask, name in sorted(about, key=lambda one: one[0])[:_MOST_ASKED]:
                tasks.start_soon(_quietly, ask, name)

    async def look(self, policy: Policy | None = None, codes: Collection[str] | None = None) -> dict[str, Any]:
        """Everything that the board shows now to those for whom this policy is (None: to whoever proved nothing); of
        questions in full those of these codes (None: all).

        The same until something happens. Raises `StoreError`, or `Refused` when the store cannot be opened.
        """
        policy = policy or self._policy()
        store = await self._events.store()
        picture, now = self._events.projection, self._events.now()
        seen, waiting = picture.conferences(now, open_only=True), picture.queues(now)
        latest = await store.find(EventFilter(), limit=_MOST_EVENTS)
        pending, stopped = await self._ledger.pending(), await self._ledger.stopped()
        shown: dict[str, Any] = {
            "rooms": rooms(seen),
            "queues": queues(waiting),
            "events": happened(latest, Names([*seen, *self._ended()], picture.number)),
            **approvals(pending, None if codes is None else frozenset(codes)),
            "actions": [name for name in ACTIONS if self._allows(name, policy)],
        }
        hidden = {"more_rooms": max(0, len(seen) - MOST_ROOMS), "more_queues": max(0, len(waiting) - MOST_QUEUES)}
        if stopped is not None:
            shown["stopped"] = clean(f"{stopped.by}{f': {stopped.reason}' if stopped.reason else ''}", _LONGEST)
        return shown | {name: many for name, many in hidden.items() if many}

    def _ended(self) -> Any:
        """Conferences that are over, by whose names the last events are told."""
        return [one for one in self._events.projection.conferences(self._events.now()) if one.status == "ended"][:20]

    def now(self) -> str:
        """The time on the line, from which the page counts how long something lasts."""
        return iso(self._events.now())


def _since(asked: Any) -> str:
    return _NEVER if asked is None else iso(asked)


async def _quietly(ask: Callable[[str], Awaitable[object]], name: str) -> None:
    try:
        await ask(name)
    except _UNKNOWN:
        return
