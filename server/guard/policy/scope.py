"""What a write may touch: conferences, queues, connections, regions, numbers, and where its URLs may point.

Every source's list must hold. What cannot be told while a list wants it is refused. A conference, a queue and a
connection are judged by what Telnyx says of them, not by what the client does.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol, cast

from ....tools.base import EVERYONE, Command, arguments_of
from ....tools.text import quoted
from .rules import ScopeRules
from .url_safety import url_problem

_LEGS = ("call_control_id", "call_control_ids")
"""How the names of arguments end that name call legs."""


@dataclass(frozen=True, slots=True)
class ConferenceFacts:
    """What Telnyx says of a conference. None: it does not say."""

    name: str | None
    connection_id: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class QueuedFacts:
    """What Telnyx says of a call that waits in a queue. None: it does not say."""

    queue: str | None
    """The name of the queue."""
    connection_id: str | None


class ScopeFacts(Protocol):
    """What is true now, asked only when a rule wants it. Each may raise `CallFailed`."""

    async def conference(self, conference_id: str, /) -> ConferenceFacts: ...

    async def conference_named(self, name: str, /) -> ConferenceFacts | None:
        """The open conference with this name; None when there is none."""
        ...

    async def queue(self, queue: str, /) -> str | None:
        """The name of the queue with this name or id."""
        ...

    async def queue_of(self, call_control_id: str, /) -> QueuedFacts | None:
        """The queue in which a call waits; None when it waits in none."""
        ...

    async def connection_of(self, call_control_id: str, /) -> str | None:
        """The connection of a call leg."""
        ...


Matches = Callable[[str, str], bool]


def _is_like(value: str, pattern: str) -> bool:
    return fnmatchcase(value.casefold(), pattern.casefold())


def _is(value: str, entry: str) -> bool:
    return value == entry


def _begins(value: str, prefix: str) -> bool:
    digits = value.removeprefix("+")
    return digits != value and digits.isascii() and digits.isdecimal() and value.startswith(prefix)


@dataclass(frozen=True, slots=True)
class _Within:
    """The lists of one kind, one from each source that has one."""

    kind: str
    """What the entries are, as in "only conferences named"."""
    lists: tuple[Collection[str], ...]
    matches: Matches

    def problem(self, what: str, value: str | None) -> str | None:
        """Why this value lies outside; None when it does not. `what`: its noun."""
        if value is None:
            return f"the {what} cannot be told, and {self.rule}"
        if all(any(self.matches(value, entry) for entry in entries) for entries in self.lists):
            return None
        return f"the {what} is {quoted(value)}, and {self.rule}"

    @property
    def rule(self) -> str:
        """What is allowed, as a clause."""
        return f"this server's policy lets only {self} be touched"

    def __str__(self) -> str:
        return f"{self.kind} {_both(self.lists)}"


def _both(lists: Sequence[Collection[str]]) -> str:
    """What every one of the lists allows, in words."""
    return ", and of those only ".join(" or ".join(entries) or "none" for entries in lists)


class _Touched:
    """What a command touches. A conference is asked for once."""

    def __init__(self, command: Command, facts: ScopeFacts) -> None:
        self.given = arguments_of(command)
        self.command = command
        self.facts = facts
        self._conference: ConferenceFacts | None = None

    async def conference(self) -> ConferenceFacts | None:
        """The conference it names, by id or by name, if there is one."""
        if self._conference is None and "conference_id" in self.given:
            self._conference = await self.facts.conference(self.given["conference_id"])
        elif self._conference is None and "conference_name" in self.given:
            self._conference = await self.facts.conference_named(self.given["conference_name"])
        return self._conference

    @property
    def named(self) -> str | None:
        """The name under which it opens a conference, or joins one that is open under it."""
        return self.given.get("name" if self.opens("/conferences") else "conference_name")

    def opens(self, path: str) -> bool:
        """Whether it makes what the path lists."""
        return self.command.route.path == path

    @property
    def legs(self) -> tuple[str, ...]:
        """The call legs it names, each once."""
        named = [value for name, value in self.given.items() if name.endswith(_LEGS) and value != EVERYONE]
        return tuple(dict.fromkeys(leg for value in named for leg in _each(value)))

    @property
    def waiting(self) -> str | None:
        """The call it names as one that waits in a queue."""
        route = self.command.route
        takes_queue = "queue_name" in type(self.command).model_fields
        is_of_queue = "queue_name" in route.parameters if takes_queue else "queue" in route.path
        return self.given.get("call_control_id") if is_of_queue else None


def _each(value: Any) -> Iterator[str]:
    yield from [value] if isinstance(value, str) else cast("Collection[str]", value)


class PolicyScope:
    """What all the sources together let be touched."""

    def __init__(self, rules: Sequence[ScopeRules]) -> None:
        def within(kind: str, field: str, matches: Matches) -> _Within:
            lists = (cast("Collection[str] | None", getattr(one, field)) for one in rules)
            return _Within(kind, tuple(entries for entries in lists if entries is not None), matches)

        self.conferences = within("conferences named", "conferences", _is_like)
        self.queues = within("queues named", "queues", _is_like)
        self.connections = within("connections", "connections", _is)
        self.regions = within("regions", "regions", _is)
        self.numbers = within("numbers that begin with", "numbers", _begins)
        self.hosts = tuple(one.audio_hosts for one in rules if one.audio_hosts is not None)
        said = {one.audio_http for one in rules}
        self.takes_http = True in said and False not in said
        self._checks = [check for listed, check in _CHECKS if listed is None or getattr(self, listed).lists]

    @property
    def kinds(self) -> tuple[_Within, ...]:
        """What there are lists of."""
        return self.conferences, self.queues, self.connections, self.regions, self.numbers

    @property
    def urls(self) -> str:
        """Which URLs are allowed, in words."""
        scheme = "http and https" if self.takes_http else "https"
        return f"{scheme} URLs on {_both(self.hosts) or 'hosts of the public internet'}"

    async def refusal(self, command: Command, facts: ScopeFacts) -> str | None:
        """Why a write may not touch what it names, as a clause; None when it may. Raises what `facts` raises."""
        if command.is_read():
            return None
        touched = _Touched(command, facts)
        for check in self._checks:
            if (why := await check(self, touched)) is not None:
                return why
        return None


async def _urls(scope: PolicyScope, touched: _Touched) -> str | None:
    for name, value in touched.given.items():
        for url in _each(value) if name.endswith("_url") else ():
            if (problem := url_problem(url, scope.takes_http, scope.hosts)) is not None:
                return f"{name} may not be used: {problem}. This server takes {scope.urls}"
    return None


async def _numbers(scope: PolicyScope, touched: _Touched) -> str | None:
    numbers = touched.command.numbers()
    return _first(scope.numbers.problem("number to call", number) for number in numbers)


async def _regions(scope: PolicyScope, touched: _Touched) -> str | None:
    """By the argument, and by where the conference really is: the one does not stand for the other."""
    asked = touched.given.get("region")
    if asked is None and touched.opens("/conferences"):
        return f"region is missing, and {scope.regions.rule}: give one"
    problem = scope.regions.problem("region", asked) if asked is not None else None
    conference = await touched.conference() if problem is None else None
    if conference is None and "conference_name" in touched.given:  # it is opened where the account is
        return scope.regions.problem("region of this conference", None)
    if conference is None or (conference.region is None and asked is not None):
        return problem
    return scope.regions.problem("region of this conference", conference.region)


async def _conferences(scope: PolicyScope, touched: _Touched) -> str | None:
    if touched.named is not None:
        return scope.conferences.problem("name of this conference", touched.named)
    conference = await touched.conference()
    return scope.conferences.problem("name of this conference", conference.name) if conference else None


_OPEN_QUEUES = ("/queues", "/calls/{call_control_id}/actions/enqueue")
"""They open a queue under the name they are given, if there is none."""


async def _queues(scope: PolicyScope, touched: _Touched) -> str | None:
    name = touched.given.get("queue_name")
    if name is not None:
        is_opened = any(map(touched.opens, _OPEN_QUEUES))
        return scope.queues.problem("name of this queue", name if is_opened else await touched.facts.queue(name))
    if touched.waiting is None:
        return None
    queued = await touched.facts.queue_of(touched.waiting)
    return scope.queues.problem("queue in which this call waits", queued.queue if queued else None)


async def _connections(scope: PolicyScope, touched: _Touched) -> str | None:
    """The one it calls with, the conference's, and that of every call leg it names."""
    if (own := touched.given.get("connection_id")) is not None:
        problem = scope.connections.problem("connection to call with", own)
        if problem is not None:
            return problem
    if (conference := await touched.conference()) is not None:
        problem = scope.connections.problem("connection of this conference", conference.connection_id)
        if problem is not None:
            return problem
    for leg in touched.legs:
        connection = await _connection_of(leg, touched)
        if (problem := scope.connections.problem(f"connection of call {quoted(leg)}", connection)) is not None:
            return problem
    return None


async def _connection_of(leg: str, touched: _Touched) -> str | None:
    # A call that has hung up may keep its place in a queue, and then only the queue knows of it.
    queued = await touched.facts.queue_of(leg) if leg == touched.waiting else None
    if queued is not None and queued.connection_id is not None:
        return queued.connection_id
    return await touched.facts.connection_of(leg)


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


_CHECKS: tuple[tuple[str | None, Callable[[PolicyScope, _Touched], Awaitable[str | None]]], ...] = (
    (None, _urls),
    ("numbers", _numbers),
    ("regions", _regions),
    ("conferences", _conferences),
    ("queues", _queues),
    ("connections", _connections),
)
"""Each with the kind of lists without which it need not be made, in the order in which they are made: what needs
nothing to be asked comes first."""
