"""Composition root: settings in, server out. The only place that wires the parts together."""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import httpx2
from mcp.server import Server, ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import ListToolsResult, PaginatedRequestParams

from ..tools import COMMANDS
from .catalog import Catalog
from .dispatch import Dispatcher
from .guard import Policy
from .instructions import INSTRUCTIONS
from .settings import Settings, SettingsError
from .telnyx import Telnyx, Timing

NAME = "telnyx-conferencing"
VERSION = version(NAME)

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncGenerator[Server[Any]]:
    """The MCP server that these settings describe, for as long as the context lasts.

    Raises `SettingsError` when there is neither an API key nor a sandbox.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_open_telnyx(settings))
        yield build_server(settings, Telnyx(http))


def build_server(settings: Settings, telnyx: Telnyx) -> Server[Any]:
    """The MCP server over this Telnyx."""
    policy = Policy(settings.read_only, settings.toolsets)
    catalog = Catalog(policy.allowed(COMMANDS))
    dispatcher = Dispatcher(catalog, policy, settings.approval, telnyx)

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=catalog.listing)

    server: Server[Any] = Server(
        NAME,
        version=VERSION,
        title="Telnyx conferencing",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=dispatcher.handle,
    )
    # Which question was asked travels with the client between the two halves of a call: sealed, so that it is ours.
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return server


@asynccontextmanager
async def _open_telnyx(settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    if settings.sandbox:
        async with _open_sandbox(settings.sandbox_port) as http:
            yield http
        return
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise SettingsError(
            "no Telnyx to work on: set TELNYX_API_KEY to run on your account, or give --sandbox "
            "to practise on the embedded Telnyx, which needs none."
        )
    async with _client(settings.base_url, settings.api_key.get_secret_value()) as http:
        yield http


@asynccontextmanager
async def _open_sandbox(port: int | None) -> AsyncGenerator[httpx2.AsyncClient]:
    from .embedded import SandboxTransport, serving  # noqa: PLC0415 (costs start-up time only where it is used)
    from .sandbox import Sandbox  # noqa: PLC0415

    sandbox = Sandbox()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sandbox.running())
        if port is not None:
            await stack.enter_async_context(serving(sandbox, port))
        transport = SandboxTransport(sandbox.app)
        yield await stack.enter_async_context(_client("http://sandbox/v2", "KEYsandbox", transport))


def _client(base_url: str, key: str, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": f"{NAME}/{VERSION}"},
        timeout=Timing().http(),
        transport=transport,
    )
