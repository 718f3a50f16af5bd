"""Lets a call name a conference instead of giving its id."""

import re
from typing import Any, TypeVar, cast

from ...tools.base import Tool
from ...tools.conferences import ConferenceFilter, GetConference, ListConferences
from ...tools.events import ConferenceSummary, ListEvents
from ...tools.pagination import Read
from ...tools.participants import ListParticipants
from ...tools.recordings import ListRecordings
from ...tools.results import Conference
from ...tools.text import clean_id, quoted
from ...tools.transcription import ConferenceTranscript
from ..errors import CallFailed, CallRefused

ToolT = TypeVar("ToolT", bound=Tool)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|v[0-9]+:\S+", re.IGNORECASE)
"""What is certainly not a name: a conference's id, or a call leg's given by mistake."""
_MAX_CANDIDATES = 5
_OF_THE_PAST = (ConferenceSummary, ConferenceTranscript, GetConference, ListEvents, ListParticipants, ListRecordings)
"""Tools that also find a conference that has ended by its name."""


async def with_conference_id(tool: ToolT, read: Read) -> tuple[ToolT, str | None]:
    """The call with the conference's id in place of its name, and a sentence that says so, or the unchanged call.

    Raises `CallRefused` with the candidates if several conferences have the name, and if a filter, which would find
    nothing, has a name that no conference has.
    """
    parts = (part for part in ("conference_config", "filter") if hasattr(getattr(tool, part, None), "conference_id"))
    part = next(parts, None)
    name: str | None = getattr(tool if part is None else getattr(tool, part), "conference_id", None)
    if name is None or _ID.fullmatch(name):
        return tool, None
    conference = await _conference(tool, name, read)
    if conference is None and part == "filter":
        raise CallRefused(f"{tool.tool_name()} was not called: no conference is named {quoted(name)}. Give its id.")
    if conference is None:
        return tool, None
    update: dict[str, Any] = {"conference_id": conference.id}
    if part is not None:
        update = {part: getattr(tool, part).model_copy(update=update)}
    return tool.model_copy(update=update), f"The conference {quoted(name)} has the id {conference.id}."


async def _conference(tool: Tool, name: str, read: Read) -> Conference | None:
    try:
        page = await read(ListConferences(filter=ConferenceFilter(name=name)))
    except CallFailed:
        return None
    conferences = cast("list[Conference]", ListConferences.result.read(page)["conferences"])
    named = [room for room in conferences if room.id and room.name == name]
    candidates = [room for room in named if room.status != "completed"]
    if not candidates and isinstance(tool, _OF_THE_PAST):
        candidates = named
    if len(candidates) <= 1:
        return candidates[0] if candidates else None
    ids = ", ".join(f"{clean_id(str(room.id))} (since {room.created_at})" for room in candidates[:_MAX_CANDIDATES])
    kind = "past" if candidates[0].status == "completed" else "open"
    raise CallRefused(
        f"{tool.tool_name()} was not called: {len(candidates)} {kind} conferences are named {quoted(name)}. Call it "
        f"again with the conference_id of one of them: {ids}."
    )
