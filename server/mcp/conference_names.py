"""Lets a call name a conference instead of giving its id."""

import re
from typing import Any, TypeVar, cast

from ...tools.base import Tool
from ...tools.conferences import ConferenceFilter, ListConferences
from ...tools.pagination import Read
from ...tools.results import Conference
from ...tools.text import clean_id, quoted
from ..errors import CallFailed, CallRefused

ToolT = TypeVar("ToolT", bound=Tool)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|v[0-9]+:\S+", re.IGNORECASE)
"""What is certainly not a name: a conference's id, or a call leg's given by mistake."""
_MAX_CANDIDATES = 5


async def with_conference_id(tool: ToolT, read: Read) -> tuple[ToolT, str | None]:
    """The call with the conference's id in place of its name, and a sentence that says so; else the call as it is.

    Raises `CallRefused` with the candidates if several open conferences have the name.
    """
    config = getattr(tool, "conference_config", None)
    name: str | None = getattr(config if config is not None else tool, "conference_id", None)
    if name is None or _ID.fullmatch(name):
        return tool, None
    conference = await _open_conference(tool, name, read)
    if conference is None:
        return tool, None
    update: dict[str, Any] = {"conference_id": conference.id}
    if config is not None:
        update = {"conference_config": config.model_copy(update=update)}
    return tool.model_copy(update=update), f"The conference {quoted(name)} has the id {conference.id}."


async def _open_conference(tool: Tool, name: str, read: Read) -> Conference | None:
    try:
        page = await read(ListConferences(filter=ConferenceFilter(name=name)))
    except CallFailed:
        return None
    conferences = cast("list[Conference]", ListConferences.result.read(page)["conferences"])
    candidates = [room for room in conferences if room.id and room.name == name and room.status != "completed"]
    if len(candidates) <= 1:
        return candidates[0] if candidates else None
    ids = ", ".join(f"{clean_id(str(room.id))} (since {room.created_at})" for room in candidates[:_MAX_CANDIDATES])
    raise CallRefused(
        f"{tool.tool_name()} was not called: {len(candidates)} open conferences are named {quoted(name)}. Call it "
        f"again with the conference_id of one of them: {ids}."
    )
