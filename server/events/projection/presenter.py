"""Builds the views from the folded state."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from .conference import ActiveSound, Conference
from .facts import fact_view
from .participant import Participant
from .queue import Queue
from .sanitize import seconds
from .views import (
    ConferenceSummary,
    ConferenceView,
    Floor,
    ParticipantSummary,
    ParticipantView,
    QueueView,
    SavedRecording,
    Sound,
    WaitingCall,
)

MAX_LEFT_PARTICIPANTS = 100
"""Participants who have left in a view."""
_ONLY_IF_TRUE = ("whisper_to", "end_conference_on_exit", "soft_end_conference_on_exit")
"""Facts that a view has only if they apply."""
MAX_PARTICIPANTS = 300
"""Participants in a summary."""


class CallerId(NamedTuple):
    """The far end of a call leg."""

    number: str | None = None
    name: str | None = None


Identify = Callable[[str], CallerId]
"""The far end of a call leg, by its call_control_id."""


def conference_view(id_: str, state: Conference, identify: Identify, now: datetime) -> ConferenceView:
    """A conference as it is at `now`."""
    end = state.ended_by(now)
    departed = sorted((person for person in state.participants.values() if not person.is_in), key=_last_left_first)
    present = [] if end else list(state.present.values())
    former = [*(state.present.values() if end else ()), *departed]
    participants = [*present, *former[:MAX_LEFT_PARTICIPANTS]]
    return ConferenceView(
        id=id_,
        name=state.api_fields.get("name"),
        region=state.api_fields.get("region"),
        status="ended" if end else "open",
        status_from=_status_from(state, end),
        started_at=state.started_at,
        ended_at=end,
        end_reason=_end_reason(state, end),
        seconds=_duration(state, end or now),
        present=len(present),
        participants=[participant_view(person, state, identify, end, now) for person in participants],
        left_not_shown=len(former) - MAX_LEFT_PARTICIPANTS if len(former) > MAX_LEFT_PARTICIPANTS else None,
        floor=_floor(state, end),
        playing=[_sound_view(active) for active in state.sounds] or None if not end else None,
        recording=state.recording.view() if state.recording and not end else None,
        recordings=_recordings(state),
        api_asked_at=state.api_read_at,
    )


def _status_from(state: Conference, end: datetime | None) -> Any:
    if end is None or (state.ended_at is not None and not state.ended_from_api):
        return None
    return "api" if state.ended_from_api else "time"


def _end_reason(state: Conference, end: datetime | None) -> str | None:
    return state.end_reason or ("time_exceeded" if end and not state.ended_at else None)


def _duration(state: Conference, until: datetime) -> int | None:
    return None if state.started_at is None else seconds(until - state.started_at)


def _last_left_first(person: Participant) -> tuple[float, str]:
    return -person.left_at.timestamp() if person.left_at else 0.0, person.call


def _floor(state: Conference, end: datetime | None) -> Floor | None:
    if state.floor is None or state.floor_since is None or end is not None:
        return None
    return Floor(call_control_id=state.floor, since=state.floor_since)


def _sound_view(active: ActiveSound) -> Sound:
    fields: dict[str, Any] = {"kind": active.kind, "to": active.to, "since": active.since, **active.media}
    return Sound(**fields)


def _recordings(state: Conference) -> list[SavedRecording] | None:
    return [_recording_view(detail) for detail in state.recordings.values()] or None


def _recording_view(detail: Mapping[str, Any]) -> SavedRecording:
    started_at, ended_at = detail.get("recording_started_at"), detail.get("recording_ended_at")
    return SavedRecording(
        recording_id=detail["recording_id"],
        format=detail.get("format"),
        channels=detail.get("channels"),
        started_at=started_at,
        ended_at=ended_at,
        seconds=seconds(ended_at - started_at) if started_at and ended_at else None,
    )


def _shared_fields(person: Participant, identify: Identify, end: datetime | None, now: datetime) -> dict[str, Any]:
    """The fields that a participant's view and the summary share."""
    until = end or now
    time_in = person.time_in(until)
    left_at, because = (end, "conference ended") if person.is_in and end else (person.left_at, person.left_because)
    caller = identify(person.call)
    return {
        "call_control_id": person.call,
        "number": caller.number,
        "caller_name": caller.name,
        "label": person.facts["label"].value if "label" in person.facts else None,
        "joined_at": person.joined_at,
        "left_at": left_at,
        "left_because": because,
        "seconds": None if time_in is None else seconds(time_in),
        "stays": person.stays if person.stays > 1 else None,
        "hold_seconds": seconds(person.hold_time.total(until)) if person.hold_time.is_known else None,
        "talk_turns": person.talk_turns,
    }


def participant_view(
    person: Participant, state: Conference, identify: Identify, end: datetime | None, now: datetime
) -> ParticipantView:
    """Muted, on hold and similar facts matter only while the participant is in the conference."""
    facts: dict[str, Any] = {}
    if person.is_in and not end:
        muted = person.muted()
        facts = {name: fact_view(person.facts, name) for name in ("on_hold", "role")}
        facts["muted"] = muted.view() if muted else None
        facts |= {
            name: fact for name in _ONLY_IF_TRUE if (fact := fact_view(person.facts, name)) is not None and fact.value
        }
    return ParticipantView(
        **_shared_fields(person, identify, end, now),
        **facts,
        source="api" if person.joined_from_api or person.left_from_api else None,
        has_floor=True if state.floor == person.call and not end else None,
    )


def queue_view(name: str, state: Queue, identify: Identify, now: datetime) -> QueueView:
    """A queue as it is at `now`."""
    calls = [
        WaitingCall(
            position=position,
            call_control_id=queued.call,
            number=identify(queued.call).number,
            since=queued.since,
            seconds=seconds(now - queued.since),
            is_alive=None if queued.is_alive else False,
            source="api" if queued.from_api else None,
        )
        for position, queued in enumerate(state.waiting.values(), 1)
    ]
    return QueueView(
        name=name,
        size=len(calls),
        calls=calls,
        average_wait_secs=state.total_wait // state.timed_calls if state.timed_calls else None,
        left=state.reasons.total(),
        left_by_reason={reason: count for reason, count in sorted(state.reasons.items()) if count} or None,
        max_size=fact_view(state.facts, "max_size"),
        api_asked_at=state.api_read_at,
    )


def summary_view(id_: str, state: Conference, identify: Identify, now: datetime) -> ConferenceSummary:
    """The figures of a conference at `now`."""
    end = state.ended_by(now)
    people: Iterable[Participant] = list(state.participants.values())[:MAX_PARTICIPANTS]
    more = len(state.participants) - MAX_PARTICIPANTS
    return ConferenceSummary(
        id=id_,
        name=state.api_fields.get("name"),
        status="ended" if end else "open",
        started_at=state.started_at,
        ended_at=end,
        end_reason=_end_reason(state, end),
        seconds=_duration(state, end or now),
        peak_participants=state.peak,
        participants=[ParticipantSummary(**_shared_fields(person, identify, end, now)) for person in people],
        participants_not_shown=more if more > 0 else None,
        talk_turns=state.talk_turns,
        talk_order=state.talk_order or None,
        recordings=_recordings(state),
    )
