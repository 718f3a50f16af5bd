"""News to clients: resources that changed, and events pushed into the conversation; a burst is told once."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
from mcp.server import Server, ServerRequestContext
from mcp_types import NotificationParams

from ..events.event import EventFilter, StoredEvent
from ..events.projection.event_text import line
from ..events.projection.sanitize import is_identifier, uri
from ..events.service import EventService
from .resources import ResourceHandlers
from .sessions import connection_of

CHANNEL = "claude/channel"
_PAUSE = 0.25
"""Seconds between two rounds of news: whatever happens meanwhile is told together."""
_PUSH_PAUSE = 2.0
_ONE_BY_ONE = 3
_LISTED = uri("conferences")
"""Changes when a conference appears or ends: with it the list of resources, which names those that are open."""

Context = ServerRequestContext[Any, Any]


class Notifier:
    """Tells the clients of one server what the event service learns."""

    def __init__(
        self,
        service: EventService,
        reading: ResourceHandlers,
        push: frozenset[str],
        shown: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        """`push`: the event types that are pushed. `shown`: what a client is shown of a message that is."""
        self._reading = reading
        self._shown = shown
        self._pushed = EventFilter(types=push) if push else None
        self._changed: set[str] = set()
        self._tools_changed = False
        self._prompts_changed = False
        self._pushed_from: datetime | None = None
        """When the client was initialized: what came before is not news to it, however late it is told here."""
        self._events: list[StoredEvent] = []
        self._news = anyio.Event()
        self._to_push = anyio.Event()
        service.on_change(self._note)

    def install(self, server: Server[Any]) -> None:
        """Take note of each connection once it is initialized; before that nothing is sent."""
        reading = self._reading

        async def initialized(context: Context, params: NotificationParams) -> None:
            self._pushed_from = self._pushed_from or datetime.now(UTC)
            reading.greet(connection_of(context))

        server.add_notification_handler("notifications/initialized", NotificationParams, initialized)

    def _note(self, changed: set[str], events: list[StoredEvent]) -> None:
        self._changed |= changed | _timelines(changed)
        for event in events:
            self._changed |= _lists_with(event)
        if self._changed:
            self._news.set()
        since = self._pushed_from
        if self._pushed is not None and since is not None:
            self._events += [one for one in events if one.received_at >= since and self._pushed.matches(one)]
            if self._events:
                self._to_push.set()

    def tools_changed(self) -> None:
        """Tools have come or gone."""
        self._tools_changed = True
        self._news.set()

    def prompts_changed(self) -> None:
        """Prompts have come or gone."""
        self._prompts_changed = True
        self._news.set()

    async def run(self) -> None:
        """Tell, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell)
            tasks.start_soon(self._push)

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            changed, self._changed = self._changed, set()
            await self._reading.tell(changed)
            if _LISTED in changed:
                await self._reading.tell_list_changed()
            tools_changed, self._tools_changed = self._tools_changed, False
            if tools_changed:
                await self._reading.tell_tools_changed()
            prompts_changed, self._prompts_changed = self._prompts_changed, False
            if prompts_changed:
                await self._reading.tell_prompts_changed()
            await anyio.sleep(_PAUSE)

    async def _push(self) -> None:
        while True:
            await self._to_push.wait()
            await anyio.sleep(_PAUSE)
            self._to_push = anyio.Event()
            events, self._events = self._events, []
            for message in channel_messages(events):
                for connection in list(self._reading.connections):
                    await connection.notify(f"notifications/{CHANNEL}", self._shown(message))
            await anyio.sleep(_PUSH_PAUSE)


def _lists_with(event: StoredEvent) -> set[str]:
    """The URIs of all that reads differently by an event's being stored, whatever it changes."""
    uris = {uri("events")}
    if event.conference_id is not None:
        conference = uri("conferences", event.conference_id)
        uris |= {f"{conference}/events", f"{conference}/timeline"}
    if event.queue is not None:
        uris.add(f"{uri('queues', event.queue)}/events")
    if event.call_control_id is not None:
        uris.add(f"{uri('calls', event.call_control_id)}/events")
    return uris


def _timelines(changed: set[str]) -> set[str]:
    """The URIs of the stories of conferences that changed: not every event that changes one names it."""
    return {f"{one}/timeline" for one in changed if one.startswith(f"{_LISTED}/")}


def channel_messages(events: list[StoredEvent]) -> list[dict[str, Any]]:
    """What is pushed: a line for each of a few events, one line for a burst."""
    if len(events) <= _ONE_BY_ONE:
        return [{"content": line(event), "meta": _meta(event)} for event in events]
    shown = "; ".join(line(event) for event in events[-_ONE_BY_ONE:])
    content = f"{len(events)} events, the last: {shown}"
    return [{"content": content, "meta": _meta(events[-1]) | {"type": "burst"}}]


def _meta(event: StoredEvent) -> dict[str, str]:
    about = {"type": event.type, "event_id": event.id, "conference_id": event.conference_id}
    # The host puts these into its own markup: anything else only stands, quoted, in the content.
    return {name: value for name, value in about.items() if value is not None and is_identifier(value)}
