"""Joins the guard of one server from its parts: settings, policy file, store, and what is known of the line."""

import logging
from collections.abc import Callable

import anyio
from pydantic import ValidationError

from ..events.service import EventService
from ..guard import Approvals, AuditWriter, Caller, Gate, Guard, Ledger, Policy
from ..guard.policy import PolicyError, PolicySource, Rules
from ..settings import Settings, SettingsError
from ..telnyx import TelnyxClient
from .approval_help import approval_help
from .policy_facts import TelnyxScopeFacts

logger = logging.getLogger(__name__)

_LOOK_EVERY = 1.0
"""Seconds between looks at the policy file, so that clients hear of tools that come and go. A call looks itself."""


_LIMITS = ("calls_per_minute", "most_people", "dials_per_hour", "concurrent_calls")
"""Those of all writes that have a flag."""


class GuardRuntime:
    """The guard of one server, and the policy file that it goes by."""

    def __init__(
        self, settings: Settings, telnyx: TelnyxClient, events: EventService, database: str | None = None
    ) -> None:
        """`database`: the URL of the store; None: the user's own. Raises `SettingsError`."""
        self._source = source_of(settings)
        self._said = ""
        self._on_change: list[Callable[[], None]] = []

        self.ledger = Ledger(events.database, settings.approval_ttl)
        scope = TelnyxScopeFacts(telnyx.read, events)
        gate = Gate(
            self.policy,
            self.ledger,
            Approvals(self.ledger, approval_help(settings, database)),
            scope,
            about_call=scope.call,
            newest_event=lambda: events.newest,
        )
        recorder = AuditWriter(self.ledger)
        self.guard = Guard(self.policy, gate, self.ledger, recorder, settings.dry_run, settings.audit_content)

    def policy(self, caller: Caller | None = None) -> Policy:
        """The policy that holds at the moment, for a caller; None: for whoever proved nothing."""
        if self._source.refresh():
            logger.warning("The policy file was edited: it holds from now on")
            for told in self._on_change:
                told()
        if self._source.problem != self._said:
            self._said = self._source.problem
            if self._said:
                logger.error(
                    "The policy file was edited and cannot be used, the policy before it stays: %s", self._said
                )
        policy = self._source.policy
        return policy if caller is None else policy.of(caller.identity, may_control=caller.may_control)

    def on_change(self, told: Callable[[], None]) -> None:
        """Be told when another policy holds."""
        self._on_change.append(told)

    async def watch(self) -> None:
        """Look at the policy file now and then, until cancelled."""
        while True:
            self.policy()
            await anyio.sleep(_LOOK_EVERY)


def source_of(settings: Settings) -> PolicySource:
    """The policy of a server's settings: its flags, and its file, which is read now. Raises `SettingsError`."""
    try:
        return PolicySource(settings.policy, flags_of(settings))
    except PolicyError as problem:
        raise SettingsError(f"--policy: {problem}") from None


def flags_of(settings: Settings) -> Rules:
    """What the command line says of what is allowed. Raises `SettingsError`."""
    tools = {"toolsets": settings.toolsets, "allow": settings.allow, "deny": settings.deny}
    limits = {name: getattr(settings, name) for name in _LIMITS}
    given = {
        "tools": {name: sorted(value) for name, value in tools.items() if value is not None}
        | {"read_only": settings.read_only},
        "limits": {name: value for name, value in limits.items() if value is not None},
        "approval": {} if settings.approval is None else {"level": settings.approval},
    }
    try:
        return Rules.model_validate(given)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        said = (
            f"--{str(error['loc'][1]).replace('_', '-')}: {error['msg'].removeprefix('Value error, ')}."
            for error in errors
        )
        raise SettingsError(" ".join(said)) from None
