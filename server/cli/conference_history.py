"""What the store knows of a conference: its events, and the commands in the audit, as a projection."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from ..events.event import StoredEvent
from ..events.projection.command_effects import CONFERENCE
from ..events.projection.projection import Projection
from ..guard.ledger import AuditRecord, Ledger

_MAX_NUMBER = 2**63 - 1
MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""Between a conference's creation and its audit record: the clocks of Telnyx and of this machine differ."""
_MAX_CLOCK_DISORDER = timedelta(hours=1)
_MAX_RECORDS = 200_000
CREATED = "conference.created"
_CONFERENCE_TOOLS = frozenset({*CONFERENCE, "create_conference"})


async def read_commands(ledger: Ledger, since: datetime | None = None) -> AsyncGenerator[AuditRecord]:
    """Audit records of commands to conferences, newest first, back to this time and somewhat beyond."""
    number, remaining = _MAX_NUMBER, _MAX_RECORDS
    while remaining > 0 and (records := await ledger.before(number)):
        for record in records:
            if record.entry.get("outcome") == "done" and record.entry.get("tool") in _CONFERENCE_TOOLS:
                yield record
        number, remaining = records[-1].number, remaining - len(records)
        # Records are numbered when they are committed, not when they happened.
        if since is not None and records[-1].at < since - _MAX_CLOCK_DISORDER:
            return


def project(conference_id: str, events: Sequence[StoredEvent], commands: Sequence[AuditRecord]) -> Projection:
    projection = Projection()
    for event in events:
        projection.add(event)
    for record in reversed(commands):
        if arguments_of(record).get("conference_id") == conference_id:
            projection.record_command(str(record.entry["tool"]), arguments_of(record), record.at)
    for event in events:
        if event.type == CREATED and event.conference_id == conference_id:
            fields = {"id": conference_id, "name": _name(event, commands)}
            projection.merge_conference(fields, None, event.occurred_at)
    return projection


def _name(created: StoredEvent, commands: Sequence[AuditRecord]) -> Any:
    """The name under which this server created a conference; None: another program created it."""
    names = {
        abs(record.at - created.occurred_at): arguments_of(record).get("name")
        for record in commands
        if record.entry.get("tool") == "create_conference"
        and arguments_of(record).get("call_control_id") == created.call_control_id
    }
    nearest = min(names, default=MAX_CLOCK_DIFFERENCE)
    return names[nearest] if nearest < MAX_CLOCK_DIFFERENCE else None


def arguments_of(record: AuditRecord) -> Mapping[str, Any]:
    arguments = record.entry.get("arguments")
    return cast("Mapping[str, Any]", arguments) if isinstance(arguments, dict) else {}
