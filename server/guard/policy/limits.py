"""How much may be done in a while: which sliding windows a call falls into, and how much of each it takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ....tools.base import Command, Risk, Tool
from .rules import LimitRules, Measures

_MINUTE = 60.0
_HOUR = 3600.0
_WHOLE_ROOM = "{most} whole-room actions{of} an hour"
_SPEECH = "{most} characters of speech{of} an hour"


@dataclass(frozen=True, slots=True)
class Limit:
    """A sliding window, and what one call takes of it."""

    key: str
    """The same for all calls that share the window, whatever the policy allows in it."""
    most: int
    """What all calls together may take within the window."""
    seconds: float
    amount: int
    """What this call takes."""
    what: str
    """The limit in words, such as "20 whole-room actions an hour"."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """Something that is counted over a while."""

    key: str
    most: Callable[[Measures], int | None]
    seconds: float
    amount: Callable[[Tool], int]
    """What a call takes; 0: it does not concern it."""
    what: str
    """`{most}`: how many; `{of}`: of which calls."""


def _is_whole_room(tool: Tool) -> int:
    return int(isinstance(tool, Command) and tool.for_whole_room())


def _characters(tool: Tool) -> int:
    said = getattr(tool, tool.speaks) if isinstance(tool, Command) and tool.speaks else None
    return len(said) if isinstance(said, str) else 0


def _dialled(tool: Tool) -> int:
    return len(tool.numbers()) if isinstance(tool, Command) else 0


_MEASURES = (
    _Measure("calls", lambda one: one.calls_per_minute, _MINUTE, lambda _: 1, "{most} calls{of} a minute"),
    _Measure("whole_room", lambda one: one.whole_room_per_hour, _HOUR, _is_whole_room, _WHOLE_ROOM),
    _Measure("speech", lambda one: one.speech_characters_per_hour, _HOUR, _characters, _SPEECH),
    _Measure("dials", lambda one: one.dials_per_hour, _HOUR, _dialled, "{most} numbers called{of} an hour"),
)


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window that calls of one tool and risk may fall into."""

    key: str
    most: int
    what: str
    measure: _Measure

    def limit(self, tool: Tool) -> Limit | None:
        """What a call takes of it; None: it does not concern the call."""
        amount = self.measure.amount(tool)
        return Limit(self.key, self.most, self.measure.seconds, amount, self.what) if amount else None


class Share(NamedTuple):
    """What one source allows of something."""

    rules: LimitRules
    of: str = ""
    """Whose calls alone are counted, by their proved name; empty: everybody's together."""


def windows(shares: Sequence[Share], tool: type[Tool], risk: Risk) -> tuple[Window, ...]:
    """The windows of a tool at a risk, each once and with the least that any source lets through.

    The limits on all writes and on a risk are no limits on reads; one on a tool is, also when it only reads.
    """
    found: dict[str, Window] = {}
    for rules, of in shares:
        key, whose = (f":of:{of}", f" of {of}") if of else ("", "")
        for suffix, words, measures in _concerning(rules, tool, risk):
            for window in _of(measures, f"{suffix}{key}", f"{words}{whose}"):
                known = found.get(window.key)
                found[window.key] = window if known is None or window.most < known.most else known
    return tuple(found.values())


def most_people(shares: Sequence[Share], tool: type[Tool], risk: Risk) -> int | None:
    """The people that a call may touch; None: any number."""
    return _least(shares, tool, risk, lambda measures: measures.most_people)


def concurrent_calls(shares: Sequence[Share], tool: type[Tool], risk: Risk) -> int | None:
    """The calls that may be up at once when it is done; None: any number."""
    return _least(shares, tool, risk, lambda measures: measures.concurrent_calls)


def _least(shares: Sequence[Share], tool: type[Tool], risk: Risk, of: Callable[[Measures], int | None]) -> int | None:
    said = [of(measures) for share in shares for _, _, measures in _concerning(share.rules, tool, risk)]
    return min((most for most in said if most is not None), default=None)


def _concerning(rules: LimitRules, tool: type[Tool], risk: Risk) -> Iterator[tuple[str, str, Measures]]:
    """What a source says of a tool: the end of the keys, which calls in words, and how much."""
    name = tool.tool_name()
    if not tool.is_read():
        yield "", "", rules
    if str(risk) in rules.risk:
        yield f":risk:{risk}", f" of {risk} risk", rules.risk[str(risk)]
    if name in rules.tool:
        yield f":tool:{name}", f" by {name}", rules.tool[name]


def _of(measures: Measures, suffix: str, words: str) -> Iterator[Window]:
    for measure in _MEASURES:
        if (most := measure.most(measures)) is not None:
            yield Window(f"{measure.key}{suffix}", most, measure.what.format(most=most, of=words), measure)
