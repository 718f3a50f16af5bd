"""Builds the guard of a server from its settings, policy file, store and Telnyx client."""

import logging
from collections.abc import Callable

import anyio
from pydantic import ValidationError

from ..events.service import EventService
from ..guard import Approvals, AuditWriter, Caller, Gate, Guard, Ledger, Policy
from ..guard.policy import PolicyError, PolicySource, Rules
from ..settings import Settings, SettingsError
from ..telnyx import TelnyxClient
from .approval_help import approval_help, operator_address
from .call_watch import CallWatch
from .live_state import TelnyxLiveState
from .policy_facts import TelnyxScopeFacts
from .recording_consent import RecordingConsent

logger = logging.getLogger(__name__)

_POLICY_CHECK_INTERVAL_S = 1.0
"""How often the policy file is checked to notify clients of changed tools. Every call checks it too."""

_LIMITS = ("calls_per_minute", "most_people", "dials_per_hour", "concurrent_calls")
"""The limits on all writes that have a flag."""


class GuardRuntime:
    """The guard of one server, and its policy file."""

    def __init__(
        self, settings: Settings, telnyx: TelnyxClient, events: EventService, database: str | None = None
    ) -> None:
        """`database`: the URL of the store; None: the user's own. Raises `SettingsError`."""
        self._source = policy_source(settings)
        self._reported_problem = ""
        self._on_change: list[Callable[[], None]] = []
        self.page: str | None = operator_address(settings) if _has_page_at_http_port(settings) else None
        """The address of the operator page, without a secret; None: there is none."""

        self.ledger = Ledger(events.connection.database, settings.approval_ttl)
        live = TelnyxLiveState(telnyx.read, events, self.ledger)
        audit_writer = AuditWriter(self.ledger)
        self.consent = RecordingConsent(telnyx, events, self.ledger, live, self.policy, flush=audit_writer.flush)
        gate = Gate(
            self.policy,
            self.ledger,
            Approvals(self.ledger, approval_help(settings, database, lambda: self.page)),
            TelnyxScopeFacts(telnyx.read, events),
            live=live,
            consent=self.consent,
            newest_event=lambda: events.connection.newest,
        )
        self.call_watch = CallWatch(events, self.ledger, self.policy, None if settings.dry_run else self.consent)
        self.on_change(self.call_watch.review_all)
        self.guard = Guard(self.policy, gate, self.ledger, audit_writer, settings.dry_run, settings.audit_content)

    def policy(self, caller: Caller | None = None) -> Policy:
        """The current policy for a caller; None for one without an authenticated name."""
        if self._source.refresh():
            logger.warning("The policy file was edited and is in force now")
            for listener in self._on_change:
                listener()
        if self._source.problem != self._reported_problem:
            self._reported_problem = self._source.problem
            if self._reported_problem:
                logger.error(
                    "The policy file was edited and cannot be used; the previous policy stays in force: %s",
                    self._reported_problem,
                )
        policy = self._source.policy
        return policy if caller is None else policy.of(caller.identity, may_control=caller.may_control)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener when the policy changes."""
        self._on_change.append(listener)

    async def watch(self) -> None:
        """Check the policy file regularly, until cancelled."""
        while True:
            self.policy()
            await anyio.sleep(_POLICY_CHECK_INTERVAL_S)


def _has_page_at_http_port(settings: Settings) -> bool:
    return settings.operator_page is not None and settings.transport == "http"


def policy_source(settings: Settings) -> PolicySource:
    """The policy of a server's flags and its policy file. Raises `SettingsError`."""
    try:
        return PolicySource(settings.policy, policy_from_flags(settings))
    except PolicyError as problem:
        raise SettingsError(f"--policy: {problem}") from None


def policy_from_flags(settings: Settings) -> Rules:
    """The rules given by flags. Raises `SettingsError`."""
    tools = {"toolsets": settings.toolsets or frozenset({"default"}), "allow": settings.allow, "deny": settings.deny}
    limits = {name: getattr(settings, name) for name in _LIMITS}
    rules = {
        "tools": {name: sorted(value) for name, value in tools.items() if value is not None}
        | {"read_only": settings.read_only},
        "limits": {name: value for name, value in limits.items() if value is not None},
        "approval": {} if settings.approval is None else {"level": settings.approval},
    }
    try:
        return Rules.model_validate(rules)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        sentences = (
            f"--{str(error['loc'][1]).replace('_', '-')}: {error['msg'].removeprefix('Value error, ')}."
            for error in errors
        )
        raise SettingsError(" ".join(sentences)) from None
