"""What the board shows, as lean JSON: what callers chose is cleaned and cut, and every list is bounded.

Times are moments, not durations: nothing in it changes but by what happens.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...tools.words import clean, quoted, shortened
from ..events.event import StoredEvent
from ..events.projection.event_text import describe_event, event_kind
from ..events.projection.sanitize import is_identifier
from ..events.times import iso
from ..guard.ledger import PendingApproval

if TYPE_CHECKING:
    from ..events.projection.views import ConferenceView, ParticipantView, QueueView, WaitingCall

MOST_ROOMS = 40
MOST_PEOPLE = 1_000
"""In all rooms together: as many as one conference can hold, and some."""
MOST_QUEUES = 40
MOST_WAITING = 200
"""In all queues together."""
_LONGEST_NAME = 80
_LONGEST_QUESTION = 2_000
_NUMBER = re.compile(r"\+[0-9]{5,15}")

Number = Callable[[str], str | None]


def rooms(seen: "Sequence[ConferenceView]") -> list[dict[str, Any]]:
    """Open conferences, of a list with the newest first, and who is in each: a new one comes last and moves nothing."""
    left, shown = MOST_PEOPLE, list[dict[str, Any]]()
    for one in reversed(seen[:MOST_ROOMS]):
        inside = [person for person in one.participants if person.left_at is None]
        shown.append(_room(one, inside[:left]))
        left -= min(left, len(inside))
    return shown


def _room(one: "ConferenceView", people: "Sequence[ParticipantView]") -> dict[str, Any]:
    return _lean(
        id=one.id,
        name=_name(one.name) or shortened(one.id),
        since=_at(one.started_at),
        present=one.present,
        people=[_person(person, one) for person in people],
        recording=one.recording.value if one.recording else None,
        playing=len(one.playing or ()) or None,
    )


def _person(one: "ParticipantView", room: "ConferenceView") -> dict[str, Any]:
    held, role = one.on_hold, one.role.value if one.role else None
    number = _name(one.number)
    label = _name(one.label)
    return _lean(
        leg=one.call_control_id,
        name=label or number or _leg(one.call_control_id),
        number=number if label else None,
        since=_at(one.joined_at),
        talking=_at(room.floor.since) if one.has_floor and room.floor else None,
        muted=bool(one.muted and one.muted.value) or None,
        held=_at(held.as_of) if held and held.value else None,
        role=role if role in ("monitor", "whisper", "barge") else None,
    )


def queues(seen: "Sequence[QueueView]") -> list[dict[str, Any]]:
    """Queues, with who waits in each, in order."""
    left, shown = MOST_WAITING, list[dict[str, Any]]()
    for one in seen[:MOST_QUEUES]:
        calls = [_waiting(call) for call in one.calls[:left]]
        left -= len(calls)
        most = one.max_size.value if one.max_size else None
        shown.append(_lean(name=_name(one.name) or "?", size=one.size, most=most, calls=calls))
    return shown


def _waiting(one: "WaitingCall") -> dict[str, Any]:
    name = _name(one.number) or _leg(one.call_control_id)
    return _lean(leg=one.call_control_id, name=name, since=_at(one.since), gone=True if one.is_alive is False else None)


def approvals(pending: Sequence[PendingApproval], codes: frozenset[str] | None) -> dict[str, Any]:
    """The questions that wait: in full those of these codes (None: all), of the others how many."""
    own = [one for one in pending if codes is None or one.code in codes]
    others = len(pending) - len(own)
    return _lean(approvals=[approval(one) for one in own[:20]], others_waiting=others or None)


def approval(one: PendingApproval) -> dict[str, Any]:
    """One question, as its card shows it."""
    return {
        "code": one.code,
        "tool": one.tool,
        "risk": one.risk,
        "question": clean(one.question, _LONGEST_QUESTION),
        "expires_at": iso(one.expires_at),
    }


class Names:
    """What to call legs and rooms in a sentence."""

    def __init__(self, seen: "Sequence[ConferenceView]", number: Number) -> None:
        """`number`: the far end's, by the leg."""
        self._labels = {one.call_control_id: one.label for room in seen for one in room.participants}
        self._rooms = {room.id: room.name for room in seen}
        self._number = number

    def said_of(self, event: StoredEvent) -> Mapping[str, str]:
        """The words in which an event is told."""
        leg, room = event.call_control_id or "", self._rooms.get(event.conference_id or "")
        name = self._labels.get(leg) or self._number(leg)
        return {
            "who": said(name) if name else _leg(leg) if leg else "somebody",
            "room": said(room) if room else "a conference",
            "queue": said(event.queue) if event.queue else "a queue",
        }


def happened(events: Sequence[StoredEvent], names: Names) -> list[dict[str, Any]]:
    """Events, each in a line."""
    return [
        {"id": one.id, "at": iso(one.occurred_at), "kind": event_kind(one.type), "text": _sentence(one, names)}
        for one in events
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
    "conference.playback.started": "A file began to play in {room}.",
    "conference.playback.ended": "A file ended in {room}.",
    "conference.speak.started": "A text is being said in {room}.",
    "conference.speak.ended": "A text ended in {room}.",
    "conference.recording.saved": "A recording of {room} was saved.",
}


def _sentence(event: StoredEvent, names: Names) -> str:
    direction = event.payload.get("direction")
    template = _SENTENCES.get(event.type) or _SENTENCES.get(f"{event.type} {direction}")
    if template is None:
        return describe_event(event)
    told = template.format_map(names.said_of(event))
    return f"{told[0].upper()}{told[1:]}"


def said(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name as somebody chose it, in quotation marks; a number needs none."""
    return name if _NUMBER.fullmatch(name) else quoted(name, longest)


def _leg(id_: str) -> str:
    return shortened(id_) if is_identifier(id_) else quoted(id_)


def _name(text: str | None) -> str | None:
    return clean(text, _LONGEST_NAME) or None if text else None


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _lean(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
