"""The resource `telnyx://audit`: the agent's own actions in this session, and what it left open."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ..events.service import EventService
from ..events.times import iso
from ..guard import Caller, Guard
from ..guard.ledger import AuditRecord
from ..guard.outstanding import outstanding_states
from .event_resources import JSON, SCHEME, ResourceKind, ResourceReader, UriVariables

_MAX_ACTIONS = 50
_MAX_RECORDS = 3_000
_MAX_AGE = timedelta(hours=5)
"""Nothing older can still be open: a conference lasts four hours at most."""
_FIELDS = ("tool", "does", "arguments", "risk", "outcome", "why", "asked", "telnyx", "ms")


def template(guard: Guard, events: EventService) -> ResourceKind:
    """The resource. It shows only actions of the conversation that reads it."""

    async def read(reader: ResourceReader, variables: UriVariables) -> dict[str, Any]:
        caller: Caller = variables.reader
        await guard.audit_writer.flush()
        records = await guard.ledger.newest(_MAX_RECORDS, caller.session)
        if not caller.is_alone:
            records = [record for record in records if record.at > events.now() - _MAX_AGE]
        left_open = [end for end in outstanding_states(_accepted(records)) if not _is_over(events, end["arguments"])]
        return {"actions": _actions(records)[:_MAX_ACTIONS], "left_open": left_open}

    return ResourceKind(
        f"{SCHEME}audit",
        "session audit",
        "What I did",
        "Your own actions in this session, newest first, and what is still held, muted or recording because of them.",
        JSON,
        read,
        {},
    )


def _accepted(records: list[AuditRecord]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The calls that Telnyx accepted, oldest first."""
    for record in reversed(records):
        if record.entry.get("outcome") == "done":
            yield str(record.entry.get("tool")), record.entry.get("arguments", {})


def _actions(records: list[AuditRecord]) -> list[dict[str, Any]]:
    """One entry a call, newest first, from the last record of the call, which says how it ended."""
    latest: dict[str, AuditRecord] = {}
    for record in records:
        latest.setdefault(str(record.entry.get("call")), record)
    return [{"at": iso(record.at), **_action(record.entry)} for record in latest.values()]


def _action(entry: Mapping[str, Any]) -> dict[str, Any]:
    action = {name: entry[name] for name in _FIELDS if name in entry}
    approval: dict[str, Any] = action.get("asked", {})
    # The code of a question is for a person: only the refusal contains it.
    return action | ({"asked": {name: approval[name] for name in approval if name != "code"}} if approval else {})


def _is_over(events: EventService, arguments: Mapping[str, Any]) -> bool:
    conference = events.projection.conference(str(arguments.get("conference_id")), events.now())
    return conference is not None and conference.status == "ended"
