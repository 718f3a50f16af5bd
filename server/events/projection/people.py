"""Who is on a call leg, and in which state: one view and one description for questions, the board and tools.

`Projection.person` returns the view, `describe_person` the words.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

from ....tools.results import Participant
from ....tools.text import quoted
from ..times import iso
from .sanitize import format_duration, is_identifier, quote_data, short_identifier
from .views import ParticipantView, View, When

_SIP_SCHEMES = ("sip:", "sips:")
_MAX_NAME_LENGTH = 40


class PersonView(View):
    """Who is on a call leg, and in which state. Fields that are not known, or do not apply, are None."""

    call_control_id: str
    number: str | None = None
    """The phone number or SIP address at the far end."""
    caller_name: str | None = None
    """The name that the caller's network sent. Anyone can choose it."""
    label: str | None = None
    """The participant's label in the conference."""
    role: Literal["host", "barge", "monitor", "whisper"] | None = None
    """host: the conference ends when this participant leaves. The others are supervisors."""
    conference_id: str | None = None
    """The conference that the leg is in."""
    joined_at: When | None = None
    is_muted: bool = False
    muted_since: When | None = None
    """None although it is muted: not known."""
    is_on_hold: bool = False
    on_hold_since: When | None = None
    """None although it is on hold: not known."""
    queue: str | None = None
    """The queue in which the call waits."""
    queued_at: When | None = None
    is_alive: bool = True
    """False: the call has hung up."""

    @property
    def name(self) -> str:
        """What to call the person: number or SIP name, and in brackets the label, role or caller name."""
        who = _short_address(self.number) or short_identifier(self.call_control_id)
        known_as = self.label or self.role or self.caller_name
        if known_as is None or known_as == self.number:
            return who
        return f"{who} ({_plain(known_as)})"


def person_in(participant: ParticipantView, conference_id: str) -> PersonView:
    """A participant of a conference as a person."""
    muted, on_hold = participant.muted, participant.on_hold
    return PersonView(
        call_control_id=participant.call_control_id,
        number=participant.number,
        caller_name=participant.caller_name,
        label=participant.label,
        role=_role(participant),
        conference_id=conference_id,
        joined_at=participant.joined_at,
        is_muted=bool(muted and muted.value),
        muted_since=muted.since if muted and muted.value else None,
        is_on_hold=bool(on_hold and on_hold.value),
        on_hold_since=on_hold.since if on_hold and on_hold.value else None,
        is_alive=participant.left_because != "hangup",
    )


def _role(participant: ParticipantView) -> Literal["host", "barge", "monitor", "whisper"] | None:
    match participant.role.value if participant.role else None:
        case "barge" | "monitor" | "whisper" as role:
            return role
        case _:
            exits = (participant.end_conference_on_exit, participant.soft_end_conference_on_exit)
            return "host" if any(fact is not None and fact.value for fact in exits) else None


def describe_person(person: PersonView, now: datetime) -> str:
    """A person and their state in a few words, such as `+12025550152 (agent) muted, on hold for 2:10`."""
    states: list[str] = []
    if person.is_muted:
        states.append("muted")
    if person.is_on_hold:
        held = f" for {format_duration(now - person.on_hold_since)}" if person.on_hold_since else ""
        states.append(f"on hold{held}")
    if person.queue is not None:
        waited = f" for {format_duration(now - person.queued_at)}" if person.queued_at else ""
        states.append(f"waiting in queue {quoted(person.queue)}{waited}")
    if not person.is_alive:
        states.append("hung up")
    return f"{person.name} {', '.join(states)}" if states else person.name


def add_people(
    participants: Iterable[Participant], find: Callable[[str, datetime], PersonView | None], now: datetime
) -> None:
    """Add to participants that the API listed who they are, and since when they are muted or on hold."""
    for participant in participants:
        if participant.call_control_id is None:
            continue
        person = _as_listed(find(participant.call_control_id, now), participant)
        participant.number, participant.caller_name = person.number, person.caller_name
        participant.role = person.role
        participant.muted_since = iso(person.muted_since) if person.muted_since else None
        participant.on_hold_since = iso(person.on_hold_since) if person.on_hold_since else None
        status = f" ({participant.status})" if participant.status not in (None, "joined") else ""
        participant.about = f"{describe_person(person, now)}{status}"


def _as_listed(person: PersonView | None, participant: Participant) -> PersonView:
    """The person on a participant's leg, with the state as the API lists it."""
    view = person or PersonView(call_control_id=participant.call_control_id or "")
    state = {
        "label": participant.label or view.label,
        "role": view.role or ("host" if participant.end_conference_on_exit else None),
        "is_muted": bool(participant.muted),
        "muted_since": view.muted_since if participant.muted else None,
        "is_on_hold": bool(participant.on_hold),
        "on_hold_since": view.on_hold_since if participant.on_hold else None,
        "queue": None,  # it left the queue, although the event of that may still be on its way
    }
    return view.model_copy(update=state)


def _short_address(number: str | None) -> str | None:
    """A phone number as it is; of a SIP address only the name before the host."""
    if number is None:
        return None
    for scheme in _SIP_SCHEMES:
        if number.lower().startswith(scheme):
            number = number[len(scheme) :].partition("@")[0]
    return _plain(number)


def _plain(text: str) -> str:
    """Text that a caller chose. It needs no quotation marks if it looks like a number, an id or one word."""
    return text if is_identifier(text) and len(text) <= _MAX_NAME_LENGTH else quote_data(text)
