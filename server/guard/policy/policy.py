"""The policy of an operator, merged from the command line and a file.

The order of precedence, from the first that decides:

1. A tool exists only if every source allows it. Within a source: toolset off, then read-only, then deny, then allow,
   then approval "refuse". So deny beats allow, and no source can restore what another removes.
2. A write is sent only while the hours of every source are open.
3. A write touches only what is within the scope of every source. No URL may ever point into a private network.
4. The strictest source that mentions the tool decides whether a person is asked (refuse, then ask_each, then ask, then
   never). Within a source, the tool's own entry replaces the level. If no source sets one, the level is destructive.
5. The limits of every source hold; of two limits on the same thing, the smaller holds.
6. A number is called only if the calling rules of every source allow it. Where every source allows that, a person may
   override a rule for one call.

The rules of a source for an identity are a source of their own for callers with that authenticated name; their limits
count only the calls of that name. A caller without the scope conferences:control has only the tools that read.

The policy looks only at the arguments of a call, so a client cannot loosen it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache, lru_cache, partial

from ....tools import in_toolsets
from ....tools.base import ApprovalLevel, Command, Risk, Tool
from . import limits as limiting
from .approval_level import ApprovalPolicy, strictest
from .calling import BrokenRule, CallingPolicy
from .consent import ConsentPolicy
from .hours import Hours, closed
from .limits import Limit, Share, Window
from .patterns import is_like
from .rules import OwnRules, Rules
from .scope import PolicyScope
from .targets import CallPlaces, ScopeFacts

_DEFAULT_LEVEL = ApprovalLevel.DESTRUCTIVE
_LEVELS_BY_STRICTNESS = (ApprovalLevel.NEVER, ApprovalLevel.DESTRUCTIVE, ApprovalLevel.DISRUPTIVE, ApprovalLevel.ALL)
_CACHED_IDENTITIES = 256


class Policy:
    """What all sources allow together. Without sources, every tool exists and the level is destructive."""

    def __init__(self, sources: Sequence[Rules] = (), identity: str | None = None, *, may_control: bool = True) -> None:
        """The policy for all callers, or for one identity. `may_control`: the caller may use tools that write."""
        own = [
            rules for source in sources for pattern, rules in source.identity.items() if _is_identity(identity, pattern)
        ]
        self.sources: tuple[OwnRules, ...] = (*sources, *own)
        self.identities = tuple(dict.fromkeys(pattern for source in sources for pattern in source.identity))
        """The identity patterns that have rules of their own."""
        self.alerts = tuple(alert for source in sources for alert in source.alerts)
        self._may_control = may_control
        self.scope = PolicyScope([source.scope for source in self.sources])
        self.calling = CallingPolicy([source.calling for source in self.sources])
        self.consent = ConsentPolicy.of([source.recording for source in sources])
        calling = [rules.calling for source in sources for rules in (source, *source.identity.values())]
        self.optout_digits = frozenset(rules.optout_digit for rules in calling if rules.optout_digit is not None)
        """The keys with which a person on a call opts out: it is not known whose call it is."""
        hours = (source.hours.hours() for source in self.sources)
        self.hours: tuple[Hours, ...] = tuple(item for item in hours if item is not None)
        everyones = [Share(source.limits) for source in sources]
        self._limits = [*everyones, *(Share(rules.limits, identity or "") for rules in own)]
        self._of_identity = lru_cache(_CACHED_IDENTITIES)(partial(_for_identity, tuple(sources)))
        self._decision = cache(self._decide)  # a call asks several times, and a decision never changes
        self._refusal = cache(self._find_refusal)

    def of(self, identity: str | None, *, may_control: bool) -> "Policy":
        """The policy for a caller with this authenticated name."""
        return self if identity is None and may_control else self._of_identity(identity, may_control)

    def refusal(self, tool: type[Tool]) -> str | None:
        """Why a tool does not exist here; None when it does."""
        return self._refusal(tool)

    def _find_refusal(self, tool: type[Tool]) -> str | None:
        if not self._may_control and not tool.is_read():
            return "your token may only read: changing anything needs the scope conferences:control"
        reasons = (why for source in self.sources for refuses, why in _REFUSALS if refuses(source, tool))
        why = next(reasons, None)
        return why.format(toolset=tool.toolset()) if why else None

    def allowed(self, tools: Iterable[type[Tool]]) -> list[type[Tool]]:
        """The tools that exist, in the order given."""
        return [tool for tool in tools if self.refusal(tool) is None]

    def closed(self, now: datetime) -> str | None:
        """Why writes are closed at this moment (timezone-aware), and when they open next; None when they are open."""
        return closed(self.hours, now)

    async def out_of_scope(self, command: Command, facts: ScopeFacts, places: CallPlaces) -> str | None:
        """Why a command may not touch what it names, as a clause; None when it may.

        Raises what `facts` and `places` raise.
        """
        return await self.scope.refusal(command, facts, places)

    def decide(self, tool: Tool, risk: Risk | None = None) -> "PolicyDecision":
        """The decision for a call at a risk; None for the risk of the call without its effects."""
        return self._decision(type(tool), tool.current_risk() if risk is None else risk)

    def may_expose(self) -> bool:
        """Whether a read may hand out download links: not on a read-only server or to a caller who may only read."""
        return self._may_control and not any(source.tools.read_only for source in self.sources)

    def approval_at(self, tool: type[Tool], risk: Risk) -> ApprovalPolicy:
        """The approval that a tool needs at a risk. A read needs none."""
        return self._decision(tool, risk).approval

    @property
    def level(self) -> ApprovalLevel:
        """The strictest approval level of all sources, for tools without an entry of their own."""
        levels = [source.approval.level for source in self.sources if source.approval.level is not None]
        return max(levels, key=_LEVELS_BY_STRICTNESS.index, default=_DEFAULT_LEVEL)

    @property
    def by_another(self) -> bool:
        """Whether another person than the caller must answer a question."""
        return any(source.approval.by_another for source in self.sources)

    def _decide(self, tool: type[Tool], risk: Risk) -> "PolicyDecision":
        return PolicyDecision(
            self._approval_needed(tool, risk),
            limiting.limit_windows(self._limits, tool, risk),
            limiting.most_people(self._limits, tool, risk),
            limiting.concurrent_calls(self._limits, tool, risk),
        )

    def _approval_needed(self, tool: type[Tool], risk: Risk) -> ApprovalPolicy:
        if tool.always_asks:
            return ApprovalPolicy.ASK_EACH
        if risk is Risk.READ or not issubclass(tool, Command):
            return ApprovalPolicy.NEVER
        rules = (source.approval.for_tool(tool.tool_name()) for source in self.sources)
        return strictest(_at(risk, rule) for rule in [rule for rule in rules if rule is not None] or [_DEFAULT_LEVEL])


def _for_identity(sources: Sequence[Rules], identity: str | None, may_control: bool) -> Policy:
    return Policy(sources, identity, may_control=may_control)


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What the policy says about a tool at a risk."""

    approval: ApprovalPolicy
    """The approval that a call needs before it is sent."""
    windows: tuple[Window, ...]
    most_people: int | None
    """How many people a call may affect; None for no limit."""
    concurrent_calls: int | None
    """How many calls may be up at once after a call that dials; None for no limit."""
    attempts: tuple[Limit, ...] = ()
    """The limits on attempts to call the numbers of this call."""
    broken_rules: tuple[BrokenRule, ...] = ()
    """Calling rules that a person must override before the call is sent."""

    def limits(self, tool: Tool, *, ends_room: bool = False) -> tuple[Limit, ...]:
        """The rate limits of a call. `ends_room`: it ends a conference, which concerns everyone in it."""
        limits = (window.limit(tool, ends_room=ends_room) for window in self.windows)
        return *(limit for limit in limits if limit is not None), *self.attempts


def _at(risk: Risk, rule: ApprovalPolicy | ApprovalLevel) -> ApprovalPolicy:
    if isinstance(rule, ApprovalPolicy):
        return rule
    return ApprovalPolicy.ASK if rule.asks(risk) else ApprovalPolicy.NEVER


def _is_identity(identity: str | None, pattern: str) -> bool:
    return identity is not None and is_like(identity, pattern)


def _is_off(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.tools.toolsets is not None and not in_toolsets(tool, rules.tools.toolsets)


def _is_not_a_read(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.tools.read_only and not tool.is_read()


def _is_denied(rules: OwnRules, tool: type[Tool]) -> bool:
    return _is_named(rules.tools.deny, tool)


def _is_not_allowed(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.tools.allow is not None and not _is_named(rules.tools.allow, tool)


def _is_refused(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.approval.for_tool(tool.tool_name()) is ApprovalPolicy.REFUSE


def _is_named(patterns: Iterable[str], tool: type[Tool]) -> bool:
    return any(fnmatchcase(tool.tool_name(), pattern) for pattern in patterns)


_REFUSALS: tuple[tuple[Callable[[OwnRules, type[Tool]], bool], str], ...] = (
    (_is_off, "toolset {toolset} is switched off on this server"),
    (_is_not_a_read, "this server is read-only"),
    (_is_denied, "it is denied by this server's policy"),
    (_is_not_allowed, "it is not among the tools this server's policy allows"),
    (_is_refused, "it is always refused by this server's policy"),
)
"""The reasons for which a source removes a tool, in order of precedence."""
