"""The whole state of a sandbox, as JSON."""

from collections.abc import Collection
from datetime import datetime

from .audio import playbacks
from .bridges import BridgeEnd
from .call_audio import PlaybackQueue
from .conference import Conference, Participant
from .legs import Leg, Legs
from .queues import Queue, QueuedCall
from .recordings import Recording
from .responses import Json, iso, without_none
from .supervision import Supervision
from .transcription import is_transcribed


def snapshot(
    now: datetime,
    conferences: Collection[Conference],
    queues: Collection[Queue],
    legs: Legs,
    recordings: Collection[Recording],
) -> Json:
    """The state of these conferences, queues, legs and recordings."""
    return {
        "now": iso(now),
        "conferences": [_conference(conference) for conference in conferences],
        "queues": [_queue(queue) for queue in queues],
        "legs": [_leg(leg, legs) for leg in legs.by_id.values()],
        "recordings": [_recording(recording) for recording in recordings],
        "playing": [
            *(playing for conference in conferences for playing in _playing(conference)),
            *(playing for leg in legs.by_id.values() for playing in _playing_on_call(leg)),
        ],
    }


def _conference(conference: Conference) -> Json:
    participants = [_participant(participant) for participant in (*conference.present.values(), *conference.left)]
    return {
        **conference.view(),
        "beep_enabled": conference.beep,
        "max_participants": conference.max_participants,
        "participants": participants,
    }


def _participant(participant: Participant) -> Json:
    return without_none(
        {
            "id": participant.id,
            "call_control_id": participant.leg.call_control_id,
            "label": participant.leg.label,
            "status": "left" if participant.left else "joined",
            "role": participant.role,
            "muted": participant.muted,
            "on_hold": participant.on_hold,
            "whisper_call_control_ids": list(participant.whisper_to),
            "end_conference_on_exit": participant.ends_on_exit,
            "soft_end_conference_on_exit": participant.soft_ends_on_exit,
            "beep_enabled": participant.beep,
            "digits_sent": participant.leg.digits_sent,
        }
    )


def _queue(queue: Queue) -> Json:
    calls = [{**call.view(), "keep_after_hangup": call.keep_after_hangup} for call in queue.calls]
    return {**queue.view(), "calls": calls}


def _leg(leg: Leg, legs: Legs) -> Json:
    return without_none(
        {
            **legs.view(leg),
            "direction": leg.direction,
            "from": leg.from_,
            "to": leg.to,
            "part": leg.role,
            "place": _location(leg),
            "answered": leg.answered_at is not None,
            "gathering": leg.gathering is not None,
            "transcribed": is_transcribed(leg),
            "on_hold": leg.on_hold,
            "digits_sent": leg.digits_sent,
        }
    )


def _location(leg: Leg) -> Json:
    match leg.location:
        case Participant() as participant:
            return {"kind": "conference", "id": participant.conference.id, "name": participant.conference.name}
        case QueuedCall() as call:
            return {"kind": "queue", "id": call.queue.id, "name": call.queue.name}
        case BridgeEnd() as end:
            return {"kind": "bridge", "call_control_id": end.peer.call_control_id}
        case Supervision() as supervision:
            supervised = supervision.supervised.call_control_id
            return {"kind": "supervision", "call_control_id": supervised, "role": supervision.role}
        case _:
            return {"kind": "parked" if leg.is_alive else "ended"}


def _recording(recording: Recording) -> Json:
    return {**recording.view(), "format": recording.format}


def _playing(conference: Conference) -> list[Json]:
    return [
        without_none(
            {
                "conference_id": conference.id,
                "kind": playback.kind,
                "call_control_id": playback.leg.call_control_id if playback.leg else None,
                **playback.media,
            }
        )
        for playback in playbacks(conference)
    ]


def _playing_on_call(leg: Leg) -> list[Json]:
    queues = [activity for activity in leg.activities if isinstance(activity, PlaybackQueue)]
    return [
        without_none({"call_control_id": leg.call_control_id, "kind": playback.kind, **playback.media})
        for queue in queues
        for playback in (*queue.waiting[:1], *queue.overlays)
    ]
