"""`telnyx://audit`: what the agent did itself in this session, and what it has left open."""

from collections.abc import Mapping
from typing import Any

from .events.resources import JSON, SCHEME, Reader, Template
from .events.service import EventService
from .events.times import iso
from .guard import Guard, Ledger
from .guard.ledger import Record
from .guard.open_ends import open_ends

_MOST = 50
_SHOWN = ("tool", "does", "arguments", "risk", "outcome", "why", "asked", "telnyx", "ms")


def template(guard: Guard, ledger: Ledger, events: EventService) -> Template:
    """The resource, for the agent of this server's session: nobody else's actions are in it."""

    async def read(reader: Reader, given: Mapping[str, str]) -> dict[str, Any]:
        await guard.recorder.flush()
        records = await ledger.newest(3 * _MOST, guard.session)  # a call leaves three at the most
        ends = [end for end in open_ends(guard.done) if not _is_over(events, end["arguments"])]
        return {"actions": _actions(records)[:_MOST], "left_open": ends}

    return Template(
        f"{SCHEME}audit",
        "session audit",
        "What I did",
        "Your own actions in this session, newest first, and what is still held, muted or recording because of them.",
        JSON,
        read,
        {},
    )


def _actions(records: list[Record]) -> list[dict[str, Any]]:
    """One for each call, newest first: its last record says how it ended."""
    latest: dict[str, Record] = {}
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
