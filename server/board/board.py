"""Reads the switchboard's content from events, Telnyx and the ledger."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime
from operator import itemgetter
from typing import Any

import anyio

from ...tools.text import clean
from ..alerts.book import AlertBook
from ..alerts.view import MAX_ALERTS, alert_views
from ..database import StoreError
from ..errors import CallFailed
from ..events.event import EventFilter
from ..events.service import EventService
from ..events.times import iso
from ..guard import Ledger, Policy
from .view import MAX_QUEUES, MAX_ROOMS, Names, approval_views, event_views, queue_views, room_views

ACTIONS = (
    "mute_participants",
    "unmute_participants",
    "hold_participants",
    "unhold_participants",
    "stop_audio",
    "pause_recording",
)
"""The tools behind its buttons. All can be undone."""

_REFRESH_INTERVAL_S = 10.0
"""Between two rounds of requests to Telnyx, however many people watch."""
_NEW_ROOM_REFRESH_INTERVAL_S = 1.0
"""The same while a conference is new."""
_REFRESH_TIMEOUT_S = 2.0
"""After this, the board shows what events say."""
_MAX_REQUESTS = 10
"""In one round, for the rooms and queues that were refreshed longest ago."""
_MAX_EVENTS = 10
_MAX_STOPPED_LENGTH = 300


class Board:
    """The switchboard of one server."""

    def __init__(
        self,
        events: EventService,
        ledger: Ledger,
        allows: Callable[[str, Policy | None], bool],
        alerts: AlertBook,
    ) -> None:
        """`allows`: whether a tool is available under a policy; None: that of anonymous callers."""
        self._alerts = alerts
        self._events = events
        self._ledger = ledger
        self._allows = allows
        self._refresh_lock = anyio.Lock()
        self._refreshed_at = float("-inf")
        self.alert_trouble: Callable[[], str] = str
        """Why alerts do not reach the operator's webhook; empty if they do."""

    async def refresh(self) -> None:
        """Ask Telnyx for what no event reports, such as names. Does nothing when that was done a moment ago."""
        async with self._refresh_lock:
            if anyio.current_time() < self._refreshed_at + (
                _NEW_ROOM_REFRESH_INTERVAL_S if self._has_new_room else _REFRESH_INTERVAL_S
            ):
                return
            self._refreshed_at = anyio.current_time()
            with anyio.move_on_after(_REFRESH_TIMEOUT_S):
                await self._refresh()

    @property
    def _has_new_room(self) -> bool:
        """Whether Telnyx was not asked yet about one of the open conferences."""
        rooms = self._events.projection.conferences(self._events.now(), open_only=True)
        return any(room.api_asked_at is None for room in rooms[:MAX_ROOMS])

    async def _refresh(self) -> None:
        try:
            await self._events.conferences()
            await self._events.queues()
        except (CallFailed, StoreError):
            return
        projection, now = self._events.projection, self._events.now()
        rooms, queues = projection.conferences(now, open_only=True)[:MAX_ROOMS], projection.queues(now)[:MAX_QUEUES]
        requests = [(_sort_key(room.api_asked_at), self._events.conference_now, room.id) for room in rooms]
        requests += [(_sort_key(queue.api_asked_at), self._events.queue, queue.name) for queue in queues]
        async with anyio.create_task_group() as tasks:
            for _, request, name in sorted(requests, key=itemgetter(0))[:_MAX_REQUESTS]:
                tasks.start_soon(_ignoring_failure, request, name)

    async def live(self, policy: Policy | None = None) -> dict[str, Any]:
        """Conferences, queues and the latest events, and the tools of the buttons that a policy allows.

        The content is the same until something happens. Raises `StoreError`, or `CallRefused` when the store cannot be
        opened.
        """
        store = await self._events.store()
        projection, now = self._events.projection, self._events.now()
        conferences, queues = projection.conferences(now, open_only=True), projection.queues(now)
        latest = await store.find(EventFilter(), limit=_MAX_EVENTS)
        hidden = {
            "more_rooms": max(0, len(conferences) - MAX_ROOMS),
            "more_queues": max(0, len(queues) - MAX_QUEUES),
            "more_alerts": max(0, len(self._alerts.raised) - MAX_ALERTS),
        }
        trouble = clean(self.alert_trouble(), _MAX_STOPPED_LENGTH)
        return {
            "rooms": room_views(conferences),
            "queues": queue_views(queues),
            "alerts": alert_views(self._alerts),
            "events": event_views(latest, Names([*conferences, *self._ended()], projection.legs.number)),
            "actions": [name for name in ACTIONS if self._allows(name, policy)],
            **({"alert_trouble": trouble} if trouble else {}),
            **{name: number for name, number in hidden.items() if number},
        }

    async def read(self, policy: Policy, codes: Collection[str]) -> dict[str, Any]:
        """What `live` returns, with approval requests and the stop switch. Raises what `live` raises.

        `codes`: the approval requests to show in full; the others are only counted.
        """
        content = await self.live(policy)
        pending, stopped = await self._ledger.pending(), await self._ledger.stopped()
        content |= approval_views(pending, frozenset(codes))
        if stopped is not None:
            content["stopped"] = clean(
                f"{stopped.by}{f': {stopped.reason}' if stopped.reason else ''}", _MAX_STOPPED_LENGTH
            )
        return content

    def _ended(self) -> Any:
        """Conferences that have ended, for their names in the last events."""
        return [room for room in self._events.projection.conferences(self._events.now()) if room.status == "ended"][:20]

    def now(self) -> str:
        """The time that durations on the board are counted to; the sandbox's clock may be moved."""
        return iso(self._events.now())


def _sort_key(asked_at: datetime | None) -> str:
    return "" if asked_at is None else iso(asked_at)


async def _ignoring_failure(request: Callable[[str], Awaitable[object]], name: str) -> None:
    with suppress(CallFailed, StoreError):
        await request(name)
