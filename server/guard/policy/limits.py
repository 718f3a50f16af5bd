"""Rate limits: which sliding windows a call counts in, and how much it uses of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ....tools.base import Command, Risk, Tool
from ....tools.text import count
from .rules import LimitRules, Measures

_MINUTE = 60.0
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A sliding window, and how much one call uses of it."""

    key: str
    """Identifies the window; the same for all calls that share it."""
    most: int
    """How much all calls together may use within the window."""
    seconds: float
    amount: int
    """How much this call uses."""
    text: str
    """The limit in words, such as "20 whole-room actions an hour"."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """A quantity that is counted over time."""

    key: str
    most: Callable[[Measures], int | None]
    seconds: float
    amount: Callable[[Tool], int]
    """How much a call uses; 0 when the measure does not apply."""
    noun: str
    """What is counted, in the singular."""
    text: str
    """`{limit}` is the number with the noun, `{of}` says which calls."""


def _is_whole_room(tool: Tool) -> int:
    return int(isinstance(tool, Command) and tool.affects_whole_room())


def _characters(tool: Tool) -> int:
    text = getattr(tool, tool.speaks) if isinstance(tool, Command) and tool.speaks else None
    return len(text) if isinstance(text, str) else 0


def _dialled(tool: Tool) -> int:
    return len(tool.numbers()) if isinstance(tool, Command) else 0


_HOURLY = "{limit}{of} an hour"
_ROOMS = _Measure(
    "whole_room",
    lambda measures: measures.whole_room_per_hour,
    _HOUR,
    _is_whole_room,
    "whole-room action",
    _HOURLY,
)
_MEASURES = (
    _Measure("calls", lambda measures: measures.calls_per_minute, _MINUTE, lambda _: 1, "call", "{limit}{of} a minute"),
    _ROOMS,
    _Measure(
        "speech",
        lambda measures: measures.speech_characters_per_hour,
        _HOUR,
        _characters,
        "character",
        "{limit} of speech{of} an hour",
    ),
    _Measure(
        "dials", lambda measures: measures.dials_per_hour, _HOUR, _dialled, "number", "{limit} called{of} an hour"
    ),
)


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window that applies to a tool at a risk."""

    key: str
    most: int
    text: str
    measure: _Measure

    def limit(self, tool: Tool, *, ends_room: bool = False) -> Limit | None:
        """The limit for a call; None when the window does not apply to it. `ends_room`: the call ends a conference."""
        amount = self.measure.amount(tool) or int(ends_room and self.measure is _ROOMS)
        return Limit(self.key, self.most, self.measure.seconds, amount, self.text) if amount else None


class Share(NamedTuple):
    """The limits of one source."""

    rules: LimitRules
    of: str = ""
    """The authenticated name whose calls are counted; empty to count all callers together."""


def limit_windows(shares: Sequence[Share], tool: type[Tool], risk: Risk) -> tuple[Window, ...]:
    """The windows of a tool at a risk, each with the smallest limit of all sources.

    Limits on all writes and on a risk do not apply to reads. A limit on a tool applies also when it reads.
    """
    windows: dict[str, Window] = {}
    for rules, of in shares:
        key, owner = (f":of:{of}", f" of {of}") if of else ("", "")
        for suffix, words, measures in _applicable(rules, tool, risk):
            for window in _windows_of(measures, f"{suffix}{key}", f"{words}{owner}"):
                earlier = windows.get(window.key)
                windows[window.key] = window if earlier is None or window.most < earlier.most else earlier
    return tuple(windows.values())


def most_people(shares: Sequence[Share], tool: type[Tool], risk: Risk) -> int | None:
    """How many people a call may affect; None for no limit."""
    return _smallest(shares, tool, risk, lambda measures: measures.most_people)


def concurrent_calls(shares: Sequence[Share], tool: type[Tool], risk: Risk) -> int | None:
    """How many calls may be up at once; None for no limit."""
    return _smallest(shares, tool, risk, lambda measures: measures.concurrent_calls)


def _smallest(
    shares: Sequence[Share], tool: type[Tool], risk: Risk, of: Callable[[Measures], int | None]
) -> int | None:
    limits = [of(measures) for share in shares for _, _, measures in _applicable(share.rules, tool, risk)]
    return min((limit for limit in limits if limit is not None), default=None)


def _applicable(rules: LimitRules, tool: type[Tool], risk: Risk) -> Iterator[tuple[str, str, Measures]]:
    """The measures of a source for a tool: key suffix, description, measures."""
    name = tool.tool_name()
    if not tool.is_read():
        yield "", "", rules
    if str(risk) in rules.risk:
        yield f":risk:{risk}", f" of {risk} risk", rules.risk[str(risk)]
    if name in rules.tool:
        yield f":tool:{name}", f" by {name}", rules.tool[name]


def _windows_of(measures: Measures, suffix: str, words: str) -> Iterator[Window]:
    for measure in _MEASURES:
        if (most := measure.most(measures)) is not None:
            text = measure.text.format(limit=count(most, measure.noun), of=words)
            yield Window(f"{measure.key}{suffix}", most, text, measure)
