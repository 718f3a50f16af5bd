"""Composition root: builds a running server from the settings. The only place that joins the parts."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
from .adapters.running_servers import registered_server, running_servers
from .alerts.book import AlertBook
from .board.board import Board
from .database import default_url, redacted_url
from .errors import CallRefused
from .events.service import EventService
from .guard import Policy
from .lifecycle import Shutdown, Supervisor
from .mcp import alert_resource, audit_resource
from .mcp.board_tools import BoardTools, has_cards, page_template
from .mcp.completions import CompletionSource
from .mcp.default_arguments import DefaultArguments
from .mcp.event_resources import ResourceKind
from .mcp.icon import icon
from .mcp.instructions import INSTRUCTIONS
from .mcp.notifications import CHANNEL, Notifier
from .mcp.permission_tools import PermissionTools
from .mcp.prompts import PromptHandlers
from .mcp.resources import ResourceHandlers
from .mcp.sessions import caller_of
from .mcp.skills import SkillHandlers
from .mcp.tool_calls import ToolCallHandler
from .mcp.tool_definitions import Catalog
from .mcp.whoami import WhoamiReport
from .settings import Settings, SettingsError
from .stores import open_event_store, store_url
from .telnyx import TelnyxClient, Timing, http_transport
from .webhooks.ingest import EventIngest
from .webhooks.signature import create_verifier

if TYPE_CHECKING:
    from .alerts.webhook import AlertWebhook
    from .mcp.number_masking import NumberMask
    from .sandbox import Sandbox

logger = logging.getLogger(__name__)

NAME = "telnyx-conferencing"
VERSION = version(NAME)


class McpServer(Server[Any]):
    """The SDK's server, announcing the same capabilities on every transport."""

    notifications = NotificationOptions()
    experimental: dict[str, dict[str, Any]] | None = None

    def create_initialization_options(self, *args: Any, **kwargs: Any) -> InitializationOptions:
        return super().create_initialization_options(self.notifications, self.experimental)


@dataclass(frozen=True, slots=True)
class ServerParts:
    """An MCP server and the parts it was built from."""

    server: Server[Any]
    notifier: Notifier
    tool_calls: ToolCallHandler
    board: Board
    alerts: AlertBook


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server, and the parts that a transport uses."""

    server: Server[Any]
    tool_calls: ToolCallHandler
    board: Board
    telnyx: TelnyxClient
    events: EventService
    guard_runtime: GuardRuntime
    ingest: EventIngest
    shutdown: Shutdown
    supervisor: Supervisor
    alerts: AlertBook
    alert_webhook: "AlertWebhook | None"


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncGenerator[RunningServer]:
    """Run the MCP server that these settings describe until the context ends.

    Raises `SettingsError` if there is neither a valid API key nor a sandbox.
    """
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(_open_api(settings))
        telnyx = TelnyxClient(api.http)
        verifier = create_verifier(settings, api.sandbox.public_key if api.sandbox else None)
        database = stack.enter_context(store_url(settings))
        shutdown = Shutdown()
        facts = TelnyxFacts(telnyx.read)
        supervisor = Supervisor()
        events = EventService(
            lambda: open_event_store(settings, database, supervisor), facts, api.now, shutdown=shutdown
        )
        guard_runtime = GuardRuntime(settings, telnyx, events, database)
        parts = build(settings, telnyx, events, guard_runtime, shutdown)
        ingest = EventIngest(settings, events, telnyx, api.sandbox, verifier)
        await stack.enter_async_context(events.connection.running(supervisor))
        await stack.enter_async_context(guard_runtime.guard.audit_writer.running(supervisor))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        own_page = await _open_page(stack, settings, parts, events, guard_runtime)
        guard_runtime.page = own_page or _page_of_same_store(settings, database)
        report_problems = stack.enter_context(
            registered_server(
                transport=settings.transport,
                sandbox=settings.sandbox,
                database=database,
                page=own_page,
                page_needs_token=settings.transport == "http" and settings.tokens_required,
            )
        )
        webhook = _alert_webhook(settings, events)
        if webhook is not None:
            tasks.start_soon(supervisor.run, "alert webhook", webhook.run)
            parts.board.alert_trouble = lambda: webhook.problems().get("alert webhook", "")
        _report_problems(supervisor, webhook, report_problems)
        for name, run in (
            ("event ingest", ingest.run),
            ("notifications", parts.notifier.run),
            ("transcription", parts.tool_calls.room_transcription.run),
            ("policy watch", guard_runtime.watch),
            ("call watch", guard_runtime.call_watch.run),
        ):
            tasks.start_soon(supervisor.run, name, run)
        tasks.start_soon(_run_alerts, supervisor, events, guard_runtime, parts.alerts)
        yield RunningServer(
            parts.server,
            parts.tool_calls,
            parts.board,
            telnyx,
            events,
            guard_runtime,
            ingest,
            shutdown,
            supervisor,
            parts.alerts,
            webhook,
        )


async def _run_alerts(
    supervisor: Supervisor, events: EventService, guard_runtime: GuardRuntime, book: AlertBook
) -> None:
    """Raise and clear the alerts of the policy until cancelled, once the store is open."""
    try:
        await events.connection.wait_until_open()
    except CallRefused:
        return
    from .alerts.engine import AlertEngine  # noqa: PLC0415 (loads the projection, which the first answer does not need)

    engine = AlertEngine(events, guard_runtime.ledger, lambda: guard_runtime.policy().alerts, book)
    await supervisor.run("alerts", engine.run)


def _alert_webhook(settings: Settings, events: EventService) -> "AlertWebhook | None":
    if settings.alert_webhook is None:
        return None
    from .alerts.webhook import AlertWebhook  # noqa: PLC0415 (only needed with a webhook)

    return AlertWebhook(events, settings.alert_webhook, settings.alert_keys())


def _report_problems(
    supervisor: Supervisor, webhook: "AlertWebhook | None", report: Callable[[Mapping[str, str]], None]
) -> None:
    """Keep the problems in the list of running servers up to date."""

    def changed(_: object = None) -> None:
        report({**supervisor.problems(), **(webhook.problems() if webhook else {})})

    supervisor.on_change(changed)
    if webhook is not None:
        webhook.on_change(changed)


async def _open_page(
    stack: AsyncExitStack, settings: Settings, parts: ServerParts, events: EventService, guard_runtime: GuardRuntime
) -> str | None:
    """The address of this server's operator page. None: it has none.

    A server over stdio serves the page itself, until the stack closes. Over HTTP, the page is part of the HTTP app.
    """
    port = settings.operator_page
    if port is None or settings.transport == "http":
        return guard_runtime.page
    from .web.operator import LiveCalls, announce_page, serve_operator_page  # noqa: PLC0415 (a web server, which not every server over stdio starts)

    live = LiveCalls(parts.board, events, parts.tool_calls.answer)
    try:
        address = await stack.enter_async_context(serve_operator_page(guard_runtime.ledger, live, port))
    except SettingsError as error:
        others = [server for server in running_servers() if urlsplit(server.page or "").port == port]
        owner = f" The page there is that of {others[0].title}." if others else ""
        logger.error("This server runs without an operator page: %s%s", error, owner)
        return None
    announce_page(address)
    return address


def _page_of_same_store(settings: Settings, database: str | None) -> str | None:
    """The address of the page that another server has at this server's port, if it shows the same store."""
    port = settings.operator_page
    if not port:
        return None
    store = redacted_url(database or default_url())
    pages = [server.page for server in running_servers() if server.store == store]
    return next((page for page in pages if page and urlsplit(page).port == port), None)


def build(
    settings: Settings,
    telnyx: TelnyxClient,
    events: EventService,
    guard_runtime: GuardRuntime,
    shutdown: Shutdown | None = None,
) -> ServerParts:
    """The MCP server over this Telnyx client and these events, behind this guard."""
    shutdown = shutdown or Shutdown()
    guard = guard_runtime.guard
    catalog = Catalog(TOOLS)
    defaults = DefaultArguments(settings)
    alerts = AlertBook()
    events.on_change(alerts.note)

    def allows(name: str, policy: Policy | None) -> bool:
        return catalog.allows(name, policy or guard_runtime.policy())

    board = Board(events, guard_runtime.ledger, allows, alerts)
    tool_calls = ToolCallHandler(
        catalog,
        guard,
        telnyx,
        events,
        defaults=defaults,
        whoami=WhoamiReport(settings, defaults, guard_runtime, events, f"{NAME} {VERSION}"),
        board_tools=BoardTools(board, guard, lambda: guard_runtime.page),
        permission_tools=PermissionTools(guard, defaults, guard_runtime.consent),
        shutdown=shutdown,
        ask_timeout=settings.ask_timeout,
        page=lambda: guard_runtime.page,
    )
    completions = CompletionSource(events, telnyx.read, hides_numbers=settings.mask_numbers)
    prompts = PromptHandlers(catalog, guard_runtime.policy, completions, is_sandbox=settings.sandbox)
    skills = SkillHandlers(prompts.recipes)
    more = [*_more_resources(guard_runtime, events, alerts), skills.resource()]
    resources = ResourceHandlers(events, prompts.complete, more)
    mask = _number_mask() if settings.mask_numbers else None
    notifier = Notifier(events, resources, settings.push or frozenset(), mask.mask_notification if mask else dict)
    guard_runtime.on_change(notifier.tools_changed)
    guard_runtime.on_change(lambda: notifier.prompts_changed() if prompts.changed() else None)
    shutdown.on_begin(resources.close)

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        events.connection.open_soon()
        policy = guard_runtime.policy(caller_of(context))
        return ListToolsResult(tools=catalog.listing(policy.allowed, cards=has_cards(context, policy)))

    server = McpServer(
        NAME,
        version=VERSION,
        title="Telnyx conferencing",
        icons=[icon()],
        instructions=INSTRUCTIONS,
        get_tool_input_schema=catalog.schema,  # without it, every call at 2026-07-28 lists all tools to find its own
        on_list_tools=list_tools,
        on_call_tool=tool_calls.handle,
        on_list_prompts=prompts.listing,
        on_get_prompt=prompts.get,
        **resources.handlers(),
    )
    notifier.install(server)
    skills.install(server)
    if mask is not None:
        server.middleware.append(mask)
    server.middleware.append(RequestStateBoundary(_request_state_security(settings), default_audience=NAME))
    has_policy_file = settings.policy is not None  # then tools and prompts can change while the server runs
    server.extensions[EXTENSION_ID] = {}
    server.notifications = NotificationOptions(
        prompts_changed=has_policy_file, resources_changed=True, tools_changed=has_policy_file
    )
    server.experimental = {CHANNEL: {}} if settings.push else None
    return ServerParts(server, notifier, tool_calls, board, alerts)


def _more_resources(guard_runtime: GuardRuntime, events: EventService, alerts: AlertBook) -> list[ResourceKind]:
    """The resources beside those of events."""
    return [audit_resource.template(guard_runtime.guard, events), alert_resource.template(alerts), page_template()]


def _request_state_security(settings: Settings) -> RequestStateSecurity:
    """Seals the state that a client carries from an approval question to its answer, so that it cannot be forged."""
    ttl = settings.approval_ttl.total_seconds()
    keys = settings.sealing_keys()
    return RequestStateSecurity(keys=keys, ttl=ttl) if keys else RequestStateSecurity.ephemeral(ttl=ttl)


def _number_mask() -> "NumberMask":
    from .mcp.number_masking import NumberMask  # noqa: PLC0415 (large regular expressions, for --mask-numbers only)

    return NumberMask()


@dataclass(frozen=True, slots=True)
class _TelnyxApi:
    """An HTTP client of Telnyx, or of the sandbox in this process."""

    http: httpx2.AsyncClient
    sandbox: "Sandbox | None" = None

    def now(self) -> datetime:
        """The time at Telnyx: the sandbox's clock can be moved."""
        return self.sandbox.clock.now() if self.sandbox else datetime.now(UTC)


@asynccontextmanager
async def _open_api(settings: Settings) -> AsyncGenerator[_TelnyxApi]:
    if settings.sandbox:
        async with _open_sandbox(settings) as api:
            yield api
        return
    async with _http_client(settings.base_url, key_of(settings), http_transport()) as http:
        yield _TelnyxApi(http)


@asynccontextmanager
async def _open_sandbox(settings: Settings) -> AsyncGenerator[_TelnyxApi]:
    from .adapters.sandbox_transport import SandboxTransport, read_scene  # noqa: PLC0415 (start-up time, for --sandbox only)
    from .sandbox import Sandbox  # noqa: PLC0415

    numbers = [settings.from_number] if settings.from_number else []
    sandbox = Sandbox(scene=read_scene(settings.scene), numbers=numbers)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sandbox.running())
        if settings.sandbox_port is not None:
            from .adapters.sandbox_server import serving  # noqa: PLC0415 (a web server, which most sandboxes do without)

            await stack.enter_async_context(serving(sandbox, settings.sandbox_port))
        http = _http_client("http://sandbox/v2", "KEYsandbox", SandboxTransport(sandbox.app))
        yield _TelnyxApi(await stack.enter_async_context(http), sandbox)


def _http_client(base_url: str, key: str, transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": f"{NAME}/{VERSION}"},
        timeout=Timing().http(),
        transport=transport,
    )
