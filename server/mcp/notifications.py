"""Notifications to clients: changed resources, and events pushed into the conversation; bursts are merged."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
from mcp.server import Server, ServerRequestContext
from mcp_types import NotificationParams

from ..events.event import OWN_TYPES, EventFilter, StoredEvent
from ..events.projection.event_text import describe_event
from ..events.projection.sanitize import is_identifier, resource_uri
from ..events.service import EventService
from .resources import ResourceHandlers
from .sessions import connection_of

CHANNEL = "claude/channel"
NO_PUSH_FROM = "2026-07-28"
"""From this protocol version on, clients get only the notifications that `subscriptions/listen` names."""
_NOTIFY_INTERVAL_S = 0.25
"""Changes within this time are sent together."""
_PUSH_INTERVAL_S = 2.0
_MAX_SINGLE_EVENTS = 3
"""More events at once are pushed as one message."""
_CONFERENCE_LIST = resource_uri("conferences")
"""Changes when a conference appears or ends, and with it the list of resources, which names the open ones."""

Context = ServerRequestContext[Any, Any]


class Notifier:
    """Notifies the clients of one server of what the event service learns."""

    def __init__(
        self,
        service: EventService,
        resources: ResourceHandlers,
        push: frozenset[str],
        prepare: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        """`push`: the event types to push. `prepare`: changes a message before it is pushed."""
        self._resources = resources
        self._prepare = prepare
        self._pushed = EventFilter(types=push) if push else None
        self._changed: set[str] = set()
        self._tools_changed = False
        self._prompts_changed = False
        self._pushed_from: datetime | None = None
        """When the client was initialized; earlier events are not pushed, even if they arrive later."""
        self._events: list[StoredEvent] = []
        self._changes = anyio.Event()
        self._push_due = anyio.Event()
        service.on_change(self._note)

    def install(self, server: Server[Any]) -> None:
        """Remember each connection once it is initialized; nothing is sent before."""
        resources = self._resources

        async def initialized(context: Context, params: NotificationParams) -> None:
            self._pushed_from = self._pushed_from or datetime.now(UTC)
            resources.remember(connection_of(context))

        server.add_notification_handler("notifications/initialized", NotificationParams, initialized)

    def _note(self, changed: set[str], events: list[StoredEvent]) -> None:
        self._changed |= changed | _timelines_of(changed)
        for event in events:
            self._changed |= _event_lists_of(event)
        if self._changed:
            self._changes.set()
        since = self._pushed_from
        if self._pushed is not None and since is not None:
            self._events += [event for event in events if event.received_at >= since and self._pushed.matches(event)]
            if self._events:
                self._push_due.set()

    def tools_changed(self) -> None:
        """Note that the list of tools changed."""
        self._tools_changed = True
        self._changes.set()

    def prompts_changed(self) -> None:
        """Note that the list of prompts changed."""
        self._prompts_changed = True
        self._changes.set()

    async def run(self) -> None:
        """Send notifications until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._notify)
            tasks.start_soon(self._push)
            tasks.start_soon(self._resources.run)

    async def _notify(self) -> None:
        while True:
            await self._changes.wait()
            self._changes = anyio.Event()
            changed, self._changed = self._changed, set()
            await self._resources.notify_updated(changed)
            if _CONFERENCE_LIST in changed:
                await self._resources.notify_list_changed()
            tools_changed, self._tools_changed = self._tools_changed, False
            if tools_changed:
                await self._resources.notify_tools_changed()
            prompts_changed, self._prompts_changed = self._prompts_changed, False
            if prompts_changed:
                await self._resources.notify_prompts_changed()
            await anyio.sleep(_NOTIFY_INTERVAL_S)

    async def _push(self) -> None:
        while True:
            await self._push_due.wait()
            await anyio.sleep(_NOTIFY_INTERVAL_S)
            self._push_due = anyio.Event()
            events, self._events = self._events, []
            for message in channel_messages(events):
                self._resources.push(f"notifications/{CHANNEL}", self._prepare(message))
            await anyio.sleep(_PUSH_INTERVAL_S)


def _event_lists_of(event: StoredEvent) -> set[str]:
    """The URIs of the event lists and timelines that contain an event."""
    uris = {resource_uri("events")}
    if event.type in OWN_TYPES:
        uris.add(resource_uri("alerts"))
    if event.conference_id is not None:
        conference = resource_uri("conferences", event.conference_id)
        uris |= {f"{conference}/events", f"{conference}/timeline"}
    if event.queue is not None:
        uris.add(f"{resource_uri('queues', event.queue)}/events")
    if event.call_control_id is not None:
        uris.add(f"{resource_uri('calls', event.call_control_id)}/events")
    return uris


def _timelines_of(changed: set[str]) -> set[str]:
    """The timelines of changed conferences: an event can change a conference without naming it."""
    return {f"{changed_uri}/timeline" for changed_uri in changed if changed_uri.startswith(f"{_CONFERENCE_LIST}/")}


def channel_messages(events: list[StoredEvent]) -> list[dict[str, Any]]:
    """The messages to push: one for each of a few events, one for a burst."""
    if len(events) <= _MAX_SINGLE_EVENTS:
        return [{"content": describe_event(event), "meta": _meta(event)} for event in events]
    latest = "; ".join(describe_event(event) for event in events[-_MAX_SINGLE_EVENTS:])
    content = f"{len(events)} events, the last: {latest}"
    return [{"content": content, "meta": _meta(events[-1]) | {"type": "burst"}}]


def _meta(event: StoredEvent) -> dict[str, str]:
    fields = {"type": event.type, "event_id": event.id, "conference_id": event.conference_id}
    # The host puts these into its own markup, so only identifiers are included.
    return {name: value for name, value in fields.items() if value is not None and is_identifier(value)}
