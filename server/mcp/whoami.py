"""The `whoami` tool: the account, what the agent may do, who approves, and how events arrive."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp.server import ServerRequestContext
from mcp_types.version import is_version_at_least

from ...tools import TOOLS, TOOLSETS
from ...tools.text import clean, count
from ..adapters.guard_factory import GuardRuntime
from ..database import StoreError
from ..errors import CallRefused
from ..events.event import EventFilter
from ..events.service import EventService
from ..guard import Caller, Policy
from ..guard.policy import calling_lines
from ..settings import Settings
from .default_arguments import DefaultArguments
from .notifications import NO_PUSH_FROM
from .permission_tools import grant_view

_EVENTS_SCANNED = 100
"""Newest events in which connections are looked for."""
_MAX_CONNECTIONS = 5
_MAX_GRANTS = 10
_MAX_TEXT_LENGTH = 200


class WhoamiReport:
    """Answers `whoami`. It contains no part of the API key."""

    def __init__(
        self,
        settings: Settings,
        defaults: DefaultArguments,
        guard_runtime: GuardRuntime,
        events: EventService,
        server: str,
    ) -> None:
        """`server`: its name and version."""
        self._settings = settings
        self._defaults = defaults
        self._guard_runtime = guard_runtime
        self._events = events
        self._server = server

    async def answer(self, context: ServerRequestContext[Any, Any], caller: Caller) -> dict[str, Any]:
        """The structured content of `whoami`."""
        connections, events = await self._events_seen()
        policy = self._guard_runtime.policy(caller)
        allowed, writes = self._allowed(policy), await self._writes(policy)
        fields: dict[str, Any] = {
            "server": self._server,
            "client": _client(context, caller),
            "account": self._account,
            "connection_id": self._defaults.values["connection_id"],
            "from_number": self._defaults.values["from_number"],
            "connections_seen": connections,
            "policy": allowed,
            "writes": writes,
            "grants": await self._grants(caller) or None,
            "events": events | self._pushed(context),
        }
        dry = " Dry run: nothing is sent." if self._settings.dry_run else ""
        summary = f"{count(allowed['tools'], 'tool')} on {self._account}; writes are {writes}.{dry}"
        return {"summary": summary} | {name: value for name, value in fields.items() if value is not None}

    def _pushed(self, context: ServerRequestContext[Any, Any]) -> dict[str, str]:
        """Which events come into the conversation by themselves."""
        if not self._settings.push:
            return {}
        if is_version_at_least(context.protocol_version, NO_PUSH_FROM):
            return {"pushed": f"none: protocol {context.protocol_version} has no way for them; use wait_for_event"}
        return {"pushed": ", ".join(sorted(self._settings.push))}

    @property
    def _account(self) -> str:
        if self._settings.sandbox:
            return "the sandbox, for practice: no real calls"
        return f"the Telnyx account of the operator's API key, at {urlsplit(self._settings.base_url).netloc}"

    def _allowed(self, policy: Policy) -> dict[str, Any]:
        tools = [tool for tool in policy.allowed(TOOLS) if not tool.needs_cards]
        toolsets = {tool.toolset() for tool in tools}
        allowed: dict[str, Any] = {
            "tools": len(tools),
            "toolsets": [name for name in TOOLSETS if name in toolsets],
            "read_only": all(tool.is_read() for tool in tools),
            "dry_run": self._settings.dry_run,
            "asks_a_person": f"{policy.level}",
        }
        if rules := calling_lines(policy.calling):
            allowed["calling"] = [clean(line, _MAX_TEXT_LENGTH) for line in rules]
        if policy.consent.is_required:
            allowed["recording"] = policy.consent.text
        scope = [clean(f"only {kind}", _MAX_TEXT_LENGTH) for kind in policy.scope.kinds if kind.lists]
        return allowed | ({"scope": scope} if scope else {})

    async def _writes(self, policy: Policy) -> str:
        closed = policy.closed(self._events.now())
        if closed is not None:
            return clean(f"closed now: {closed}", _MAX_TEXT_LENGTH)
        try:
            stopped = await self._guard_runtime.ledger.stopped()
        except StoreError:
            return "refused: the store cannot be used"
        if stopped is None:
            return "open"
        return clean(f"stopped by a person{f' ({stopped.reason})' if stopped.reason else ''}", _MAX_TEXT_LENGTH)

    async def _grants(self, caller: Caller) -> list[dict[str, Any]]:
        """What a person has allowed this caller in advance."""
        try:
            grants = await self._guard_runtime.ledger.grants()
        except StoreError:
            return []
        return [grant_view(grant) for grant in grants if grant.identity == caller.identity][:_MAX_GRANTS]

    async def _events_seen(self) -> tuple[list[str], dict[str, Any]]:
        """The connections that recent events name, and how events arrive."""
        try:
            latest = await (await self._events.store()).find(EventFilter(), limit=_EVENTS_SCANNED)
        except (StoreError, CallRefused):
            return [], {"arrive": self._events.describe_ingest()}
        events: dict[str, Any] = {"arrive": self._events.describe_ingest()}
        ids = (event.payload.get("connection_id") for event in latest)
        connections = list(dict.fromkeys(clean(id_, 40) for id_ in ids if isinstance(id_, str)))
        last: Mapping[str, str] = (
            {"last": latest[0].type, "last_at": latest[0].occurred_at.isoformat()} if latest else {}
        )
        return connections[:_MAX_CONNECTIONS], events | last


def _client(context: ServerRequestContext[Any, Any], caller: Caller) -> str:
    params = context.session.client_params
    name = f"{params.client_info.name} {params.client_info.version}" if params is not None else "unknown"
    identity = f", as {caller.identity}" if caller.identity else ""
    return clean(f"{name}, MCP {context.protocol_version}{identity}", 400)
