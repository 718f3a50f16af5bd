"""Resources over MCP: listed, read, completed and subscribed to, in both protocol eras."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

import anyio
from anyio.abc import TaskGroup
from mcp.server import ServerRequestContext
from mcp.server.connection import Connection
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from ...tools.text import quoted, short_id
from ..errors import CallFailed
from ..events.projection.sanitize import resource_uri
from ..events.service import EventService
from ..guard import Caller
from .event_resources import JSON, ResourceKind, ResourceNotFound, ResourceReader
from .outbox import Outbox
from .sessions import caller_of, connection_of

Context = ServerRequestContext[Any, Any]
CompletePrompt = Callable[[Caller, str, str, str, Mapping[str, str]], Awaitable[list[str]]]
"""Completes an argument of a prompt, from: caller, prompt, argument, typed text, other arguments."""

_MAX_COMPLETIONS = 100
_MAX_LISTED_CONFERENCES = 100
_MAX_SUBSCRIPTIONS = 1_000
_MAX_URI_LENGTH = 4_000
"""A queue's name of 255 characters, percent-encoded, needs up to 3,060."""


class ResourceHandlers:
    """The resources of one server."""

    def __init__(
        self, service: EventService, complete_prompt: CompletePrompt, more: Sequence[ResourceKind] = ()
    ) -> None:
        """`more`: resources beside those of events."""
        self._service = service
        self._complete_prompt = complete_prompt
        self._reader = ResourceReader(service, more)
        self.bus = InMemorySubscriptionBus()
        """Carries changes to `subscriptions/listen` streams (2026-07-28)."""
        self._listening = ListenHandler(self.bus)
        self._outboxes: dict[Connection, Outbox] = {}
        """Of the initialized connections at 2025-11-25, until they close: they get list changes without subscribing."""
        self._subscriptions: dict[Connection, set[str]] = {}
        """The URIs that each of them subscribed to."""
        self._tasks: TaskGroup | None = None

    def handlers(self) -> dict[str, Any]:
        """The low-level server's keyword arguments."""
        return {
            "on_list_resources": self.list,
            "on_list_resource_templates": self.templates,
            "on_read_resource": self.read,
            "on_completion": self.complete,
            "on_subscribe_resource": self.subscribe,
            "on_unsubscribe_resource": self.unsubscribe,
            "on_subscriptions_listen": self.listen,
        }

    async def list(self, context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        self._service.connection.open_soon()
        fixed = [
            Resource(
                uri=kind.uri,
                name=kind.name,
                title=kind.title,
                description=kind.description,
                mime_type=kind.mime_type,
                _meta=kind.meta,
            )
            for kind in self._reader.templates
            if kind.is_fixed
        ]
        rooms = self._service.projection.conferences(self._service.now(), open_only=True)[:_MAX_LISTED_CONFERENCES]
        return ListResourcesResult(resources=fixed + [_conference(room.id, room.name) for room in rooms])

    async def templates(self, context: Context, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template=kind.template,
                    name=kind.name,
                    title=kind.title,
                    description=kind.description,
                    mime_type=kind.mime_type,
                )
                for kind in self._reader.templates
                if "{" in kind.template
            ]
        )

    async def read(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        try:
            text, kind = await self._reader.read(params.uri, caller_of(context))
        except ResourceNotFound as missing:
            raise MCPError(INVALID_PARAMS, str(missing), {"uri": params.uri}) from None
        except CallFailed as failed:
            raise MCPError(INTERNAL_ERROR, str(failed), {"uri": params.uri}) from None
        contents = TextResourceContents(uri=params.uri, mime_type=kind.mime_type, text=text, _meta=kind.meta)
        return ReadResourceResult(contents=[contents])

    async def complete(self, context: Context, params: CompleteRequestParams) -> CompleteResult:
        try:
            values = [*await self._values(caller_of(context), params)]
        except CallFailed:
            values = []
        first, total = values[:_MAX_COMPLETIONS], len(values)
        return CompleteResult(completion=Completion(values=first, total=total, has_more=total > len(first)))

    async def _values(self, caller: Caller, params: CompleteRequestParams) -> Sequence[str]:
        name, typed = params.argument.name, params.argument.value
        match params.ref:
            case ResourceTemplateReference():
                return await self._reader.complete(params.ref.uri, name, typed)
            case PromptReference():
                others = params.context.arguments if params.context else None
                return await self._complete_prompt(caller, params.ref.name, name, typed, others or {})

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        connection = connection_of(context)
        self.remember(connection)
        uris = self._subscriptions[connection]
        _check_subscriptions([*uris, params.uri] if params.uri not in uris else [params.uri])
        uris.add(params.uri)
        self._service.connection.open_soon()
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        self._subscriptions.get(connection_of(context), set()).discard(params.uri)
        return EmptyResult()

    async def listen(self, context: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        _check_subscriptions(params.notifications.resource_subscriptions or ())
        return await self._listening(context, params)

    def close(self) -> None:
        """End the `subscriptions/listen` streams with a final message."""
        self._listening.close()

    async def run(self) -> None:
        """Send notifications to the connections until cancelled."""
        async with anyio.create_task_group() as tasks:
            for outbox in self._outboxes.values():
                tasks.start_soon(outbox.run)
            self._tasks = tasks
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    def remember(self, connection: Connection) -> None:
        """Keep a connection at 2025-11-25 for notifications until it closes."""
        if connection in self._outboxes:
            return
        outbox = self._outboxes[connection] = Outbox()
        self._subscriptions[connection] = set()
        connection.exit_stack.callback(self._forget, connection)
        if self._tasks is not None:
            self._tasks.start_soon(outbox.run)

    def _forget(self, connection: Connection) -> None:
        self._outboxes.pop(connection).close()
        del self._subscriptions[connection]

    async def notify_updated(self, changed: set[str]) -> None:
        """Notify subscribers that these resources changed."""
        # Clients may or may not percent-encode the colon of a call_control_id: both name the same resource.
        for changed_uri in sorted(changed | {unquote(changed_uri) for changed_uri in changed}):
            await self.bus.publish(ResourceUpdated(uri=changed_uri))
            for connection, outbox in self._outboxes.items():
                if changed_uri in self._subscriptions[connection]:
                    outbox.put(partial(connection.send_resource_updated, changed_uri), changed_uri)

    async def notify_list_changed(self) -> None:
        """Notify all clients that conferences appeared or ended."""
        await self.bus.publish(ResourcesListChanged())
        for connection, outbox in self._outboxes.items():
            outbox.put(connection.send_resource_list_changed, "resources")

    async def notify_tools_changed(self) -> None:
        """Notify all clients that the list of tools changed."""
        await self.bus.publish(ToolsListChanged())
        for connection, outbox in self._outboxes.items():
            outbox.put(connection.send_tool_list_changed, "tools")

    async def notify_prompts_changed(self) -> None:
        """Notify all clients that the list of prompts changed."""
        await self.bus.publish(PromptsListChanged())
        for connection, outbox in self._outboxes.items():
            outbox.put(connection.send_prompt_list_changed, "prompts")

    def push(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification of the server's own to all clients at 2025-11-25."""
        for connection, outbox in self._outboxes.items():
            outbox.put(partial(connection.notify, method, params))


def _check_subscriptions(uris: Collection[str]) -> None:
    """Raise `MCPError` when one client subscribes to too much."""
    if any(len(uri) > _MAX_URI_LENGTH for uri in uris):
        raise MCPError(INVALID_PARAMS, f"A resource's URI has at most {_MAX_URI_LENGTH} characters.")
    if len(uris) > _MAX_SUBSCRIPTIONS:
        raise MCPError(INVALID_PARAMS, f"A client may subscribe to at most {_MAX_SUBSCRIPTIONS} resources.")


def _conference(conference_id: str, name: str | None) -> Resource:
    title = f"Conference {quoted(name)}" if name else f"Conference {short_id(conference_id)}"
    return Resource(
        uri=resource_uri("conferences", conference_id), name=f"conference {conference_id}", title=title, mime_type=JSON
    )
