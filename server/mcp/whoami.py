"""What an agent should know first: where it is, what it may do, who is asked, how it hears of events."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp.server import ServerRequestContext

from ...tools import TOOLS, TOOLSETS
from ...tools.words import clean, count
from ..adapters.guard_factory import GuardRuntime
from ..database import StoreError
from ..errors import CallRefused
from ..events.event import EventFilter
from ..events.service import EventService
from ..guard import Caller, Policy
from ..settings import Settings
from .default_arguments import DefaultArguments

_LATEST = 100
"""Events that are looked at for the connections they name."""
_MOST_CONNECTIONS = 5
_LONGEST = 200


class WhoamiReport:
    """Answers `whoami`. Nothing of the API key is told: not even its end."""

    def __init__(
        self, settings: Settings, defaults: DefaultArguments, guarding: GuardRuntime, events: EventService, server: str
    ) -> None:
        """`server`: its name and version."""
        self._settings = settings
        self._defaults = defaults
        self._guarding = guarding
        self._events = events
        self._server = server

    async def answer(self, context: ServerRequestContext[Any, Any], caller: Caller) -> dict[str, Any]:
        """The structured content of `whoami`."""
        connections, heard = await self._heard()
        policy = self._guarding.policy(caller)
        allowed, writes = self._allowed(policy), await self._writes(policy)
        told: dict[str, Any] = {
            "server": self._server,
            "client": _client(context, caller),
            "account": self._account,
            "connection_id": self._defaults.values["connection_id"],
            "from_number": self._defaults.values["from_number"],
            "connections_seen": connections,
            "policy": allowed,
            "writes": writes,
            "events": heard,
        }
        dry = " Dry run: nothing is sent." if self._settings.dry_run else ""
        summary = f"{count(allowed['tools'], 'tool')} on {self._account}; writes are {writes}.{dry}"
        return {"summary": summary} | {name: value for name, value in told.items() if value is not None}

    @property
    def _account(self) -> str:
        if self._settings.sandbox:
            return "the embedded Telnyx, for practice: no real calls"
        return f"the Telnyx account of the operator's API key, at {urlsplit(self._settings.base_url).netloc}"

    def _allowed(self, policy: Policy) -> dict[str, Any]:
        tools = [tool for tool in policy.allowed(TOOLS) if not tool.needs_cards]
        toolsets = {tool.toolset() for tool in tools}
        said: dict[str, Any] = {
            "tools": len(tools),
            "toolsets": [name for name in TOOLSETS if name in toolsets],
            "read_only": all(tool.is_read() for tool in tools),
            "dry_run": self._settings.dry_run,
            "asks_a_person": f"{policy.level}",
        }
        within = [clean(f"only {one}", _LONGEST) for one in policy.scope.kinds if one.lists]
        return said | ({"scope": within} if within else {})

    async def _writes(self, policy: Policy) -> str:
        closed = policy.closed(self._events.now())
        if closed is not None:
            return clean(f"closed now: {closed}", _LONGEST)
        try:
            stopped = await self._guarding.ledger.stopped()
        except StoreError:
            return "refused: the store cannot be used"
        if stopped is None:
            return "open"
        return clean(f"stopped by a person{f' ({stopped.reason})' if stopped.reason else ''}", _LONGEST)

    async def _heard(self) -> tuple[list[str], dict[str, Any]]:
        """The connections that events have named lately, and how events come."""
        heard: dict[str, Any] = {"arrive": self._events.arrive()}
        try:
            latest = await (await self._events.store()).find(EventFilter(), limit=_LATEST)
        except (StoreError, CallRefused):
            return [], heard
        named = (event.payload.get("connection_id") for event in latest)
        connections = list(dict.fromkeys(clean(one, 40) for one in named if isinstance(one, str)))
        last: Mapping[str, str] = (
            {"last": latest[0].type, "last_at": latest[0].occurred_at.isoformat()} if latest else {}
        )
        return connections[:_MOST_CONNECTIONS], heard | last


def _client(context: ServerRequestContext[Any, Any], caller: Caller) -> str:
    params = context.session.client_params
    name = f"{params.client_info.name} {params.client_info.version}" if params is not None else "unknown"
    known = f", as {caller.identity}" if caller.identity else ""
    return clean(f"{name}, MCP {context.protocol_version}{known}", 400)
