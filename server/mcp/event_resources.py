"""Resources under telnyx://: events, conferences and queues, as JSON, Markdown or SVG."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mcp.shared.uri_template import UriTemplate

from ..errors import CallFailed
from ..events.event import EventFilter
from ..events.service import EventService

if TYPE_CHECKING:
    from ..events.projection.views import View

Field = Literal["conference_id", "call_control_id", "queue", "type", "id"]

JSON = "application/json"
MARKDOWN = "text/markdown"
SVG = "image/svg+xml"
SCHEME = "telnyx://"
_DEFAULT_LIMIT, _MAX_LIMIT = 50, 200


class UriVariables(dict[str, str]):
    """The variables of a URI, and its reader."""

    def __init__(self, variables: Mapping[str, str], reader: Any = None) -> None:
        super().__init__(variables)
        self.reader = reader


class ResourceNotFound(LookupError):
    """There is no such resource; the message is for the client."""


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
    """For each path variable, the field of the stored events that it completes from."""
    meta: dict[str, Any] | None = None
    """The resource's `_meta`."""

    @property
    def template(self) -> str:
        """The URI template as clients see it."""
        return self.uri + (_PAGE_VARIABLES if self.uri.endswith("events") else "")

    @property
    def is_fixed(self) -> bool:
        return "{" not in self.uri


_PAGE_VARIABLES = "{?limit,before,type}"


class ResourceReader:
    """Reads resources from the event service."""

    def __init__(self, service: EventService, more: Sequence[ResourceKind] = ()) -> None:
        """`more`: resources beside those of events."""
        self.service = service
        self.templates = (*TEMPLATES, *more)
        self._parsed = [(template, UriTemplate.parse(template.template)) for template in self.templates]

    async def read(self, uri: str, reader: Any = None) -> tuple[str, ResourceKind]:
        """The content and its kind. Raises `ResourceNotFound`, or `CallRefused` when events are not available.

        `reader`: the caller, for resources that differ between callers.
        """
        for template, parsed in self._parsed:
            matched = parsed.match(uri)
            if matched is not None:
                variables = UriVariables({name: str(value) for name, value in matched.items() if value}, reader)
                content = await template.read(self, variables)
                text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
                return text, template
        raise ResourceNotFound(f"There is no resource {uri}.")

    async def complete(self, template_uri: str, argument: str, typed: str) -> list[str]:
        """Stored values for a variable of a template, most recent first."""
        for template in self.templates:
            if template_uri in (template.uri, template.uri + _PAGE_VARIABLES):
                source: Field | None = "type" if argument == "type" else template.completes.get(argument)
                store = await self.service.store()
                return [] if source is None else await store.distinct(source, typed, 100)
        return []

    async def page(self, filter_: EventFilter, variables: Mapping[str, str]) -> dict[str, Any]:
        """Events, newest first; `before` is the cursor of the next page."""
        limit = min(_MAX_LIMIT, max(1, _whole_number(variables, "limit", _DEFAULT_LIMIT)))
        filter_ = replace(
            filter_,
            types=frozenset(variables["type"].split(",")) if "type" in variables else frozenset(),
        )
        store = await self.service.store()
        before = _whole_number(variables, "before", 0) or None
        events = await store.newest(filter_, limit=limit + 1, before=before)
        content: dict[str, Any] = {"events": [self.service.view(store, event) for event in events[:limit]]}
        return content | ({"before": events[limit - 1].number} if len(events) > limit else {})

    async def events(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return await self.page(EventFilter(), variables)

    async def event(self, variables: Mapping[str, str]) -> dict[str, Any]:
        store = await self.service.store()
        event = await store.get(variables["event_id"])
        if event is None:
            raise ResourceNotFound(f"There is no event {variables['event_id']}.")
        return self.service.view(store, event)

    async def conferences(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return {"conferences": [view.to_json() for view in (await self.service.conferences())[:_MAX_LIMIT]]}

    async def conference(self, variables: Mapping[str, str]) -> dict[str, Any]:
        unknown = f"There is no event of a conference {variables['conference_id']}."
        return await self._lean_view(self.service.conference_now(variables["conference_id"]), unknown)

    async def conference_events(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return await self._known_page(EventFilter(conference_id=variables["conference_id"]), variables, "conference")

    async def timeline(self, variables: Mapping[str, str]) -> str:
        return _existing(await self.service.timeline(variables["conference_id"]), variables)

    async def transcript(self, variables: Mapping[str, str]) -> str:
        return _existing(await self.service.transcript(variables["conference_id"]), variables)

    async def drawing(self, variables: Mapping[str, str]) -> str:
        return _existing(await self.service.timeline_svg(variables["conference_id"]), variables)

    async def queues(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return {"queues": [view.to_json() for view in (await self.service.queues())[:_MAX_LIMIT]]}

    async def queue(self, variables: Mapping[str, str]) -> dict[str, Any]:
        unknown = f"There is no event of a queue {variables['queue_name']}."
        return await self._lean_view(self.service.queue(variables["queue_name"]), unknown)

    async def _lean_view(self, request: "Awaitable[View | None]", unknown: str) -> dict[str, Any]:
        """The view as JSON. Raises `ResourceNotFound` with `unknown` if neither the events nor Telnyx know it."""
        try:
            view = await request
        except CallFailed as failed:
            raise ResourceNotFound(f"{unknown} {failed}") from None
        if view is None:
            raise ResourceNotFound(unknown)
        return view.to_json()

    async def queue_events(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return await self._known_page(EventFilter(queue=variables["queue_name"]), variables, "queue")

    async def call_events(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return await self._known_page(EventFilter(call_control_id=variables["call_control_id"]), variables, "call")

    async def _known_page(self, filter_: EventFilter, variables: Mapping[str, str], noun: str) -> dict[str, Any]:
        """A page of events. Raises `ResourceNotFound` if the filter matches none at all."""
        page = await self.page(filter_, variables)
        if not page["events"] and await (await self.service.store()).count(filter_) == 0:
            raise ResourceNotFound(f"There is no event of this {noun}.")
        return page


def _existing(text: str | None, variables: Mapping[str, str]) -> str:
    if text is None:
        raise ResourceNotFound(f"There is no event of a conference {variables['conference_id']}.")
    return text


def _whole_number(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else default


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
        "Who is in it, who speaks, what plays or is recorded; each fact with its source.",
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
        "A timeline in words; times are from its start.",
        MARKDOWN,
        ResourceReader.timeline,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}conferences/{{conference_id}}/transcript",
        "conference_transcript",
        "Transcript of a conference",
        "The speech of everyone who was transcribed, quoted; times are from its start.",
        MARKDOWN,
        ResourceReader.transcript,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}conferences/{{conference_id}}/timeline.svg",
        "conference_picture",
        "A conference as a picture",
        "Participants as bars over time: talking, muted, on hold, recorded; one SVG file for people.",
        SVG,
        ResourceReader.drawing,
        _CONFERENCE,
    ),
    ResourceKind(
        f"{SCHEME}queues",
        "queues",
        "Queues",
        "Queues, the calls that wait in them, and for how long.",
        JSON,
        ResourceReader.queues,
        {},
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
"""Every resource of events; a fixed URI comes before a template that would match it."""
