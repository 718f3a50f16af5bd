"""Explains a policy in plain words, and warns about likely mistakes."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from ....tools import TOOLS
from ....tools.base import ApprovalLevel, ByArgument, Tool
from ....tools.text import count
from ..effects import ARGUMENT_RULES, STATE_RULES
from .approval_level import ApprovalPolicy
from .calling import CallingPolicy
from .field_types import matching
from .hours import Window
from .policy import Policy
from .rules import LimitRules, Measures, OwnRules

_NAMES = {
    "calls_per_minute": "calls a minute",
    "whole_room_per_hour": "whole-room actions an hour",
    "speech_characters_per_hour": "characters of speech an hour",
    "most_people": "people affected by one call",
    "dials_per_hour": "numbers called an hour",
    "concurrent_calls": "calls up at once on a connection",
}
"""The words that follow a measure's number."""


def explain_policy(policy: Policy, tools: Sequence[type[Tool]] = TOOLS) -> str:
    """Which tools exist, who is asked, what may be touched, how much and when; then warnings, one a line."""
    sections = policy_sections(policy, tools)
    return "\n\n".join(
        "\n".join([title, *(f"  {line}" for line in lines or ["none"])]) for title, lines in sections.items()
    )


def policy_sections(policy: Policy, tools: Sequence[type[Tool]] = TOOLS) -> dict[str, list[str]]:
    """The explanation as lines by heading."""
    sections = _sections_of(policy, tools)
    if policy.alerts:
        sections["Alerts"] = [f"{alert.name}: {alert.in_words()}" for alert in policy.alerts]
    own_policies = {pattern: policy.of(pattern, may_control=True) for pattern in policy.identities}
    if own_policies:
        lines = (
            f"{name}: {line}"
            for name, own_policy in own_policies.items()
            for line in _differences(sections, own_policy, tools)
        )
        sections["Identities"] = list(lines)
    sections["Warnings"] = list(warnings(policy, tools))
    for name, own_policy in own_policies.items():
        also = (f"{name}: {line}" for line in warnings(own_policy, tools))
        sections["Warnings"] += [line for line in also if line.removeprefix(f"{name}: ") not in sections["Warnings"]]
    return sections


def _sections_of(policy: Policy, tools: Sequence[type[Tool]]) -> dict[str, list[str]]:
    return {
        "Tools": list(_tools(policy, tools)),
        "Effects that a person is asked about": list(_effects(policy)),
        "Scope of writes": list(_scope(policy)),
        "Limits": [line for rules in policy.sources for line in _limits(rules.limits)],
        "Hours of writes": [str(window) for window in policy.hours],
        "Calling rules": calling_lines(policy.calling),
        "Recording": [policy.consent.text],
    }


def _differences(general: dict[str, list[str]], own_policy: Policy, tools: Sequence[type[Tool]]) -> Iterator[str]:
    """The lines that hold for an identity and not in general."""
    for title, lines in _sections_of(own_policy, tools).items():
        yield from (line for line in lines if line not in general[title])


def _tools(policy: Policy, tools: Sequence[type[Tool]]) -> Iterator[str]:
    allowed = policy.allowed(tools)
    yield f"{len(allowed)} of {len(tools)} are available"
    groups: dict[str, list[str]] = {}
    for tool in tools:
        why = policy.refusal(tool)
        title = f"not available ({why.removeprefix('it is ')})" if why else _approval_title(policy, tool)
        groups.setdefault(title, []).append(tool.tool_name())
    yield from (f"{title}: {', '.join(groups[title])}" for title in sorted(groups, key=_title_order))
    if policy.by_another:
        yield "the caller is not asked: another person answers, outside the conversation"


def _effects(policy: Policy) -> Iterator[str]:
    """The effects that a person is asked about, in tools without an entry of their own."""
    by_arguments = ((rule.effect.risk, rule.arguments, f"it {rule.effect.reason}") for rule in ARGUMENT_RULES)
    by_state = ((risk, effect, f"by {calls}") for effect, (risk, calls) in STATE_RULES.items())
    effects = ((name, why) for risk, name, why in (*by_arguments, *by_state) if policy.level.asks(risk))
    yield from (f"{name}: {why}" for name, why in effects)


_ORDER = ("reads", "nobody is asked", "a person is asked with", "a person is asked")


def _title_order(title: str) -> int:
    return next((place for place, start in enumerate(_ORDER) if title.startswith(start)), len(_ORDER))


def _approval_title(policy: Policy, tool: type[Tool]) -> str:
    if tool.is_read():
        return "reads"
    risk = tool.risk
    if not isinstance(risk, ByArgument):
        return _TITLES[policy.approval_at(tool, risk)]
    approvals = {value: policy.approval_at(tool, at) for value, at in risk.values.items()}
    otherwise = policy.approval_at(tool, risk.otherwise)
    if set(approvals.values()) == {otherwise}:
        return _TITLES[otherwise]
    values = " or ".join(str(value).lower() for value, approval in approvals.items() if approval.asks)
    return f"a person is asked with {risk.argument} {values}"


_TITLES = {
    ApprovalPolicy.NEVER: "nobody is asked",
    ApprovalPolicy.ASK: "a person is asked",
    ApprovalPolicy.ASK_EACH: "a person is asked each time",
    ApprovalPolicy.REFUSE: "refused",
}


def _scope(policy: Policy) -> Iterator[str]:
    scope = policy.scope
    for within in scope.kinds:
        if within.lists:
            yield f"only {within}"
    yield f"audio: {scope.urls}"


def calling_lines(calling: CallingPolicy) -> list[str]:
    """The calling rules, one a line."""
    lines: list[str] = []
    for rules in calling.rules:
        if rules.countries is not None:
            lines.append(f"calls go only to {', '.join(rules.countries) or 'no country'}")
        if rules.open is not None:
            lines.append(f"calls only {' and '.join(rules.open) or 'never'}, in the time zone of the number")
        if rules.attempts_per_day is not None:
            lines.append(f"a number is called at most {count(rules.attempts_per_day, 'time')} in 24 hours")
        if rules.optout_file is not None:
            lines.append("no number in the operator's opt-out file is called")
        if rules.optout_digit is not None:
            lines.append(f"key {rules.optout_digit} on a call opts out of calls")
        if rules.exempt:
            lines.append(f"not for {', '.join(rules.exempt)}")
        lines.append(f"a person may override: {', '.join(rules.override) or 'nothing'}")
    return lines


def _limits(rules: LimitRules) -> Iterator[str]:
    for place, measures in _measures(rules):
        for field, words in _NAMES.items():
            if (most := getattr(measures, field)) is not None:
                yield f"{place}: at most {most} {words}"


def _measures(rules: LimitRules) -> Iterator[tuple[str, Measures]]:
    yield "all writes", rules
    yield from ((f"{risk} risk", measures) for risk, measures in rules.risk.items())
    yield from rules.tool.items()


def warnings(policy: Policy, tools: Iterable[type[Tool]] = TOOLS) -> Iterator[str]:
    """Likely mistakes in a policy, one sentence each."""
    tools_by_name = {tool.tool_name(): tool for tool in tools}
    if not policy.allowed(tools_by_name.values()):
        yield "No tool exists on this server."
    for rules in policy.sources:
        yield from _tool_warnings(policy, rules)
        yield from _scope_warnings(rules)
        yield from _limit_warnings(policy, rules, tools_by_name)
        yield from _hours_warnings(rules)
        yield from _calling_warnings(rules)
        yield from _approval_warnings(policy, rules, tools_by_name)


def _tool_warnings(policy: Policy, rules: OwnRules) -> Iterator[str]:
    denied = {name for source in policy.sources for pattern in source.tools.deny for name in matching(pattern)}
    for pattern in rules.tools.allow or ():
        if denied.issuperset(matching(pattern)):
            yield f"tools.allow names {pattern}, and tools.deny takes it away: deny wins."


def _scope_warnings(rules: OwnRules) -> Iterator[str]:
    for field, entries in rules.scope:
        if isinstance(entries, Collection) and not entries:
            yield f"scope.{field} is empty: it allows nothing."
    if rules.scope.audio_http:
        yield "scope.audio_http is true: audio fetched over http can be changed on its way."


def _limit_warnings(policy: Policy, rules: OwnRules, tools_by_name: dict[str, type[Tool]]) -> Iterator[str]:
    for place, measures in _measures(rules.limits):
        for field, words in _NAMES.items():
            if getattr(measures, field) == 0:
                yield f"The limit of {words} for {place} is 0: such calls are never sent."
    yield from (f"limits.tool.{name}: {why}" for name, why in _absent(policy, rules.limits.tool, tools_by_name))


def _hours_warnings(rules: OwnRules) -> Iterator[str]:
    if rules.hours.open is not None and not rules.hours.open:
        yield "hours.open is empty: writes are never open."
    for text in rules.hours.open or ():
        if Window.parse(text).never_opens:
            yield f"The window {text} ends when it begins and never opens; a whole day is 00:00-24:00."


def _calling_warnings(rules: OwnRules) -> Iterator[str]:
    calling = rules.calling
    if calling.open is not None and not calling.open:
        yield "calling.open is empty: nobody is called."
    if calling.countries is not None and not calling.countries:
        yield "calling.countries is empty: nobody is called."
    if calling.attempts_per_day == 0:
        yield "calling.attempts_per_day is 0: nobody is called."
    if calling.optout_file is not None and not Path(calling.optout_file).is_file():
        yield f"calling.optout_file names {calling.optout_file}, which is not there: nobody is called without it."
    if "optout" in calling.override:
        yield "calling.override names optout: a person may have people called who asked not to be."


def _approval_warnings(policy: Policy, rules: OwnRules, tools_by_name: dict[str, type[Tool]]) -> Iterator[str]:
    if rules.approval.level is ApprovalLevel.NEVER:
        yield "approval.level is never: actions that cannot be undone run without asking a person."
    with_approval = [name for name, approval in rules.approval.tool.items() if approval is not ApprovalPolicy.REFUSE]
    yield from (f"approval.tool.{name}: {why}" for name, why in _absent(policy, with_approval, tools_by_name))


def _absent(policy: Policy, names: Iterable[str], tools_by_name: dict[str, type[Tool]]) -> Iterator[tuple[str, str]]:
    """The names that are not tools of this server, each with the reason."""
    for name in names:
        why = (
            policy.refusal(tools_by_name[name]) if name in tools_by_name else "it is not among the tools of this server"
        )
        if why is not None:
            yield name, f"this tool does not exist here, because {why}."
