"""What the API answered about a conference or a queue. Fields of an unexpected type are ignored."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from .sanitize import clean_text, count_or_none, time_or_none


@dataclass(frozen=True, slots=True)
class ListedParticipant:
    """A participant as the API lists it."""

    call: str
    joined_at: datetime | None
    facts: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ConferenceSnapshot:
    fields: Mapping[str, Any]
    is_over: bool
    ended_at: datetime | None
    participants: tuple[ListedParticipant, ...] | None
    """Everyone in it. None: the API was not asked."""


@dataclass(frozen=True, slots=True)
class ListedCall:
    """A call in a queue, as the API lists it."""

    call: str
    since: datetime | None
    is_alive: bool


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    max_size: int | None
    calls: tuple[ListedCall, ...] | None
    """All waiting calls, in order. None: the API was not asked."""


_FLAGS = ("muted", "on_hold", "end_conference_on_exit", "soft_end_conference_on_exit")


def read_conference(answer: Mapping[str, Any], participants: Sequence[Mapping[str, Any]] | None) -> ConferenceSnapshot:
    """From `get_conference`, and from all pages of `list_participants`."""
    fields: dict[str, Any] = {name: clean_text(answer.get(name)) for name in ("name", "region", "end_reason")}
    fields["created_at"] = time_or_none(answer.get("created_at"))
    return ConferenceSnapshot(
        fields={name: value for name, value in fields.items() if value is not None},
        is_over=answer.get("status") == "completed",
        ended_at=time_or_none(answer.get("updated_at")),
        participants=None if participants is None else tuple(_participants(participants)),
    )


def _participants(items: Iterable[Mapping[str, Any]]) -> Iterator[ListedParticipant]:
    for item in items:
        call = item.get("call_control_id")
        if isinstance(call, str) and item.get("status") != "left":
            yield ListedParticipant(call, time_or_none(item.get("created_at")), tuple(_facts(item)))


def _facts(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, item[name]) for name in _FLAGS if isinstance(item.get(name), bool))
    listeners = item.get("whisper_call_control_ids")
    if isinstance(listeners, list):
        yield "whisper_to", [call for call in cast("list[Any]", listeners) if isinstance(call, str)]
        if listeners:
            yield "role", "whisper"
    names = {"label": clean_text(item.get("label")), "participant_id": clean_text(item.get("id"))}
    yield from ((name, value) for name, value in names.items() if value is not None)


def read_queue(answer: Mapping[str, Any], calls: Sequence[Mapping[str, Any]] | None) -> QueueSnapshot:
    """From `get_queue`, and from all pages of `list_queue_calls`."""
    return QueueSnapshot(count_or_none(answer.get("max_size")), None if calls is None else tuple(_calls(calls)))


def _calls(items: Sequence[Mapping[str, Any]]) -> Iterator[ListedCall]:
    """In the order of their positions. If the API gives none, in the order in which it lists them."""
    positions = [count_or_none(item.get("queue_position")) for item in items]
    if None not in positions:
        items = [item for _, item in sorted(zip(positions, items, strict=True), key=lambda pair: pair[0] or 0)]
    for item in items:
        call = item.get("call_control_id")
        if isinstance(call, str):
            yield ListedCall(call, time_or_none(item.get("enqueued_at")), item.get("is_alive") is not False)


def digest(*answers: Any) -> str:
    """An id for an answer: the same for the same answer."""
    return hashlib.sha256(json.dumps(answers, sort_keys=True, default=str).encode()).hexdigest()[:32]
