"""The board's content as compact JSON. Texts from callers are cleaned and shortened, and every list is bounded.

Times are moments and not durations, so that the content changes only when something happens.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...tools.text import clean, quoted, quoted_unless_number, short_id
from ..events.event import StoredEvent
from ..events.projection.event_text import describe_event, event_kind
from ..events.projection.sanitize import is_identifier
from ..events.times import iso
from ..guard.ledger import MAX_QUESTION_LENGTH, PendingApproval

if TYPE_CHECKING:
    from ..events.projection.views import ConferenceView, ParticipantView, QueueView, WaitingCall

MAX_ROOMS = 40
MAX_PEOPLE = 1_000
"""In all rooms together: more than one conference can hold."""
MAX_QUEUES = 40
MAX_WAITING = 200
"""In all queues together."""
_MAX_NAME_LENGTH = 80
_MAX_APPROVALS = 20

NumberOf = Callable[[str], str | None]
"""The far end's number, by call control id."""


def room_views(conferences: "Sequence[ConferenceView]") -> list[dict[str, Any]]:
    """Open conferences with their participants, the newest last, so that a new one moves no other on the page.

    `conferences`: the newest first.
    """
    room_for, views = MAX_PEOPLE, list[dict[str, Any]]()
    for conference in reversed(conferences[:MAX_ROOMS]):
        present = [person for person in conference.participants if person.left_at is None]
        views.append(_room_view(conference, present[:room_for]))
        room_for -= min(room_for, len(present))
    return views


def _room_view(conference: "ConferenceView", people: "Sequence[ParticipantView]") -> dict[str, Any]:
    return _without_none(
        id=conference.id,
        name=_name(conference.name) or short_id(conference.id),
        since=_at(conference.started_at),
        present=conference.present,
        people=[_person_view(person, conference) for person in people],
        recording=conference.recording.value if conference.recording else None,
        playing=len(conference.playing or ()) or None,
    )


def _person_view(person: "ParticipantView", conference: "ConferenceView") -> dict[str, Any]:
    held, role = person.on_hold, person.role.value if person.role else None
    number = _name(person.number)
    label = _name(person.label)
    return _without_none(
        leg=person.call_control_id,
        name=label or number or _leg(person.call_control_id),
        number=number if label else None,
        since=_at(person.joined_at),
        talking=_at(conference.floor.since) if person.has_floor and conference.floor else None,
        muted=bool(person.muted and person.muted.value) or None,
        held=_at(held.since) if held and held.value else None,
        role=role if role in ("monitor", "whisper", "barge") else None,
    )


def queue_views(queues: "Sequence[QueueView]") -> list[dict[str, Any]]:
    """Queues with their waiting calls, in order."""
    room_for, views = MAX_WAITING, list[dict[str, Any]]()
    for queue in queues[:MAX_QUEUES]:
        calls = [_call_view(call) for call in queue.calls[:room_for]]
        room_for -= len(calls)
        max_size = queue.max_size.value if queue.max_size else None
        views.append(_without_none(name=_name(queue.name) or "?", size=queue.size, most=max_size, calls=calls))
    return views


def _call_view(call: "WaitingCall") -> dict[str, Any]:
    name = _name(call.number) or _leg(call.call_control_id)
    is_gone = True if call.is_alive is False else None
    return _without_none(leg=call.call_control_id, name=name, since=_at(call.since), gone=is_gone)


def approval_views(pending: Sequence[PendingApproval], codes: frozenset[str]) -> dict[str, Any]:
    """Pending approval requests: those with these codes in full, and how many others there are."""
    approvals = [approval for approval in pending if approval.code in codes]
    others = len(pending) - len(approvals)
    views = [approval_view(approval) for approval in approvals[:_MAX_APPROVALS]]
    return _without_none(approvals=views, others_waiting=others or None)


def approval_view(approval: PendingApproval) -> dict[str, Any]:
    """One approval request, as its card shows it."""
    return _without_none(
        code=approval.code,
        tool=approval.tool,
        risk=approval.risk,
        question=clean(approval.question, MAX_QUESTION_LENGTH),
        expires_at=iso(approval.expires_at),
        room=approval.conference_id,
    )


class Names:
    """Names for call legs and conferences in sentences."""

    def __init__(self, conferences: "Sequence[ConferenceView]", number_of: NumberOf) -> None:
        people = [person for conference in conferences for person in conference.participants]
        self._labels = {person.call_control_id: person.label for person in people}
        self._rooms = {conference.id: conference.name for conference in conferences}
        self._number_of = number_of

    def of(self, event: StoredEvent) -> Mapping[str, str]:
        """The names to fill into an event's sentence."""
        leg, room = event.call_control_id or "", self._rooms.get(event.conference_id or "")
        name = self._labels.get(leg) or self._number_of(leg)
        return {
            "who": quoted_unless_number(name) if name else _leg(leg) if leg else "a caller",
            "room": quoted_unless_number(room) if room else "a conference",
            "queue": quoted_unless_number(event.queue) if event.queue else "a queue",
        }


def event_views(events: Sequence[StoredEvent], names: Names) -> list[dict[str, Any]]:
    """Events, each with a sentence."""
    return [
        {"id": event.id, "at": iso(event.occurred_at), "kind": event_kind(event.type), "text": _sentence(event, names)}
        for event in events
    ]


_SENTENCES: Mapping[str, str] = {
    "call.initiated incoming": "{who} calls.",
    "call.initiated outgoing": "{who} is called.",
    "call.answered": "{who} is on the line.",
    "call.enqueued": "{who} waits in {queue}.",
    "call.dequeued": "{who} left {queue}.",
    "call.hangup": "{who} hung up.",
    "conference.created": "{room} was opened.",
    "conference.ended": "{room} ended.",
    "conference.participant.joined": "{who} joined {room}.",
    "conference.participant.left": "{who} left {room}.",
    "conference.floor.changed": "{who} speaks in {room}.",
    "conference.playback.started": "An audio file started playing in {room}.",
    "conference.playback.ended": "An audio file finished in {room}.",
    "conference.speak.started": "A text is being spoken in {room}.",
    "conference.speak.ended": "A text finished in {room}.",
    "conference.recording.saved": "A recording of {room} was saved.",
    "call.transcription": "What {who} said was transcribed.",
}


def _sentence(event: StoredEvent, names: Names) -> str:
    direction = event.payload.get("direction")
    template = _SENTENCES.get(event.type) or _SENTENCES.get(f"{event.type} {direction}")
    if template is None:
        return describe_event(event)
    sentence = template.format_map(names.of(event))
    return f"{sentence[0].upper()}{sentence[1:]}"


def _leg(id_: str) -> str:
    return short_id(id_) if is_identifier(id_) else quoted(id_)


def _name(text: str | None) -> str | None:
    return clean(text, _MAX_NAME_LENGTH) or None if text else None


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
