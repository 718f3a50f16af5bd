"""The scope of writes: conferences, queues, connections, regions, numbers, and hosts of URLs.

The list of every source must hold. If a list exists and the fact it needs is not known, the write is refused. A
conference is checked both where a command sends a call and where the call is now.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from html import unescape
from typing import Any, Protocol, cast

from ....tools.base import EVERYONE, Command, arguments_of
from ....tools.participants import JoinConference
from ....tools.text import clean, quoted
from ..place import Place, PlaceKind
from ..situation import QueueState, Waiting
from .rules import ScopeRules
from .url_safety import url_problem

_LEGS = ("call_control_id", "call_control_ids")
"""How the names of arguments end that name call legs."""


@dataclass(frozen=True, slots=True)
class ConferenceFacts:
    """What Telnyx says about a conference. None where it does not say."""

    name: str | None
    connection_id: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """What Telnyx says about a saved recording. None where it does not say."""

    conference_id: str | None
    """None: it is of one call."""
    connection_id: str | None


class ScopeFacts(Protocol):
    """What is true now, looked up only when a rule needs it. Each method may raise `CallFailed`."""

    async def conference(self, conference_id: str, /) -> ConferenceFacts: ...

    async def conference_named(self, name: str, /) -> ConferenceFacts | None:
        """The open conference with this name; None when there is none."""
        ...

    async def connection_of(self, call_control_id: str, /) -> str | None:
        """The connection of a call leg."""
        ...

    async def recording(self, recording_id: str, /) -> RecordingFacts:
        """What a saved recording is of."""
        ...


class Whereabouts(Protocol):
    """Where call legs are now, and which queues there are. Each method may raise `CallFailed`."""

    async def place(self, call_control_id: str, /) -> Place: ...

    async def queue(self, name: str, /) -> QueueState:
        """The queue with this name or id."""
        ...

    async def searched_place(self, call_control_id: str, /) -> Place:
        """As `place`; the queues are searched too."""
        ...

    async def waiting(self, call_control_id: str, queue: str | None, /) -> Waiting | None:
        """The call's place in its queue, or in this one."""
        ...


Matches = Callable[[str, str], bool]


def _is_like(value: str, pattern: str) -> bool:
    """Whether a name matches, exactly as Telnyx would compare it.

    Telnyx opens another conference for a name that looks the same: with another case, in full-width letters, with a
    dotless i or long s, or with invisible characters. Such names match only themselves and `*`.
    """
    return pattern == "*" or (fnmatchcase(value, pattern) and (value == pattern or _is_plain(value)))


def _is_plain(value: str) -> bool:
    return unicodedata.normalize("NFKC", value) == value and clean(value, len(value) + 1) == value


def _is(value: str, entry: str) -> bool:
    return value == entry


def _begins(value: str, prefix: str) -> bool:
    digits = value.removeprefix("+")
    return digits != value and digits.isascii() and digits.isdecimal() and value.startswith(prefix)


@dataclass(frozen=True, slots=True)
class AllowedValues:
    """The allowed values of one kind: one list from each source that has one."""

    kind: str
    """Describes the entries, as in "only conferences named"."""
    lists: tuple[Collection[str], ...]
    matches: Matches

    def problem(self, noun: str, value: str | None) -> str | None:
        """Why this value is not allowed, as a clause; None when it is allowed."""
        if value is None:
            return f"the {noun} is not known, and {self.rule}"
        if all(any(self.matches(value, entry) for entry in entries) for entries in self.lists):
            return None
        return f"the {noun} is {quoted(value)}, and {self.rule}"

    @property
    def rule(self) -> str:
        """What is allowed, as a clause."""
        return f"this server's policy lets only {self} be touched"

    def __str__(self) -> str:
        return f"{self.kind} {_both(self.lists)}"


def _both(lists: Sequence[Collection[str]]) -> str:
    """What all lists allow together, in words."""
    return ", and of those only ".join(" or ".join(entries) or "none" for entries in lists)


class CommandTargets:
    """What a command touches. Each fact is looked up once."""

    def __init__(self, command: Command, facts: ScopeFacts, where: Whereabouts) -> None:
        self.where = where
        self.given = arguments_of(command)
        self.command = command
        self.facts = facts
        self._conference: ConferenceFacts | None = None
        self._recording: RecordingFacts | None = None

    async def conference(self) -> ConferenceFacts | None:
        """The conference it names, by id, by name or by a recording of it, if there is one."""
        if self._conference is None and (recording := await self.recording()) is not None:
            if recording.conference_id is not None:
                self._conference = await self.facts.conference(recording.conference_id)
        elif self._conference is None and "conference_id" in self.given:
            self._conference = await self.facts.conference(self.given["conference_id"])
        elif self._conference is None and "conference_name" in self.given:
            self._conference = await self.facts.conference_named(self.given["conference_name"])
        return self._conference

    async def recording(self) -> RecordingFacts | None:
        """The saved recording that it names; None for a command on anything else."""
        is_saved = "recording_id" in self.command.route.parameters
        if self._recording is None and is_saved:
            self._recording = await self.facts.recording(self.given["recording_id"])
        return self._recording

    @property
    def named(self) -> str | None:
        """The name of the conference that it opens, or joins by name."""
        return self.given.get("name" if self.opens("/conferences") else "conference_name")

    def opens(self, path: str) -> bool:
        """Whether it posts to this path."""
        return self.command.route.path == path

    @property
    def legs(self) -> tuple[str, ...]:
        """The call legs it names, each once."""
        named = [value for name, value in self.given.items() if name.endswith(_LEGS) and value != EVERYONE]
        return tuple(dict.fromkeys(leg for value in named for leg in _each(value)))

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The call legs that may be somewhere else than in the conference or queue that the command names."""
        route = self.command.route.parameters
        is_inside = "queue_name" in route or ("conference_id" in route and not isinstance(self.command, JoinConference))
        named = () if is_inside else ("call_control_id", "other_call_control_id", "supervise_call_control_id")
        legs = (self.given[name] for name in named if name in self.given)
        return tuple(dict.fromkeys(leg for leg in legs if leg != EVERYONE))

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
    """The scope of all sources together."""

    def __init__(self, rules: Sequence[ScopeRules]) -> None:
        def within(kind: str, field: str, matches: Matches) -> AllowedValues:
            lists = (cast("Collection[str] | None", getattr(source, field)) for source in rules)
            return AllowedValues(kind, tuple(entries for entries in lists if entries is not None), matches)

        self.conferences = within("conferences named", "conferences", _is_like)
        self.queues = within("queues named", "queues", _is_like)
        self.connections = within("connections", "connections", _is)
        self.regions = within("regions", "regions", _is)
        self.numbers = within("numbers that begin with", "numbers", _begins)
        self.hosts = tuple(source.audio_hosts for source in rules if source.audio_hosts is not None)
        http = {source.audio_http for source in rules}
        self.takes_http = True in http and False not in http
        self._checks = [check for listed, check in _CHECKS if listed is None or getattr(self, listed).lists]

    @property
    def kinds(self) -> tuple[AllowedValues, ...]:
        """The kinds of values that can have lists."""
        return self.conferences, self.queues, self.connections, self.regions, self.numbers

    @property
    def urls(self) -> str:
        """Which URLs are allowed, in words."""
        scheme = "http and https" if self.takes_http else "https"
        return f"{scheme} URLs on {_both(self.hosts) or 'hosts of the public internet'}"

    async def refusal(self, command: Command, facts: ScopeFacts, where: Whereabouts) -> str | None:
        """Why a write is out of scope, as a clause; None when it is within. Raises what `facts` and `where` raise."""
        if command.is_read():
            return None
        targets = CommandTargets(command, facts, where)
        for check in self._checks:
            if (why := await check(self, targets)) is not None:
                return why
        return None


async def _urls(scope: PolicyScope, targets: CommandTargets) -> str | None:
    for name, url in _named_urls(targets.given):
        if (problem := url_problem(url, scope.takes_http, scope.hosts)) is not None:
            return f"{name} may not be used: {problem}. This server takes {scope.urls}"
    return None


def _named_urls(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every URL from which Telnyx would fetch audio: in URL arguments, in a media name and in SSML."""
    for name, value in arguments.items():
        if name.endswith("_url"):
            yield from ((name, url) for url in _each(value))
        elif name.endswith("media_name") and ":" in value:
            yield name, value
    if arguments.get("payload_type") == "ssml":
        # Entities can spell anything, so declared ones are refused like a URL that cannot be read.
        markup = unescape(arguments["payload"])
        sources = (match[1] or match[2] or match[3] for match in _SSML_SOURCE.finditer(markup))
        yield from (("payload", source) for source in sources)
        if "<!" in markup:
            yield "payload", markup


_SSML_SOURCE = re.compile(r"""\b(?:src|href|uri|xml:base)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*))""", re.IGNORECASE)


async def _numbers(scope: PolicyScope, targets: CommandTargets) -> str | None:
    numbers = targets.command.numbers()
    return _first(scope.numbers.problem("number to call", number) for number in numbers)


async def _regions(scope: PolicyScope, targets: CommandTargets) -> str | None:
    """The region is checked in the argument, in the conference itself and in that of the legs: they may differ."""
    for leg in targets.elsewhere:
        place = await targets.where.place(leg)
        if place.kind is PlaceKind.CONFERENCE and place.conference_id is not None:
            region = (await targets.facts.conference(place.conference_id)).region
            problem = scope.regions.problem(f"region of the conference that call {quoted(leg)} is in now", region)
            if problem is not None:
                return problem
    asked = targets.given.get("region")
    if asked is None and targets.opens("/conferences"):
        return f"region is missing, and {scope.regions.rule}: give one"
    problem = scope.regions.problem("region", asked) if asked is not None else None
    conference = await targets.conference() if problem is None else None
    if conference is None and "conference_name" in targets.given:  # it is opened where the account is
        return scope.regions.problem("region of this conference", None)
    if conference is None or (conference.region is None and asked is not None):
        return problem
    return scope.regions.problem("region of this conference", conference.region)


async def _conferences(scope: PolicyScope, targets: CommandTargets) -> str | None:
    if targets.named is not None:
        problem = scope.conferences.problem("name of this conference", targets.named)
    else:
        conference = await targets.conference()
        problem = scope.conferences.problem("name of this conference", conference.name) if conference else None
    if problem is not None:
        return problem
    for leg in targets.elsewhere:
        place = await targets.where.place(leg)
        if place.kind is PlaceKind.CONFERENCE:
            name = place.conference_name
            if name is None and place.conference_id is not None:
                name = (await targets.facts.conference(place.conference_id)).name
            problem = scope.conferences.problem(f"conference that call {quoted(leg)} is in now", name)
        if problem is not None:
            return problem
    return None


_OPEN_QUEUES = ("/queues", "/calls/{call_control_id}/actions/enqueue")
"""These open a queue with the given name if there is none."""


async def _queues(scope: PolicyScope, targets: CommandTargets) -> str | None:
    name = targets.given.get("queue_name")
    if name is not None:
        is_opened = any(map(targets.opens, _OPEN_QUEUES))
        known = name if is_opened else (await targets.where.queue(name)).name
        problem = scope.queues.problem("name of this queue", known)
        if problem is not None:
            return problem
    if name is None and targets.waiting is not None:
        place = await targets.where.searched_place(targets.waiting)
        return scope.queues.problem("queue in which this call waits", place.queue)
    for leg in targets.elsewhere:
        place = await targets.where.searched_place(leg)
        if place.kind in (PlaceKind.QUEUE, PlaceKind.UNKNOWN):
            problem = scope.queues.problem(f"queue in which call {quoted(leg)} waits now", place.queue)
            if problem is not None:
                return problem
    return None


async def _connections(scope: PolicyScope, targets: CommandTargets) -> str | None:
    """Checks the connection it calls with, that of the conference, and that of every call leg it names."""
    if (own := targets.given.get("connection_id")) is not None:
        problem = scope.connections.problem("connection to call with", own)
        if problem is not None:
            return problem
    if (recording := await targets.recording()) is not None:
        problem = scope.connections.problem("connection of this recording", recording.connection_id)
        if problem is not None:
            return problem
    if (conference := await targets.conference()) is not None:
        problem = scope.connections.problem("connection of this conference", conference.connection_id)
        if problem is not None:
            return problem
    for leg in targets.legs:
        connection = await _connection_of(leg, targets)
        if (problem := scope.connections.problem(f"connection of call {quoted(leg)}", connection)) is not None:
            return problem
    return None


async def _connection_of(leg: str, targets: CommandTargets) -> str | None:
    # A call that has hung up may keep its place in a queue, and then only the queue knows of it.
    is_waiting = leg == targets.waiting
    waiting = await targets.where.waiting(leg, targets.given.get("queue_name")) if is_waiting else None
    if waiting is not None and waiting.connection_id is not None:
        return waiting.connection_id
    return await targets.facts.connection_of(leg)


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


_CHECKS: tuple[tuple[str | None, Callable[[PolicyScope, CommandTargets], Awaitable[str | None]]], ...] = (
    (None, _urls),
    ("numbers", _numbers),
    ("regions", _regions),
    ("conferences", _conferences),
    ("queues", _queues),
    ("connections", _connections),
)
"""The checks in order, those without lookups first. Each has the list without which it is skipped."""
