"""What the API answered about a conference or a queue, read with care: an odd field is as if it were not there."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from .sanitize import moment, text, whole


@dataclass(frozen=True, slots=True)
class ListedParticipant:
    """Somebody in a conference, as the API lists them."""

    call: str
    joined_at: datetime | None
    facts: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ConferenceSnapshot:
    fields: Mapping[str, Any]
    is_over: bool
    ended_at: datetime | None
    participants: tuple[ListedParticipant, ...] | None
    """Everyone in it; None: was not asked."""


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
    """All that wait, in order; None: was not asked."""


_FLAGS = ("muted", "on_hold", "end_conference_on_exit", "soft_end_conference_on_exit")


def read_conference(answer: Mapping[str, Any], participants: Sequence[Mapping[str, Any]] | None) -> ConferenceSnapshot:
    """From `get_conference`, and from every page of `list_participants`."""
    read: dict[str, Any] = {name: text(answer.get(name)) for name in ("name", "region", "end_reason")}
    read["created_at"] = moment(answer.get("created_at"))
    return ConferenceSnapshot(
        fields={name: value for name, value in read.items() if value is not None},
        is_over=answer.get("status") == "completed",
        ended_at=moment(answer.get("updated_at")),
        participants=None if participants is None else tuple(_listed(participants)),
    )


def _listed(participants: Iterable[Mapping[str, Any]]) -> Iterator[ListedParticipant]:
    for one in participants:
        call = one.get("call_control_id")
        if isinstance(call, str) and one.get("status") != "left":
            yield ListedParticipant(call, moment(one.get("created_at")), tuple(_facts(one)))


def _facts(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, one[name]) for name in _FLAGS if isinstance(one.get(name), bool))
    heard_by = one.get("whisper_call_control_ids")
    if isinstance(heard_by, list):
        yield "whisper_to", [leg for leg in cast("list[Any]", heard_by) if isinstance(leg, str)]
        if heard_by:
            yield "role", "whisper"
    labels = {"label": text(one.get("label")), "participant_id": text(one.get("id"))}
    yield from ((name, label) for name, label in labels.items() if label is not None)


def read_queue(answer: Mapping[str, Any], calls: Sequence[Mapping[str, Any]] | None) -> QueueSnapshot:
    """From `get_queue`, and from every page of `list_queue_calls`."""
    listed = None if calls is None else tuple(_waiting(calls))
    return QueueSnapshot(whole(answer.get("max_size")), listed)


def _waiting(calls: Sequence[Mapping[str, Any]]) -> Iterator[ListedCall]:
    """In the order of their places; where the API does not say, as it listed them."""
    places = [whole(one.get("queue_position")) for one in calls]
    if None not in places:
        calls = [one for _, one in sorted(zip(places, calls, strict=True), key=lambda pair: pair[0] or 0)]
    for one in calls:
        call = one.get("call_control_id")
        if isinstance(call, str):
            yield ListedCall(call, moment(one.get("enqueued_at")), one.get("is_alive") is not False)


def digest(*answers: Any) -> str:
    """An id of what was answered: the same for the same answer."""
    return hashlib.sha256(json.dumps(answers, sort_keys=True, default=str).encode()).hexdigest()[:32]
