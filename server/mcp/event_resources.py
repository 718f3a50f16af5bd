"""What can be read under telnyx://: events, conferences and queues, as JSON or as a story."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mcp.shared.uri_template import UriTemplate

from ..errors import CallFailed
from ..events.event import EventFilter
from ..events.service import EventService
from ..events.views import view

if TYPE_CHECKING:
    from ..events.projection.views import View

Field = Literal["conference_id", "call_control_id", "queue", "type", "id"]

JSON = "application/json"
MARKDOWN = "text/markdown"
SVG = "image/svg+xml"
SCHEME = "telnyx://"
_LIMIT, _MOST = 50, 200


class UriVariables(dict[str, str]):
    """The variables of a URI, and who reads it."""

    def __init__(self, variables: Mapping[str, str], reader: Any = None) -> None:
        super().__init__(variables)
        self.reader = reader


class ResourceNotFound(LookupError):
    """There is no such resource; the message says so for whoever asked."""


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind of resource."""

    uri: str
    name: str
    title: str
    description: str
    mime_type: str
    read: Callable[["ResourceReader", UriVariables], Awaitable[Any]]
    completes: Mapping[str, Field]
    """What each path variable completes from: a field of the stored events."""
    meta: dict[str, Any] | None = None
    """What hosts are told of it beside that."""

    @property
    def template(self) -> str:
        """The URI template as clients see it."""
        return self.uri + (_PAGED if self.uri.endswith("events") else "")

    @property
    def is_fixed(self) -> bool:
        return "{" not in self.uri


_PAGED = "{?limit,before,type}"


class ResourceReader:
    """Reads resources from the event service."""

    def __init__(self, service: EventService, more: Sequence[ResourceKind] = ()) -> None:
        """`more`: what can be read beside what events tell."""
        self.service = service
        self.templates = (*TEMPLATES, *more)
        self._parsed = [(template, UriTemplate.parse(template.template)) for template in self.templates]

    async def read(self, uri: str, reader: Any = None) -> tuple[str, ResourceKind]:
        """The content and what it is. Raises `NotFound`, or `Refused` when events are not available.

        `reader`: who reads it, for what is not the same for everybody.
        """
        for template, parsed in self._parsed:
            found = parsed.match(uri)
            if found is not None:
                given = UriVariables({name: str(value) for name, value in found.items() if value}, reader)
                content = await template.read(self, given)
                text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
                return text, template
        raise ResourceNotFound(f"There is no resource {uri}.")

    async def complete(self, template_uri: str, argument: str, typed: str) -> list[str]:
        """Values for a variable of a template, from what there is, most recent first."""
        for template in self.templates:
            if template_uri in (template.uri, template.uri + _PAGED):
                source: Field | None = "type" if argument == "type" else template.completes.get(argument)
                store = await self.service.store()
                return [] if source is None else await store.distinct(source, typed, 100)
        return []

    async def page(self, wanted: EventFilter, given: Mapping[str, str]) -> dict[str, Any]:
        """Events, newest first, with what leads to the next page."""
        limit = min(_MOST, max(1, _whole(given, "limit", _LIMIT)))
        wanted = replace(
            wanted,
            types=frozenset(given["type"].split(",")) if "type" in given else frozenset(),
            before_number=_whole(given, "before", 0) or None,
        )
        store = await self.service.store()
        events = await store.find(wanted, limit=limit + 1)
        content: dict[str, Any] = {"events": [view(event) for event in events[:limit]]}
        return content | ({"before": events[limit - 1].number} if len(events) > limit else {})

    async def events(self, given: Mapping[str, str]) -> dict[str, Any]:
        return await self.page(EventFilter(), given)

    async def event(self, given: Mapping[str, str]) -> dict[str, Any]:
        event = await (await self.service.store()).get(given["event_id"])
        if event is None:
            raise ResourceNotFound(f"There is no event {given['event_id']}.")
        return view(event)

    async def conferences(self, given: Mapping[str, str]) -> dict[str, Any]:
        return {"conferences": [one.lean() for one in (await self.service.conferences())[:_MOST]]}

    async def conference(self, given: Mapping[str, str]) -> dict[str, Any]:
        unknown = f"No event tells of a conference {given['conference_id']}."
        return await self._known(self.service.conference_now(given["conference_id"]), unknown)

    async def conference_events(self, given: Mapping[str, str]) -> dict[str, Any]:
        return await self._some(EventFilter(conference_id=given["conference_id"]), given, "conference")

    async def timeline(self, given: Mapping[str, str]) -> str:
        return _known(await self.service.timeline(given["conference_id"]), given)

    async def drawing(self, given: Mapping[str, str]) -> str:
        return _known(await self.service.drawing(given["conference_id"]), given)

    async def queues(self, given: Mapping[str, str]) -> dict[str, Any]:
        return {"queues": [one.lean() for one in (await self.service.queues())[:_MOST]]}

    async def queue(self, given: Mapping[str, str]) -> dict[str, Any]:
        unknown = f"No event tells of a queue {given['queue_name']}."
        return await self._known(self.service.queue(given["queue_name"]), unknown)

    async def _known(self, asking: "Awaitable[View | None]", unknown: str) -> dict[str, Any]:
        """What is known of one thing. Raises `NotFound` when neither an event nor Telnyx tells of it."""
        try:
            seen = await asking
        except CallFailed as failed:
            raise ResourceNotFound(f"{unknown} {failed}") from None
        if seen is None:
            raise ResourceNotFound(unknown)
        return seen.lean()

    async def queue_events(self, given: Mapping[str, str]) -> dict[str, Any]:
        return await self._some(EventFilter(queue=given["queue_name"]), given, "queue")

    async def call_events(self, given: Mapping[str, str]) -> dict[str, Any]:
        return await self._some(EventFilter(call_control_id=given["call_control_id"]), given, "call")

    async def _some(self, wanted: EventFilter, given: Mapping[str, str], noun: str) -> dict[str, Any]:
        """A page of events of one thing, which must be known."""
        page = await self.page(wanted, given)
        if not page["events"] and await (await self.service.store()).count(wanted) == 0:
            raise ResourceNotFound(f"No event tells of this {noun}.")
        return page


def _known(told: str | None, given: Mapping[str, str]) -> str:
    if told is None:
        raise ResourceNotFound(f"No event tells of a conference {given['conference_id']}.")
    return told


def _whole(given: Mapping[str, str], name: str, otherwise: int) -> int:
    text = given.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else otherwise


_CONFERENCE: Mapping[str, Field] = {"conference_id": "conference_id"}
_QUEUE: Mapping[str, Field] = {"queue_name": "queue"}

TEMPLATES: tuple[ResourceKind, ...] = (
    ResourceKind(
        f"{SCHEME}events", "events", "Recent events", "Webhook events, newest first.", JSON, ResourceReader.events, {}
    ),
    ResourceKind(
        f"{SCHEME}events/{{event_id}}",
        "event",
        "One event",
        "As Telnyx sent it.",
        JSON,
        ResourceReader.event,
        {"event_id": "id"},
    ),
    ResourceKind(
        f"{SCHEME}conferences",
        "conferences",
        "Conferences",
        "Open and recent conferences: who is in each, since when.",
        JSON,
        ResourceReader.conferences,
        {},
    ),
    ResourceKind(
        f"{SCHEME}conferences/{{conference_id}}",
        "conference",
        "A conference",
        "Who is in it, who speaks, what plays or is recorded; of each fact where it is from.",
        JSON,
        ResourceReader.conference,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}conferences/{{conference_id}}/events",
        "conference_events",
        "Events of a conference",
        "Newest first.",
        JSON,
        ResourceReader.conference_events,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}conferences/{{conference_id}}/timeline",
        "conference_timeline",
        "What happened in a conference",
        "As a person would tell it, times from its start.",
        MARKDOWN,
        ResourceReader.timeline,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}conferences/{{conference_id}}/timeline.svg",
        "conference_picture",
        "A conference as a picture",
        "People as bars over time: talking, muted, on hold, recorded; one SVG file for a person to look at.",
        SVG,
        ResourceReader.drawing,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}queues", "queues", "Queues", "Who waits where, and for how long.", JSON, ResourceReader.queues, {}
    ),
    ResourceKind(
        f"{SCHEME}queues/{{queue_name}}",
        "queue",
        "A queue",
        "Who waits in it, in order.",
        JSON,
        ResourceReader.queue,
        _QUEUE,
    ),
    ResourceKind(
        f"{SCHEME}queues/{{queue_name}}/events",
        "queue_events",
        "Events of a queue",
        "Newest first.",
        JSON,
        ResourceReader.queue_events,
        _QUEUE,
    ),
    ResourceKind(
        f"{SCHEME}calls/{{call_control_id}}/events",
        "call_events",
        "Events of a call",
        "Newest first.",
        JSON,
        ResourceReader.call_events,
        {"call_control_id": "call_control_id"},
    ),
)
"""Everything that can be read, what is fixed first among its like."""
