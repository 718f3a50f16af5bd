"""From what was folded to what is read."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from .conference import Conference
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
"""Participants who have left that a view lists."""
_IF_SO = ("whisper_to", "end_conference_on_exit", "soft_end_conference_on_exit")
"""Said only if it is so."""
MAX_PARTICIPANTS = 300
"""Participants that a summary lists."""

Number = Callable[[str], str | None]
"""The phone number at the far end of a leg, by its call_control_id."""


def conference_view(id_: str, state: Conference, number: Number, now: datetime) -> ConferenceView:
    """A conference as it is at `now`; one that is older than any can be has ended."""
    end = state.ended_at or _overdue(state, now)
    left = sorted((one for one in state.participants.values() if not one.is_in), key=_left_first)
    inside = [] if end else list(state.present.values())
    gone = [*(state.present.values() if end else ()), *left]
    people = [*inside, *gone[:MAX_LEFT_PARTICIPANTS]]
    return ConferenceView(
        id=id_,
        name=state.api_fields.get("name"),
        region=state.api_fields.get("region"),
        status="ended" if end else "open",
        status_from=_status_from(state, end),
        started_at=state.started_at,
        ended_at=end,
        end_reason=state.end_reason or ("time_exceeded" if end and not state.ended_at else None),
        seconds=_lasted(state, end or now),
        present=len(inside),
        participants=[_participant(one, state, number, end, now) for one in people],
        left_not_shown=len(gone) - MAX_LEFT_PARTICIPANTS if len(gone) > MAX_LEFT_PARTICIPANTS else None,
        floor=_floor(state, end),
        playing=[_sound(one) for one in state.sounds] or None if not end else None,
        recording=state.recording.view() if state.recording and not end else None,
        recordings=_recordings(state),
        api_asked_at=state.api_read_at,
    )


def _overdue(state: Conference, now: datetime) -> datetime | None:
    overdue = state.overdue_at
    return overdue if overdue is not None and overdue < now else None


def _status_from(state: Conference, end: datetime | None) -> Any:
    if end is None or (state.ended_at is not None and not state.ended_from_api):
        return None
    return "api" if state.ended_from_api else "time"


def _lasted(state: Conference, until: datetime) -> int | None:
    return None if state.started_at is None else seconds(until - state.started_at)


def _left_first(one: Participant) -> tuple[float, str]:
    return -one.left_at.timestamp() if one.left_at else 0.0, one.call


def _floor(state: Conference, end: datetime | None) -> Floor | None:
    if state.floor is None or state.floor_since is None or end is not None:
        return None
    return Floor(call_control_id=state.floor, since=state.floor_since)


def _sound(one: Any) -> Sound:
    return Sound(kind=one.kind, to=one.to, since=one.since, **one.media)


def _recordings(state: Conference) -> list[SavedRecording] | None:
    return [_recording(one) for one in state.recordings.values()] or None


def _recording(saved: Mapping[str, Any]) -> SavedRecording:
    began, ended = saved.get("recording_started_at"), saved.get("recording_ended_at")
    return SavedRecording(
        recording_id=saved["recording_id"],
        format=saved.get("format"),
        channels=saved.get("channels"),
        started_at=began,
        ended_at=ended,
        seconds=seconds(ended - began) if began and ended else None,
    )


def _stay(one: Participant, number: Number, end: datetime | None, now: datetime) -> dict[str, Any]:
    """What a view and a summary both say of somebody."""
    until = end or now
    spent = one.time_in(until)
    left_at, because = (end, "conference ended") if one.is_in and end else (one.left_at, one.left_because)
    return {
        "call_control_id": one.call,
        "number": number(one.call),
        "label": one.facts["label"].value if "label" in one.facts else None,
        "joined_at": one.joined_at,
        "left_at": left_at,
        "left_because": because,
        "seconds": None if spent is None else seconds(spent),
        "stays": one.stays if one.stays > 1 else None,
        "hold_seconds": seconds(one.hold_time.total(until)) if one.hold_time.is_known else None,
        "talk_turns": one.talk_turns,
    }


def _participant(
    one: Participant, state: Conference, number: Number, end: datetime | None, now: datetime
) -> ParticipantView:
    """Muted, on hold and the like are said of those who are in it."""
    said: dict[str, Any] = {}
    if one.is_in and not end:
        muted = one.muted()
        said = {name: fact_view(one.facts, name) for name in ("on_hold", "role")}
        said["muted"] = muted.view() if muted else None
        said |= {name: fact for name in _IF_SO if (fact := fact_view(one.facts, name)) is not None and fact.value}
    return ParticipantView(
        **_stay(one, number, end, now),
        **said,
        source="api" if one.joined_from_api or one.left_from_api else None,
        has_floor=True if state.floor == one.call and not end else None,
    )


def queue_view(name: str, state: Queue, number: Number, now: datetime) -> QueueView:
    """A queue as it is at `now`."""
    calls = [
        WaitingCall(
            position=position,
            call_control_id=place.call,
            number=number(place.call),
            since=place.since,
            seconds=seconds(now - place.since),
            is_alive=None if place.is_alive else False,
            source="api" if place.from_api else None,
        )
        for position, place in enumerate(state.waiting.values(), 1)
    ]
    return QueueView(
        name=name,
        size=len(calls),
        calls=calls,
        average_wait_secs=state.total_wait // state.timed_calls if state.timed_calls else None,
        left=state.reasons.total(),
        left_by_reason={name: times for name, times in sorted(state.reasons.items()) if times} or None,
        max_size=fact_view(state.facts, "max_size"),
        api_asked_at=state.api_read_at,
    )


def summary_view(id_: str, state: Conference, number: Number, now: datetime) -> ConferenceSummary:
    """What a conference came to by `now`."""
    end = state.ended_at or _overdue(state, now)
    people: Iterable[Participant] = list(state.participants.values())[:MAX_PARTICIPANTS]
    more = len(state.participants) - MAX_PARTICIPANTS
    return ConferenceSummary(
        id=id_,
        name=state.api_fields.get("name"),
        status="ended" if end else "open",
        started_at=state.started_at,
        ended_at=end,
        end_reason=state.end_reason or ("time_exceeded" if end and not state.ended_at else None),
        seconds=_lasted(state, end or now),
        peak_participants=state.peak,
        participants=[ParticipantSummary(**_stay(one, number, end, now)) for one in people],
        participants_not_shown=more if more > 0 else None,
        talk_turns=state.talk_turns,
        talk_order=state.talk_order or None,
        recordings=_recordings(state),
    )


def is_over(state: Conference, at: datetime, slack: timedelta) -> datetime | None:
    """When a conference ended, if it has by `at`, for whoever forgets the oldest."""
    return state.ended_at or _overdue(state, at - slack)
