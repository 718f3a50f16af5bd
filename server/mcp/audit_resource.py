"""`telnyx://audit`: what the agent did itself in this session, and what it has left open."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ..events.service import EventService
from ..events.times import iso
from ..guard import Caller, Guard
from ..guard.ledger import AuditRecord
from ..guard.outstanding import open_ends
from .event_resources import JSON, SCHEME, ResourceKind, ResourceReader, UriVariables

_MOST = 50
_MOST_RECORDS = 3_000
_LASTS = timedelta(hours=5)
"""What is older is over: no conference lasts longer than four hours."""
_SHOWN = ("tool", "does", "arguments", "risk", "outcome", "why", "asked", "telnyx", "ms")


def template(guard: Guard, events: EventService) -> ResourceKind:
    """The resource, for the agent of one conversation: nobody else's actions are in it."""

    async def read(reader: ResourceReader, given: UriVariables) -> dict[str, Any]:
        caller: Caller = given.reader
        await guard.recorder.flush()
        records = await guard.ledger.newest(_MOST_RECORDS, caller.session)
        if not caller.is_alone:
            records = [record for record in records if record.at > events.now() - _LASTS]
        ends = [end for end in open_ends(_done(records)) if not _is_over(events, end["arguments"])]
        return {"actions": _actions(records)[:_MOST], "left_open": ends}

    return ResourceKind(
        f"{SCHEME}audit",
        "session audit",
        "What I did",
        "Your own actions in this session, newest first, and what is still held, muted or recording because of them.",
        JSON,
        read,
        {},
    )


def _done(records: list[AuditRecord]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What Telnyx has accepted, in order."""
    for record in reversed(records):
        if record.entry.get("outcome") == "done":
            yield str(record.entry.get("tool")), record.entry.get("arguments", {})


def _actions(records: list[AuditRecord]) -> list[dict[str, Any]]:
    """One for each call, newest first: its last record says how it ended."""
    latest: dict[str, AuditRecord] = {}
    for record in records:
        latest.setdefault(str(record.entry.get("call")), record)
    return [{"at": iso(record.at), **_shown(record.entry)} for record in latest.values()]


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: entry[name] for name in _SHOWN if name in entry}
    asked: dict[str, Any] = shown.get("asked", {})
    # The code of a question is for a person: the refusal names it once, and nothing lists it.
    return shown | ({"asked": {name: asked[name] for name in asked if name != "code"}} if asked else {})


def _is_over(events: EventService, arguments: Mapping[str, Any]) -> bool:
    seen = events.picture.conference(str(arguments.get("conference_id")), events.now())
    return seen is not None and seen.status == "ended"
