"""The scope of writes: conferences, queues, connections, regions, numbers, and hosts of URLs.

The list of every source must hold. If a list exists and the fact it needs is not known, the write is refused. A
conference is checked both where a command sends a call and where the call is now.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from typing import cast

from ....tools.base import Command
from ....tools.text import quoted
from ..place import PlaceKind
from .allowed_values import AllowedValues, Matches, equals, has_prefix, join_lists, matches_name
from .rules import ScopeRules
from .targets import CallPlaces, CommandTargets, ScopeFacts
from .url_safety import url_problem

_OPEN_QUEUES = ("/queues", "/calls/{call_control_id}/actions/enqueue")
"""These open a queue with the given name if there is none."""

Problems = AsyncGenerator[str | None]
"""What each step of a check found: why a write is out of scope, as a clause, or None. Only the first one counts: the
steps after it are not run, so that nothing is looked up for them."""


class PolicyScope:
    """The scope of all sources together."""

    def __init__(self, rules: Sequence[ScopeRules]) -> None:
        def allowed(kind: str, field: str, matches: Matches) -> AllowedValues:
            lists = (cast("Collection[str] | None", getattr(source, field)) for source in rules)
            return AllowedValues(kind, tuple(entries for entries in lists if entries is not None), matches)

        self.conferences = allowed("conferences named", "conferences", matches_name)
        self.queues = allowed("queues named", "queues", matches_name)
        self.connections = allowed("connections", "connections", equals)
        self.regions = allowed("regions", "regions", equals)
        self.numbers = allowed("numbers that begin with", "numbers", has_prefix)
        self.hosts = tuple(source.audio_hosts for source in rules if source.audio_hosts is not None)
        http = {source.audio_http for source in rules}
        self.takes_http = True in http and False not in http
        self._checks = [check for field, check in _CHECKS if field is None or getattr(self, field).lists]

    @property
    def kinds(self) -> tuple[AllowedValues, ...]:
        """The kinds of values that can have lists."""
        return self.conferences, self.queues, self.connections, self.regions, self.numbers

    @property
    def urls(self) -> str:
        """Which URLs are allowed, in words."""
        scheme = "http and https" if self.takes_http else "https"
        return f"{scheme} URLs on {join_lists(self.hosts) or 'hosts of the public internet'}"

    async def refusal(self, command: Command, facts: ScopeFacts, places: CallPlaces) -> str | None:
        """Why a write is out of scope, as a clause; None when it is within. Raises what `facts` and `places` raise."""
        if command.is_read():
            return None
        targets = CommandTargets(command, facts, places)
        for check in self._checks:
            if (problem := await _first(check(self, targets))) is not None:
                return problem
        return None


async def _first(problems: Problems) -> str | None:
    async with aclosing(problems):
        async for problem in problems:
            if problem is not None:
                return problem
    return None


async def _check_urls(scope: PolicyScope, targets: CommandTargets) -> Problems:
    for name, url in targets.audio_urls():
        if (problem := url_problem(url, scope.takes_http, scope.hosts)) is not None:
            yield f"{name} may not be used: {problem}. This server takes {scope.urls}"


async def _check_numbers(scope: PolicyScope, targets: CommandTargets) -> Problems:
    for number in targets.command.numbers():
        yield scope.numbers.problem("number to call", number)


async def _check_regions(scope: PolicyScope, targets: CommandTargets) -> Problems:
    """The region is checked in the conference of each leg, in the argument and in the conference: they may differ."""
    for leg in targets.legs_elsewhere:
        place = await targets.places.place(leg)
        if place.kind is PlaceKind.CONFERENCE and place.conference_id is not None:
            region = (await targets.facts.conference(place.conference_id)).region
            yield scope.regions.problem(f"region of the conference that call {quoted(leg)} is in now", region)
    region = targets.arguments.get("region")
    if region is not None:
        yield scope.regions.problem("region", region)
    elif targets.posts_to("/conferences"):
        yield f"region is missing, and {scope.regions.rule}: give one"
    conference = await targets.conference()
    if conference is not None:
        if conference.region is not None or region is None:
            yield scope.regions.problem("region of this conference", conference.region)
    elif "conference_name" in targets.arguments:  # it is opened where the account is
        yield scope.regions.problem("region of this conference", None)


async def _check_conferences(scope: PolicyScope, targets: CommandTargets) -> Problems:
    if targets.conference_name is not None:
        yield scope.conferences.problem("name of this conference", targets.conference_name)
    elif (conference := await targets.conference()) is not None:
        yield scope.conferences.problem("name of this conference", conference.name)
    for leg in targets.legs_elsewhere:
        place = await targets.places.place(leg)
        if place.kind is not PlaceKind.CONFERENCE:
            continue
        name = place.conference_name
        if name is None and place.conference_id is not None:
            name = (await targets.facts.conference(place.conference_id)).name
        yield scope.conferences.problem(f"conference that call {quoted(leg)} is in now", name)


async def _check_queues(scope: PolicyScope, targets: CommandTargets) -> Problems:
    name = targets.arguments.get("queue_name")
    if name is not None:
        is_opened = any(map(targets.posts_to, _OPEN_QUEUES))
        known_name = name if is_opened else (await targets.places.queue(name)).name
        yield scope.queues.problem("name of this queue", known_name)
    elif targets.waiting_leg is not None:
        place = await targets.places.searched_place(targets.waiting_leg)
        yield scope.queues.problem("queue in which this call waits", place.queue)
        return
    for leg in targets.legs_elsewhere:
        place = await targets.places.searched_place(leg)
        if place.kind in (PlaceKind.QUEUE, PlaceKind.UNKNOWN):
            yield scope.queues.problem(f"queue in which call {quoted(leg)} waits now", place.queue)


async def _check_connections(scope: PolicyScope, targets: CommandTargets) -> Problems:
    """The connection that it calls with is checked, that of the conference, and that of every call leg it names."""
    if (own := targets.arguments.get("connection_id")) is not None:
        yield scope.connections.problem("connection to call with", own)
    if (recording := await targets.recording()) is not None:
        yield scope.connections.problem("connection of this recording", recording.connection_id)
    if (conference := await targets.conference()) is not None:
        yield scope.connections.problem("connection of this conference", conference.connection_id)
    for leg in targets.legs:
        yield scope.connections.problem(f"connection of call {quoted(leg)}", await targets.connection_of(leg))


_CHECKS: tuple[tuple[str | None, Callable[[PolicyScope, CommandTargets], Problems]], ...] = (
    (None, _check_urls),
    ("numbers", _check_numbers),
    ("regions", _check_regions),
    ("conferences", _check_conferences),
    ("queues", _check_queues),
    ("connections", _check_connections),
)
"""The checks in order, those without look-ups first. Each has the list without which it is skipped."""
