"""Composition root: settings in, server out. The only place that wires the parts together."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from mcp.server import InitializationOptions, NotificationOptions, Server, ServerRequestContext
from mcp.server.apps import EXTENSION_ID
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import ListToolsResult, PaginatedRequestParams

from ..tools import TOOLS
from .adapters.api_key import key_of
from .adapters.guard_factory import GuardRuntime
from .adapters.live_facts import TelnyxFacts
from .board.board import Board
from .events.service import EventService, Facts
from .mcp import audit_resource as session_audit
from .mcp.board_tools import BoardTools, has_cards, page_template
from .mcp.completions import CompletionSource
from .mcp.default_arguments import DefaultArguments
from .mcp.instructions import INSTRUCTIONS
from .mcp.notifications import CHANNEL, Notifier
from .mcp.prompts import PromptHandlers
from .mcp.resources import ResourceHandlers
from .mcp.sessions import caller_of
from .mcp.tool_calls import Dispatcher
from .mcp.tool_definitions import Catalog
from .mcp.whoami import WhoamiReport
from .settings import Settings
from .shutdown import Shutdown
from .telnyx import TelnyxClient, Timing
from .telnyx.spreading import spread_unless_proxied
from .webhooks.ingest import EventIngest, database_of, open_store, verifier_of

if TYPE_CHECKING:
    from .mcp.number_masking import NumberMask
    from .sandbox import Sandbox

logger = logging.getLogger(__name__)

NAME = "telnyx-conferencing"
VERSION = version(NAME)


class AdvertisingServer(Server[Any]):
    """The SDK's server, which tells every client on every transport the same of itself."""

    offered = NotificationOptions()
    experimental: dict[str, dict[str, Any]] | None = None

    def create_initialization_options(self, *given: Any, **named: Any) -> InitializationOptions:
        return super().create_initialization_options(self.offered, self.experimental)


@dataclass(frozen=True, slots=True)
class ServerParts:
    """A server and what it needs beside itself."""

    server: Server[Any]
    telling: Notifier
    dispatcher: Dispatcher
    board: Board


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server, and the parts that a transport has to do with."""

    server: Server[Any]
    dispatcher: Dispatcher
    board: Board
    telnyx: TelnyxClient
    events: EventService
    guarding: GuardRuntime
    intake: EventIngest
    leaving: Shutdown


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncGenerator[RunningServer]:
    """The MCP server that these settings describe, for as long as the context lasts.

    Raises `SettingsError` when there is neither an API key nor a sandbox, or a key is no key.
    """
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(_open_line(settings))
        telnyx = TelnyxClient(line.http)
        verifier = verifier_of(settings, line.sandbox)
        database = stack.enter_context(database_of(settings))
        leaving = Shutdown()
        events = EventService(lambda: open_store(settings, database), facts_from(telnyx), line.now, leaving=leaving)
        guarding = GuardRuntime(settings, telnyx, events, database)
        application = build(settings, telnyx, events, guarding, leaving)
        intake = EventIngest(settings, events, telnyx, line.sandbox, verifier)
        await stack.enter_async_context(events.running())
        await stack.enter_async_context(guarding.guard.recorder.running())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        if settings.operator_page is not None and settings.transport == "stdio":
            from .web.board import beside  # noqa: PLC0415 (a web server, for who wants it)
            from .web.operator.server import print_link, serve_operator_page  # noqa: PLC0415

            both = partial(beside, application.board, events, application.dispatcher.answer)
            page = serve_operator_page(guarding.ledger, settings.operator_page, beside=both)
            print_link(await stack.enter_async_context(page))
        for work in (intake.run, application.telling.run, guarding.watch):
            tasks.start_soon(_beside, work)
        yield RunningServer(
            application.server,
            application.dispatcher,
            application.board,
            telnyx,
            events,
            guarding,
            intake,
            leaving,
        )


async def _beside(work: Callable[[], Awaitable[None]]) -> None:
    """Work beside the calls: if it fails, calls must go on."""
    try:
        await work()
    except Exception:
        logger.exception("Events are no longer taken in or told of; everything else goes on")


def build(
    settings: Settings,
    telnyx: TelnyxClient,
    events: EventService,
    guarding: GuardRuntime,
    leaving: Shutdown | None = None,
) -> ServerParts:
    """The MCP server over this Telnyx and these events, behind this guard."""
    leaving = leaving or Shutdown()
    catalog = Catalog(TOOLS)
    defaults = DefaultArguments(settings)
    where = WhoamiReport(settings, defaults, guarding, events, f"{NAME} {VERSION}")
    board = Board(events, guarding.ledger, guarding.policy, catalog.allows)
    boarding = BoardTools(board, guarding.guard)
    dispatcher = Dispatcher(
        catalog, guarding.guard, telnyx, events, defaults=defaults, where=where, boarding=boarding, leaving=leaving
    )
    live = CompletionSource(events, telnyx.read, hides_numbers=settings.mask_numbers)
    prompting = PromptHandlers(catalog, guarding.policy, live, is_sandbox=settings.sandbox)
    reading = ResourceHandlers(
        events, prompting.complete, [session_audit.template(guarding.guard, events), page_template()]
    )
    mask = _mask() if settings.mask_numbers else None
    telling = Notifier(events, reading, settings.push or frozenset(), mask.shown if mask else dict)
    guarding.on_change(telling.tools_changed)
    guarding.on_change(lambda: telling.prompts_changed() if prompting.changed() else None)
    leaving.on_begin(reading.close)

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        events.needed()
        policy = guarding.policy(caller_of(context))
        return ListToolsResult(tools=catalog.listing(policy.allowed, cards=has_cards(context, policy)))

    server = AdvertisingServer(
        NAME,
        version=VERSION,
        title="Telnyx conferencing",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=catalog.schema,  # or every call at 2026-07-28 would list all the tools, to find its own
        on_list_tools=list_tools,
        on_call_tool=dispatcher.handle,
        on_list_prompts=prompting.listing,
        on_get_prompt=prompting.get,
        **reading.handlers(),
    )
    telling.install(server)
    # Which question was asked travels with the client between the two halves of a call: sealed, so that it is ours.
    if mask is not None:
        server.middleware.append(mask)
    server.middleware.append(RequestStateBoundary(_sealed(settings), default_audience=NAME))
    edited = settings.policy is not None
    server.extensions[EXTENSION_ID] = {}
    server.offered = NotificationOptions(prompts_changed=edited, resources_changed=True, tools_changed=edited)
    server.experimental = {CHANNEL: {}} if settings.push else None
    return ServerParts(server, telling, dispatcher, board)


def _sealed(settings: Settings) -> RequestStateSecurity:
    ttl = settings.approval_ttl.total_seconds()
    keys = settings.sealing_keys()
    return RequestStateSecurity(keys=keys, ttl=ttl) if keys else RequestStateSecurity.ephemeral(ttl=ttl)


def _mask() -> "NumberMask":
    from .mcp.number_masking import NumberMask  # noqa: PLC0415 (for those who want it)

    return NumberMask()


def facts_from(telnyx: TelnyxClient) -> Facts:
    """What only the API knows, asked of this Telnyx."""

    return TelnyxFacts(telnyx.read)


@dataclass(frozen=True, slots=True)
class _Line:
    """The Telnyx that a server works on."""

    http: httpx2.AsyncClient
    sandbox: "Sandbox | None" = None

    def now(self) -> datetime:
        """The time there: the sandbox's clock may be moved."""
        return self.sandbox.clock.now() if self.sandbox else datetime.now(UTC)


@asynccontextmanager
async def _open_line(settings: Settings) -> AsyncGenerator[_Line]:
    if settings.sandbox:
        async with _open_sandbox(settings) as line:
            yield line
        return
    async with _client(settings.base_url, key_of(settings), spread_unless_proxied()) as http:
        yield _Line(http)


@asynccontextmanager
async def _open_sandbox(settings: Settings) -> AsyncGenerator[_Line]:
    from .adapters.sandbox_transport import SandboxTransport, serving  # noqa: PLC0415 (costs start-up time only where it is used)
    from .sandbox import Sandbox  # noqa: PLC0415

    sandbox = Sandbox()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sandbox.running())
        if settings.sandbox_port is not None:
            await stack.enter_async_context(serving(sandbox, settings.sandbox_port))
        transport = SandboxTransport(sandbox.app)
        yield _Line(await stack.enter_async_context(_client("http://sandbox/v2", "KEYsandbox", transport)), sandbox)


def _client(base_url: str, key: str, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": f"{NAME}/{VERSION}"},
        timeout=Timing().http(),
        transport=transport,
    )
