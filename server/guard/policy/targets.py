"""What a command touches, from its arguments and from look-ups."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any, Protocol, cast
from urllib.parse import unquote

from ....tools.base import EVERYONE, Command, arguments_of
from ....tools.participants import JoinConference
from ..place import Place
from ..situation import QueueState, Waiting

_LEG_ARGUMENTS = ("call_control_id", "call_control_ids")
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


class CallPlaces(Protocol):
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


class CommandTargets:
    """What a command touches. The conference and the recording are looked up once."""

    def __init__(self, command: Command, facts: ScopeFacts, places: CallPlaces) -> None:
        self.command = command
        self.arguments = arguments_of(command)
        self.facts = facts
        self.places = places
        self._conference: ConferenceFacts | None = None
        self._recording: RecordingFacts | None = None

    async def conference(self) -> ConferenceFacts | None:
        """The conference that it names, by id, by name or by a recording of it. None if there is none."""
        if self._conference is None:
            self._conference = await self._look_up_conference()
        return self._conference

    async def _look_up_conference(self) -> ConferenceFacts | None:
        if (recording := await self.recording()) is not None:
            id_ = recording.conference_id
            return await self.facts.conference(id_) if id_ is not None else None
        if "conference_id" in self.arguments:
            return await self.facts.conference(self.arguments["conference_id"])
        if "conference_name" in self.arguments:
            return await self.facts.conference_named(self.arguments["conference_name"])
        return None

    async def recording(self) -> RecordingFacts | None:
        """The saved recording that it names. None for a command on anything else."""
        if self._recording is None and "recording_id" in self.command.route.parameters:
            self._recording = await self.facts.recording(self.arguments["recording_id"])
        return self._recording

    async def connection_of(self, leg: str) -> str | None:
        """The connection of a call leg that it names."""
        # A call that has hung up may keep its place in a queue, and then only the queue knows of it.
        if leg == self.waiting_leg:
            waiting = await self.places.waiting(leg, self.arguments.get("queue_name"))
            if waiting is not None and waiting.connection_id is not None:
                return waiting.connection_id
        return await self.facts.connection_of(leg)

    def posts_to(self, path: str) -> bool:
        return self.command.route.path == path

    @property
    def conference_name(self) -> str | None:
        """The name of the conference that it opens, or joins by name."""
        return self.arguments.get("name" if self.posts_to("/conferences") else "conference_name")

    @property
    def legs(self) -> tuple[str, ...]:
        """The call legs that it names, each once."""
        values = [value for name, value in self.arguments.items() if name.endswith(_LEG_ARGUMENTS)]
        return tuple(dict.fromkeys(leg for value in values if value != EVERYONE for leg in _each(value)))

    @property
    def legs_elsewhere(self) -> tuple[str, ...]:
        """The call legs that may be somewhere else than in the conference or queue that the command names."""
        parameters = self.command.route.parameters
        if "queue_name" in parameters:
            return ()
        if "conference_id" in parameters and not isinstance(self.command, JoinConference):
            return ()
        names = ("call_control_id", "other_call_control_id", "supervise_call_control_id")
        legs = (self.arguments[name] for name in names if name in self.arguments)
        return tuple(dict.fromkeys(leg for leg in legs if leg != EVERYONE))

    @property
    def waiting_leg(self) -> str | None:
        """The call leg that it names as one that waits in a queue."""
        route = self.command.route
        takes_queue = "queue_name" in type(self.command).model_fields
        is_of_queue = "queue_name" in route.parameters if takes_queue else "queue" in route.path
        return self.arguments.get("call_control_id") if is_of_queue else None

    def audio_urls(self) -> Iterator[tuple[str, str]]:
        """Every URL from which Telnyx would fetch audio, after the name of its argument."""
        return _audio_urls(self.arguments)


def _audio_urls(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The URLs in URL arguments, in a media name and in SSML."""
    for name, value in arguments.items():
        if name.endswith("_url"):
            yield from ((name, url) for url in _each(value))
        elif name.endswith("media_name") and _is_like_url(value):
            yield name, value
    if arguments.get("payload_type") == "ssml":
        # Entities can spell anything, so declared ones are refused like a URL that cannot be read.
        markup = unescape(arguments["payload"])
        sources = (match[1] or match[2] or match[3] for match in _SSML_SOURCE.finditer(markup))
        yield from (("payload", source) for source in sources)
        if "<!" in markup:
            yield "payload", markup


def _is_like_url(media_name: str) -> bool:
    spelt = unicodedata.normalize("NFKC", unquote(media_name))
    return ":" in spelt or "//" in spelt or "\\" in spelt


_SSML_SOURCE = re.compile(r"""\b(?:src|href|uri|url|xml:base)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*))""", re.IGNORECASE)


def _each(value: Any) -> Iterator[str]:
    yield from [value] if isinstance(value, str) else cast("Collection[str]", value)
