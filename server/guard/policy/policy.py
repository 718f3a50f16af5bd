"""What an operator allows, from all that was said: the command line, a file.

The order of precedence, from the first that decides:

1. A tool exists only if every source lets it. Within a source: a toolset that is off, then read-only, then deny, then
   allow, then approval "refuse". So deny beats allow, and what one source takes away no other gives back.
2. A write is sent only while every source's hours are open.
3. It touches only what lies within every source's scope; and whatever they say, no URL points into a private network.
4. A person is asked as the stricter of the sources wants that say anything of the tool (refuse, then ask, then never).
   Within a source, the tool's own entry stands in place of the level. If none says anything, the level is destructive.
5. Every source's limits hold, and of two on the same thing the smaller.

What a source says of an identity is a source of its own for whoever proved that name; its limits count their calls
alone. Whoever proved no right to change something has only the tools that read.

Nothing here looks at what a client sent beside the arguments of the call, so nothing it sends can loosen it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache, lru_cache, partial

from ....tools.base import Command, Risk, Tool
from . import limits as limiting
from .approval_level import ApprovalLevel, ApprovalPolicy, strictest
from .hours import Hours, closed
from .limits import Limit, Share, Window
from .rules import OwnRules, Rules
from .scope import PolicyScope, ScopeFacts

_UNSAID = ApprovalLevel.DESTRUCTIVE
_RISING = (ApprovalLevel.NEVER, ApprovalLevel.DESTRUCTIVE, ApprovalLevel.DISRUPTIVE, ApprovalLevel.ALL)
_REMEMBERED = 256
"""Identities whose policy is kept."""


class Policy:
    """What every one of these sources allows. Without any, every tool exists and the level is destructive."""

    def __init__(self, sources: Sequence[Rules] = (), identity: str | None = None, *, may_control: bool = True) -> None:
        """For everybody, or for an identity. `may_control`: they have proved that they may change something."""
        own = [rules for one in sources for pattern, rules in one.identity.items() if _is_of(identity, pattern)]
        self.sources: tuple[OwnRules, ...] = (*sources, *own)
        self.identities = tuple(dict.fromkeys(pattern for one in sources for pattern in one.identity))
        """The patterns of names of which a source says something."""
        self._may_control = may_control
        self.scope = PolicyScope([source.scope for source in self.sources])
        hours = (source.hours.hours() for source in self.sources)
        self.hours: tuple[Hours, ...] = tuple(one for one in hours if one is not None)
        everyones = [Share(source.limits) for source in sources]
        self._limits = [*everyones, *(Share(rules.limits, identity or "") for rules in own)]
        self._of_identity = lru_cache(_REMEMBERED)(partial(_for_identity, tuple(sources)))
        self._of = cache(self._judged)  # a call asks several times, and nothing of it ever changes
        self._refusal = cache(self._refused)

    def of(self, identity: str | None, *, may_control: bool) -> "Policy":
        """The same for whoever has proved this name."""
        return self if identity is None and may_control else self._of_identity(identity, may_control)

    def refusal(self, tool: type[Tool]) -> str | None:
        """Why a tool does not exist here; None when it does."""
        return self._refusal(tool)

    def _refused(self, tool: type[Tool]) -> str | None:
        if not self._may_control and not tool.is_read():
            return "you may only read here: changing something takes the scope conferences:control"
        found = (why for source in self.sources for refuses, why in _REFUSALS if refuses(source, tool))
        why = next(found, None)
        return why.format(toolset=tool.toolset()) if why else None

    def allowed(self, tools: Iterable[type[Tool]]) -> list[type[Tool]]:
        """Those that exist, in the order given."""
        return [tool for tool in tools if self.refusal(tool) is None]

    def closed(self, now: datetime) -> str | None:
        """Why writes are closed at this moment (with a time zone, any), and when they open next."""
        return closed(self.hours, now)

    async def out_of_scope(self, command: Command, facts: ScopeFacts) -> str | None:
        """Why a command may not touch what it names, as a clause; None when it may. Raises what `facts` raises."""
        return await self.scope.refusal(command, facts)

    def judged(self, tool: Tool) -> "PolicyDecision":
        """What holds for a call with these arguments."""
        return self._of(type(tool), tool.current_risk())

    def approval_at(self, tool: type[Tool], risk: Risk) -> ApprovalPolicy:
        """What a tool needs at a risk. A read never needs anything."""
        return self._of(tool, risk).approval

    @property
    def level(self) -> ApprovalLevel:
        """From which risk on a person is asked about tools that are not named: the strictest that a source says."""
        said = [source.approval.level for source in self.sources if source.approval.level is not None]
        return max(said, key=_RISING.index, default=_UNSAID)

    @property
    def by_another(self) -> bool:
        """Whether a question waits for somebody else than who asks."""
        return any(source.approval.by_another for source in self.sources)

    def _judged(self, tool: type[Tool], risk: Risk) -> "PolicyDecision":
        return PolicyDecision(
            self._needed(tool, risk),
            limiting.windows(self._limits, tool, risk),
            limiting.most_people(self._limits, tool, risk),
            limiting.concurrent_calls(self._limits, tool, risk),
        )

    def _needed(self, tool: type[Tool], risk: Risk) -> ApprovalPolicy:
        if tool.is_read():
            return ApprovalPolicy.NEVER
        says = (source.approval.says(tool.tool_name()) for source in self.sources)
        said = [word for word in says if word is not None] or [_UNSAID]
        return strictest(_at(risk, word) for word in said)


def _for_identity(sources: Sequence[Rules], identity: str | None, may_control: bool) -> Policy:
    return Policy(sources, identity, may_control=may_control)


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What holds for a tool at a risk."""

    approval: ApprovalPolicy
    """What a call needs before it is sent."""
    windows: tuple[Window, ...]
    most_people: int | None
    """How many people a call may touch; None: any number."""
    concurrent_calls: int | None
    """How many calls may be up at once when a call that dials is done; None: any number."""

    def limits(self, tool: Tool) -> tuple[Limit, ...]:
        """The sliding windows that a call falls into."""
        return tuple(limit for window in self.windows if (limit := window.limit(tool)))


def _at(risk: Risk, word: ApprovalPolicy | ApprovalLevel) -> ApprovalPolicy:
    if isinstance(word, ApprovalPolicy):
        return word
    return ApprovalPolicy.ASK if word.asks(risk) else ApprovalPolicy.NEVER


def _is_of(identity: str | None, pattern: str) -> bool:
    return identity is not None and fnmatchcase(identity, pattern)


def _is_off(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.tools.toolsets is not None and tool.toolset() not in rules.tools.toolsets


def _is_not_a_read(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.tools.read_only and not tool.is_read()


def _is_denied(rules: OwnRules, tool: type[Tool]) -> bool:
    return _is_named(rules.tools.deny, tool)


def _is_not_allowed(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.tools.allow is not None and not _is_named(rules.tools.allow, tool)


def _is_refused(rules: OwnRules, tool: type[Tool]) -> bool:
    return rules.approval.says(tool.tool_name()) is ApprovalPolicy.REFUSE


def _is_named(patterns: Iterable[str], tool: type[Tool]) -> bool:
    return any(fnmatchcase(tool.tool_name(), pattern) for pattern in patterns)


_REFUSALS: tuple[tuple[Callable[[OwnRules, type[Tool]], bool], str], ...] = (
    (_is_off, "toolset {toolset} is switched off on this server"),
    (_is_not_a_read, "this server is read-only"),
    (_is_denied, "it is denied by this server's policy"),
    (_is_not_allowed, "it is not among the tools this server's policy allows"),
    (_is_refused, "it is always refused by this server's policy"),
)
"""Why a source does not let a tool exist, and how it is said."""
