"""Resources over MCP: listed, read, completed and subscribed to, in both protocol eras."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

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
    TextResourceContents,
    UnsubscribeRequestParams,
)

from ...tools.text import quoted, short_id
from ..errors import CallFailed
from ..events.projection.sanitize import resource_uri
from ..events.service import EventService
from ..guard import Caller
from .event_resources import JSON, ResourceKind, ResourceNotFound, ResourceReader
from .sessions import caller_of, connection_of

Context = ServerRequestContext[Any, Any]
CompletePrompt = Callable[[Caller, str, str, str, Mapping[str, str]], Awaitable[list[str]]]
"""Completes an argument of a prompt, from: caller, prompt, argument, typed text, other arguments."""

_MAX_COMPLETIONS = 100
_MAX_LISTED_CONFERENCES = 100


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
        self._subscribed: dict[str, set[Connection]] = defaultdict(set)
        self.connections: set[Connection] = set()
        """Initialized connections at 2025-11-25, until they close: they get list changes without subscribing."""

    def handlers(self) -> dict[str, Any]:
        """The low-level server's keyword arguments."""
        return {
            "on_list_resources": self.list,
            "on_list_resource_templates": self.templates,
            "on_read_resource": self.read,
            "on_completion": self.complete,
            "on_subscribe_resource": self.subscribe,
            "on_unsubscribe_resource": self.unsubscribe,
            "on_subscriptions_listen": self._listening,
        }

    async def list(self, context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        self._service.open_soon()
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
        self._subscribed[params.uri].add(connection)
        self.remember(connection)
        self._service.open_soon()
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        self._subscribed[params.uri].discard(connection_of(context))
        return EmptyResult()

    def close(self) -> None:
        """End the `subscriptions/listen` streams with a final message."""
        self._listening.close()

    def remember(self, connection: Connection) -> None:
        """Keep a connection at 2025-11-25 for notifications until it closes."""
        if connection not in self.connections:
            self.connections.add(connection)
            connection.exit_stack.callback(self._forget, connection)

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        for subscribers in self._subscribed.values():
            subscribers.discard(connection)

    async def notify_updated(self, changed: set[str]) -> None:
        """Notify subscribers that these resources changed."""
        # Clients may or may not percent-encode the colon of a call_control_id: both name the same resource.
        for changed_uri in sorted(changed | {unquote(changed_uri) for changed_uri in changed}):
            await self.bus.publish(ResourceUpdated(uri=changed_uri))
            for connection in list(self._subscribed.get(changed_uri, ())):
                await connection.send_resource_updated(changed_uri)

    async def notify_list_changed(self) -> None:
        """Notify all clients that conferences appeared or ended."""
        await self.bus.publish(ResourcesListChanged())
        for connection in list(self.connections):
            await connection.send_resource_list_changed()

    async def notify_tools_changed(self) -> None:
        """Notify all clients that the list of tools changed."""
        await self.bus.publish(ToolsListChanged())
        for connection in list(self.connections):
            await connection.send_tool_list_changed()

    async def notify_prompts_changed(self) -> None:
        """Notify all clients that the list of prompts changed."""
        await self.bus.publish(PromptsListChanged())
        for connection in list(self.connections):
            await connection.send_prompt_list_changed()


def _conference(conference_id: str, name: str | None) -> Resource:
    title = f"Conference {quoted(name)}" if name else f"Conference {short_id(conference_id)}"
    return Resource(
        uri=resource_uri("conferences", conference_id), name=f"conference {conference_id}", title=title, mime_type=JSON
    )
