"""Answers the tools of the toolset `events`: finds events, waits for them, and sums up conferences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from ...tools.base import Tool
from ...tools.events import ConferenceSummary, GetEvent, ListEvents, WaitForEvent
from ...tools.text import count, listed, quoted
from ...tools.transcription import ConferenceTranscript
from ..errors import CallRefused
from ..events.event import CONSENT_TYPES, MAX_COUNT, OWN_TYPES, EventFilter, StoredEvent
from ..events.projection.event_text import describe_event
from ..events.service import EventService, Progress
from ..events.store import Store, StoreError
from ..events.times import parse_time
from ..events.views import DIGIT_FIELDS
from ..guard import Caller, Guard
from ..lifecycle import SHUTTING_DOWN, Shutdown

MAX_WAIT_S = 50.0
"""How long one call waits at most: many hosts give up a tool after 60 s."""
_TYPE_PREFIXES = ("alert.", "call.", "call_", "conference.", "siprec.", "streaming.")
"""Types with these prefixes are never refused as a mistake."""
_MAX_SPEAKERS = 20
_MAX_SUMMARY_PEOPLE = 100
_REPLACES_WITHIN = timedelta(seconds=3)
"""A gather that is cancelled until then was replaced by the newest; if the newest is cancelled later, another process
replaced it."""
_MAX_GATHER_ENDS = 20
"""Ends of gathers on one call that are looked through for the end of the newest gather."""
_MAX_SESSION_AGE = timedelta(hours=5)
"""Where the start of a conversation is unknown, an older command belongs to an earlier conversation."""


class EventTools:
    """Answers from the event store and the live state of conferences."""

    def __init__(self, events: EventService, guard: Guard, shutdown: Shutdown) -> None:
        self._events = events
        self._guard = guard
        self._shutdown = shutdown

    async def answer(self, tool: Tool, caller: Caller, progress: Progress) -> dict[str, Any]:
        """The structured content of a tool. Raises `CallFailed`."""
        try:
            content = await self._answer(tool, caller, progress)
            await self._show_own_digits(content, caller)
        except StoreError as problem:
            raise CallRefused(f"Events cannot be read now: {problem}") from None
        return content

    async def _answer(self, tool: Tool, caller: Caller, progress: Progress) -> dict[str, Any]:
        match tool:
            case ListEvents():
                return await self._list(tool)
            case GetEvent():
                return await self._get(tool)
            case WaitForEvent():
                return await self._wait(tool, caller, progress)
            case ConferenceSummary():
                return await self._summary(tool)
            case ConferenceTranscript():
                return await self._transcript(tool)
            case _:
                raise TypeError(f"{tool.tool_name()} is not a tool of the toolset events")

    async def _list(self, tool: ListEvents) -> dict[str, Any]:
        store = await self._events.store()
        event_filter = await self._filter_for(store, tool, tool.types, tool.since)
        event_filter = replace(event_filter, until=_parse_time_argument(tool.until, "until") if tool.until else None)
        total = await store.count(event_filter)
        newest = await store.newest(event_filter, limit=tool.limit + 1, before=tool.cursor)
        events, more = newest[: tool.limit], len(newest) > tool.limit
        none = " ".join(filter(None, ["No events.", self._suggest_types(tool.types or ())]))
        first = _first_lines(events)
        summary = f"{_count_text(total)}: {first}" if events else none
        views = [self._events.view(store, event) for event in events]
        content: dict[str, Any] = {"summary": summary, "events": views, "total_results": total}
        return content | ({"next_cursor": events[-1].number} if more else {})

    async def _get(self, tool: GetEvent) -> dict[str, Any]:
        store = await self._events.store()
        event = await store.get(tool.event_id)
        if event is None:
            raise CallRefused(f"There is no event {quoted(tool.event_id)}. Use list_events to find event ids.")
        return {"summary": describe_event(event), "event": self._events.view(store, event)}

    async def _wait(self, tool: WaitForEvent, caller: Caller, progress: Progress) -> dict[str, Any]:
        store = await self._events.store()
        event_filter = await self._filter_for(store, tool, tool.types, tool.since)
        if tool.since is None:
            event_filter = replace(event_filter, after_number=await self._newest_event_before(caller))
        events = await self._events.wait(event_filter, min(tool.timeout_secs, MAX_WAIT_S), progress)
        if not events:
            return await self._timeout_result(store, tool, event_filter)
        summary = _first_lines(events)
        views = [self._events.view(store, event) for event in events]
        return {"summary": summary, "timed_out": False, "events": views}

    async def _timeout_result(self, store: Store, tool: WaitForEvent, event_filter: EventFilter) -> dict[str, Any]:
        others = await store.find(replace(event_filter, types=frozenset()), limit=5)
        happened = _first_lines(others) or "nothing else"
        none = f"None of {listed(tool.types)}"
        if self._shutdown.has_begun:
            within = f"{none} until now. {SHUTTING_DOWN} Wait again."
        elif tool.timeout_secs <= MAX_WAIT_S:
            within = f"{none} within {tool.timeout_secs} s."
        else:
            longest = f"{none} within {MAX_WAIT_S:.0f} s, the longest that one call waits."
            within = f"{longest} Wait again with the same arguments: nothing is missed in between."
        summary = f"{within} What happened instead: {happened.rstrip('.')}."
        summary = " ".join(filter(None, [summary, self._suggest_types(tool.types), self._events.no_events_reason]))
        content: dict[str, Any] = {"summary": summary, "timed_out": True, "events": []}
        return content | ({"instead": [self._events.view(store, event) for event in others]} if others else {})

    async def _summary(self, tool: ConferenceSummary) -> dict[str, Any]:
        view = await self._events.conference_now(tool.conference_id)
        assert view is not None
        figures = self._events.projection.summary(tool.conference_id, self._events.now())
        name = quoted(view.name) if view.name else tool.conference_id
        summary = f"Conference {name} is {view.status}, {count(view.present, 'person')} in it."
        conference = view.to_json()
        new_figures = _new_figures(conference, figures.to_json()) if figures else {}
        if (more := len(conference["participants"]) - _MAX_SUMMARY_PEOPLE) > 0:
            summary += f" Not listed here: {count(more, 'person')}. list_participants has everyone who is in it now."
        for part in (conference, new_figures):
            if "participants" in part:
                part["participants"] = part["participants"][:_MAX_SUMMARY_PEOPLE]
        content: dict[str, Any] = {"summary": summary, "conference": conference}
        return content | ({"figures": new_figures} if figures else {})

    async def _transcript(self, tool: ConferenceTranscript) -> dict[str, Any]:
        since = self._events.now() - timedelta(minutes=tool.last_minutes) if tool.last_minutes else None
        _, utterances = await self._events.utterances(tool.conference_id, since)
        speakers = list(dict.fromkeys(utterance.speaker for utterance in utterances))
        matching = [
            utterance
            for utterance in utterances
            if (tool.speaker is None or utterance.is_by(tool.speaker))
            and (tool.search is None or utterance.contains(tool.search))
        ]
        newest = matching[-tool.limit :]
        without_text = sum(utterance.text is None for utterance in utterances)
        last_lines = listed([utterance.line() for utterance in newest[-3:]], separator="; ")
        sentences = [f"{count(len(matching), 'utterance')}{f', the last of them: {last_lines}' if newest else ''}."]
        if tool.speaker is not None and speakers and not any(one.is_by(tool.speaker) for one in utterances):
            names = listed([quoted(speaker) for speaker in speakers][:_MAX_SPEAKERS])
            sentences.append(f"{quoted(tool.speaker)} is none of the speakers: {names}.")
        if without_text:
            sentences.append(f"The text of {without_text} is no longer kept.")
        content: dict[str, Any] = {
            "summary": " ".join(sentences),
            "utterances": [utterance.to_json() for utterance in newest],
            "total_results": len(matching),
        }
        return content | ({"without_text": without_text} if without_text else {})

    def _suggest_types(self, types: Sequence[str]) -> str:
        """Suggestions for types that Telnyx does not document. They may be right: Telnyx adds types."""
        from ..events.models import PAYLOADS  # noqa: PLC0415 (costs start-up time, and is seldom needed)

        return " ".join(
            f"{quoted(event_type)} is not a documented type. Did you mean {similar[0]}?"
            for event_type in types
            if not event_type.endswith(".*")
            and event_type not in PAYLOADS
            and event_type not in OWN_TYPES | CONSENT_TYPES
            and (similar := get_close_matches(event_type, PAYLOADS, 1))
        )

    async def _check_types(self, store: Store, types: Sequence[str]) -> None:
        """Raises `CallRefused` for a type that looks like a mistake.

        That is a type of which nothing is stored, and to which a documented type is similar.
        """
        unknown_types = [
            event_type
            for event_type in types
            if not event_type.startswith(_TYPE_PREFIXES)
            and not await store.distinct("type", event_type.removesuffix("*"), 1)
        ]
        suggestions = self._suggest_types(unknown_types)
        if suggestions:
            raise CallRefused(suggestions)

    async def _filter_for(self, store: Store, tool: Any, types: Sequence[str] | None, since: str | None) -> EventFilter:
        await self._check_types(store, types or ())
        event_filter = EventFilter(
            types=frozenset(types or ()),
            conference_id=self._events.projection.conference_id(tool.conference_id) if tool.conference_id else None,
            call_control_id=tool.call_control_id,
            queue=tool.queue_name,
        )
        if since is None:
            return event_filter
        event = await store.get(since)
        if event is not None:
            return replace(event_filter, after_number=event.number)
        return replace(event_filter, since=_parse_time_argument(since, "since"))

    async def _show_own_digits(self, content: dict[str, Any], caller: Caller) -> None:
        """Show the digits of gathers that this conversation started; elsewhere only their count is shown."""
        views = [*content.get("events", ()), *([content["event"]] if "event" in content else ())]
        for view in views:
            if not view["payload"].keys().isdisjoint(DIGIT_FIELDS):
                event = await (await self._events.store()).get(view["id"])
                if event and await self._is_of_own_gather(event, caller):
                    view["payload"] |= {name: event.payload[name] for name in DIGIT_FIELDS if name in event.payload}

    async def _is_of_own_gather(self, event: StoredEvent, caller: Caller) -> bool:
        """Whether digits were keyed in a caller's own gather: from its start to its end."""
        leg = event.call_control_id
        gather = self._guard.gate.gathers.started(caller, leg) if leg else None
        if gather is None or event.number <= gather.newest_event or event.occurred_at < gather.at:
            return False
        ended_since = EventFilter(
            types=frozenset({"call.gather.ended"}),
            call_control_id=leg,
            after_number=gather.newest_event,
            since=gather.at,
        )
        ends = await (await self._events.store()).find(ended_since, limit=_MAX_GATHER_ENDS, newest_first=False)
        # A gather that this one replaced ends as cancelled.
        until = gather.at + _REPLACES_WITHIN
        others = {end.id for end in ends if end.payload.get("status") == "cancelled" and end.occurred_at <= until}
        end = next((end for end in ends if end.id not in others), None)
        is_before_end = end is None or event.occurred_at < end.occurred_at or event.id == end.id
        return is_before_end and event.id not in others

    async def _newest_event_before(self, caller: Caller) -> int:
        """The number of the newest event before the caller's last command, or before the conversation."""
        last = await self._guard.ledger.last_write(caller.session)
        if caller.is_alone:
            return last.newest_event if last else self._events.connection.newest_at_start
        is_recent = last is not None and last.at > self._events.now() - _MAX_SESSION_AGE
        return last.newest_event if last and is_recent else self._events.connection.newest


def _new_figures(conference: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that the conference's view does not have, and those of participants that it does not list."""
    listed_ids = {person["call_control_id"] for person in conference["participants"]}
    others = [person for person in figures["participants"] if person["call_control_id"] not in listed_ids]
    new = {name: value for name, value in figures.items() if conference.get(name) != value and name != "participants"}
    return new | ({"participants": others} if others else {})


def _first_lines(events: Sequence[StoredEvent]) -> str:
    return listed([describe_event(event) for event in events], most=3, separator=" ")


def _count_text(total: int) -> str:
    return f"{total} events or more" if total >= MAX_COUNT else count(total, "event")


def _parse_time_argument(text: str, argument: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        either = "the id of a stored event or " if argument == "since" else ""
        raise CallRefused(f"{argument} must be {either}an ISO 8601 time such as 2026-01-31T12:00:00Z.") from None
