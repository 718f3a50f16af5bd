"""Composition root: settings in, server out. The only place that wires the parts together."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from mcp.server import InitializationOptions, NotificationOptions, Server, ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import ListToolsResult, PaginatedRequestParams

from ..tools import TOOLS
from ..tools.base import Command
from ..tools.conferences import GetConference
from .catalog import Catalog
from .dispatch import Dispatcher
from .events.service import EventService, Facts
from .guard import Policy
from .instructions import INSTRUCTIONS
from .intake import Intake, open_store, verifier_of
from .listing import all_participants
from .reading import Reading
from .settings import Settings, SettingsError
from .telling import CHANNEL, Telling
from .telnyx import Telnyx, Timing

if TYPE_CHECKING:
    from .sandbox import Sandbox

logger = logging.getLogger(__name__)

NAME = "telnyx-conferencing"
VERSION = version(NAME)


@dataclass(frozen=True, slots=True)
class Application:
    """A server and what it needs beside itself."""

    server: Server[Any]
    telling: Telling
    options: InitializationOptions


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncGenerator[Application]:
    """The MCP server that these settings describe, for as long as the context lasts.

    Raises `SettingsError` when there is neither an API key nor a sandbox, or a key is no key.
    """
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(_open_line(settings))
        telnyx = Telnyx(line.http)
        verifier = verifier_of(settings, line.sandbox)
        events = EventService(lambda: open_store(settings), facts_from(telnyx))
        application = build(settings, telnyx, events)
        intake = Intake(settings, events, telnyx, line.sandbox, verifier)
        await stack.enter_async_context(events.running())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(_beside, intake.run)
        tasks.start_soon(_beside, application.telling.run)
        yield application


async def _beside(work: Callable[[], Awaitable[None]]) -> None:
    """Work beside the calls: if it fails, calls must go on."""
    try:
        await work()
    except Exception:
        logger.exception("Events are no longer taken in or told of; everything else goes on")


def build(settings: Settings, telnyx: Telnyx, events: EventService) -> Application:
    """The MCP server over this Telnyx and these events."""
    policy = Policy(settings.read_only, settings.toolsets)
    catalog = Catalog(policy.allowed(TOOLS))
    dispatcher = Dispatcher(catalog, policy, settings.approval, telnyx, events)
    reading = Reading(events)
    telling = Telling(events, reading, settings.push or frozenset())

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        events.needed()
        return ListToolsResult(tools=catalog.listing)

    server: Server[Any] = Server(
        NAME,
        version=VERSION,
        title="Telnyx conferencing",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=dispatcher.handle,
        **reading.handlers(),
    )
    telling.install(server)
    # Which question was asked travels with the client between the two halves of a call: sealed, so that it is ours.
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    experimental: dict[str, dict[str, Any]] | None = {CHANNEL: {}} if settings.push else None
    options = server.create_initialization_options(NotificationOptions(resources_changed=True), experimental)
    return Application(server, telling, options)


def facts_from(telnyx: Telnyx) -> Facts:
    """What only the API knows of a conference, asked of this Telnyx."""

    async def read(command: Command) -> Any:
        return (await telnyx.send(command)).body

    async def facts(conference_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        seen: dict[str, Any] = await read(GetConference(conference_id=conference_id)) or {}
        return seen.get("data") or {}, await all_participants(read, conference_id)

    return facts


@dataclass(frozen=True, slots=True)
class _Line:
    """The Telnyx that a server works on."""

    http: httpx2.AsyncClient
    sandbox: "Sandbox | None" = None


@asynccontextmanager
async def _open_line(settings: Settings) -> AsyncGenerator[_Line]:
    if settings.sandbox:
        async with _open_sandbox(settings) as line:
            yield line
        return
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise SettingsError(
            "no Telnyx to work on: set TELNYX_API_KEY to run on your account, or give --sandbox "
            "to practise on the embedded Telnyx, which needs none."
        )
    async with _client(settings.base_url, settings.api_key.get_secret_value()) as http:
        yield _Line(http)


@asynccontextmanager
async def _open_sandbox(settings: Settings) -> AsyncGenerator[_Line]:
    from .embedded import SandboxTransport, serving  # noqa: PLC0415 (costs start-up time only where it is used)
    from .sandbox import Sandbox  # noqa: PLC0415

    port = settings.webhook_port
    sandbox = Sandbox(webhook_url=f"http://127.0.0.1:{port}/webhooks/telnyx" if port else None)
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
