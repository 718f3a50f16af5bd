"""Converts an event to a row of the table, and back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ...database import microseconds, moment_of
from ...json_text import compact_json
from ..envelope import parse_payload
from ..event import Event, StoredEvent, Via
from .errors import UnfitEvent

COLUMNS = (
    "id",
    "type",
    "occurred_at",
    "received_at",
    "via",
    "verified",
    "conference_id",
    "call_control_id",
    "call_session_id",
    "queue",
    "signature",
    "signed_at",
    "body",
)
"""The columns of a `Row`."""

READ = ("number", *(column for column in COLUMNS if column not in ("signature", "signed_at")))
"""The columns of a `StoredEvent`."""

Text = str | None
Row = tuple[str, str, int, int, str, bool, Text, Text, Text, Text, Text, Text, bytes]


def stored_text(text: str) -> str:
    """Text as a database accepts it: unpaired surrogates and NUL become escapes."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _or_none(text: str | None) -> str | None:
    return None if text is None else stored_text(text)


def row_of(event: Event, received_at: datetime, body: bytes | None) -> Row:
    """The row of an event. `body`: what Telnyx posted; None creates a body from the event.

    Raises `UnfitEvent` when the payload cannot be written as JSON.
    """
    return (
        stored_text(event.id),
        stored_text(event.type),
        microseconds(event.occurred_at),
        microseconds(received_at),
        str(event.via),
        event.verified,
        _or_none(event.conference_id),
        _or_none(event.call_control_id),
        _or_none(event.call_session_id),
        _or_none(event.queue),
        event.signature.value if event.signature else None,
        event.signature.timestamp if event.signature else None,
        _body(event) if body is None else body,
    )


def _body(event: Event) -> bytes:
    """Complete, so that it can be parsed again where there is no store."""
    occurred_at = event.occurred_at.isoformat()
    fields = {"id": event.id, "event_type": event.type, "occurred_at": occurred_at, "payload": event.payload}
    try:
        return compact_json(fields, dict).encode(errors="replace")
    except (RecursionError, TypeError, ValueError) as error:
        raise UnfitEvent(f"An event's payload cannot be stored as JSON: {type(error).__name__}.") from None


def stored(event: Event, received_at: datetime, number: int) -> StoredEvent:
    """The event with the number that the database assigned."""
    return StoredEvent(
        id=event.id,
        type=event.type,
        occurred_at=event.occurred_at,
        payload=event.payload,
        via=event.via,
        verified=event.verified,
        conference_id=event.conference_id,
        call_control_id=event.call_control_id,
        call_session_id=event.call_session_id,
        queue=event.queue,
        number=number,
        received_at=received_at,
    )


def event_of(row: Sequence[Any]) -> StoredEvent:
    """The event of a row with the columns `READ`."""
    number, event_id, event_type, occurred, received, via, verified, conference, call, session, queue, body = row
    return StoredEvent(
        id=event_id,
        type=event_type,
        occurred_at=moment_of(occurred),
        payload=parse_payload(body),
        via=Via(via),
        verified=bool(verified),
        conference_id=conference,
        call_control_id=call,
        call_session_id=session,
        queue=queue,
        number=number,
        received_at=moment_of(received),
    )
