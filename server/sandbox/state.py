"""Everything a sandbox knows at one time, and which part carries out which command."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...tools import audio, calls, conferences, participants, queues, recordings
from ...tools.base import Command
from .audio import Audio, playbacks
from .calls import BridgeEnd, Calls
from .clock import Timers
from .conference import Conference, Participant
from .conferences import Conferences
from .context import SandboxContext
from .gather import Gathers
from .ids import Ids
from .legs import Leg, Legs
from .participants import Participants
from .queues import Queue, QueuedCall, Queues
from .recordings import Recording, Recordings
from .responses import Answer, Handler, Json, iso, without_none
from .webhooks import ListWebhookDeliveries, Outbox

COMMAND_ID_LIFETIME = timedelta(seconds=60)
"""How long a command_id is known."""

_SCOPES = ("conference_id", "call_control_id", "connection_id")


@dataclass(slots=True)
class CommandLog:
    """The commands of the last 60 seconds that have a command_id, with their answers."""

    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict[tuple[str, str], Answer])
    _since: deque[tuple[datetime, tuple[str, str]]] = field(default_factory=deque[tuple[datetime, tuple[str, str]]])

    def answer_to(self, command: Command, now: datetime) -> Answer:
        """The answer to an earlier command with the same id for the same call or conference; None: there was none."""
        while self._since and now - self._since[0][0] >= COMMAND_ID_LIFETIME:
            self._answers.pop(self._since.popleft()[1], None)
        key = _key(command)
        return None if key is None else self._answers.get(key)

    def remember(self, command: Command, answer: Answer, now: datetime) -> None:
        key = _key(command)
        if key is not None:
            self._answers[key] = answer
            self._since.append((now, key))


def _key(command: Command) -> tuple[str, str] | None:
    """What a command_id is unique for, and the command_id; None: the command has none."""
    command_id = getattr(command, "command_id", None)
    if command_id is None:
        return None
    # The path comes first: who joins a conference is in the body.
    names = (*command.route.parameters, *_SCOPES)
    return next(str(getattr(command, name)) for name in names if hasattr(command, name)), command_id


class SandboxState:
    def __init__(self, timers: Timers, ids: Ids, outbox: Outbox) -> None:
        context = SandboxContext(timers, ids, outbox.emit)
        self.timers = timers
        self.outbox = outbox
        self.legs = Legs(context)
        self.conferences = Conferences(context, self.legs)
        self.participants = Participants(context, self.legs, self.conferences)
        self.audio = Audio(context, self.conferences)
        self.gathers = Gathers(context, self.conferences)
        self.recordings = Recordings(context, self.conferences)
        self.queues = Queues(context, self.legs)
        self.calls = Calls(context, self.legs, self.conferences, self.queues)
        self.command_log = CommandLog()
        self.handlers: Mapping[type[Command], Handler] = self._handlers()

    def _handlers(self) -> dict[type[Command], Handler]:
        return {
            conferences.ListConferences: self.conferences.list,
            conferences.CreateConference: self.conferences.create,
            conferences.GetConference: self.conferences.get,
            conferences.EndConference: self.conferences.end,
            participants.ListParticipants: self.participants.list,
            participants.GetParticipant: self.participants.get,
            participants.UpdateParticipant: self.participants.update,
            participants.JoinConference: self.participants.join,
            participants.LeaveConference: self.participants.leave,
            participants.HoldParticipants: self.participants.hold,
            participants.UnholdParticipants: self.participants.unhold,
            participants.MuteParticipants: self.participants.mute,
            participants.UnmuteParticipants: self.participants.unmute,
            participants.UpdateSupervisor: self.participants.supervise,
            audio.PlayAudio: self.audio.play,
            audio.StopAudio: self.audio.stop,
            audio.SpeakText: self.audio.speak,
            audio.SendDtmf: self.audio.send_dtmf,
            audio.GatherDtmf: self.gathers.start,
            recordings.StartRecording: self.recordings.start,
            recordings.StopRecording: self.recordings.stop,
            recordings.PauseRecording: self.recordings.pause,
            recordings.ResumeRecording: self.recordings.resume,
            recordings.ListRecordings: self.recordings.list,
            recordings.GetRecording: self.recordings.get,
            queues.ListQueues: self.queues.list,
            queues.GetQueue: self.queues.get,
            queues.CreateQueue: self.queues.create,
            queues.UpdateQueue: self.queues.update,
            queues.DeleteQueue: self.queues.delete,
            queues.ListQueueCalls: self.queues.list_calls,
            queues.GetQueueCall: self.queues.get_call,
            queues.UpdateQueueCall: self.queues.update_call,
            queues.RemoveQueueCall: self.queues.remove_call,
            queues.EnqueueCall: self.queues.enqueue,
            queues.LeaveQueue: self.queues.leave,
            calls.Dial: self.calls.dial,
            calls.GetCall: self.calls.get,
            calls.ListActiveCalls: self.calls.list_active,
            calls.AnswerCall: self.calls.answer,
            calls.RejectCall: self.calls.reject,
            calls.HangupCall: self.calls.hang_up,
            calls.BridgeCalls: self.calls.bridge,
            calls.TransferCall: self.calls.transfer,
            ListWebhookDeliveries: self.outbox.list,
        }

    def snapshot(self) -> Json:
        """The whole state, as JSON."""
        rooms = self.conferences.by_id.values()
        return {
            "now": iso(self.timers.now()),
            "conferences": [_conference(one) for one in rooms],
            "queues": [_queue(one) for one in self.queues.by_name.values()],
            "legs": [_leg(leg, self.legs) for leg in self.legs.by_id.values()],
            "recordings": [_recording(one) for one in self.recordings.by_id.values()],
            "playing": [sound for room in rooms for sound in _playing(room)],
        }


def _conference(one: Conference) -> Json:
    everyone = [_participant(participant) for participant in (*one.present.values(), *one.left)]
    return {**one.view(), "max_participants": one.max_participants, "participants": everyone}


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
            "digits_sent": participant.digits_sent,
        }
    )


def _queue(one: Queue) -> Json:
    held = [{**call.view(), "keep_after_hangup": call.keep_after_hangup} for call in one.calls]
    return {**one.view(), "calls": held}


def _leg(leg: Leg, legs: Legs) -> Json:
    states = {"answered": leg.answered_at is not None, "gathering": leg.gathering is not None}
    described = {"direction": leg.direction, "from": leg.from_, "to": leg.to, "part": leg.role, "place": _place(leg)}
    return without_none({**legs.view(leg), **described, **states})


def _place(leg: Leg) -> Json:
    match leg.location:
        case Participant() as participant:
            return {"kind": "conference", "id": participant.conference.id, "name": participant.conference.name}
        case QueuedCall() as call:
            return {"kind": "queue", "id": call.queue.id, "name": call.queue.name}
        case BridgeEnd() as end:
            return {"kind": "bridge", "call_control_id": end.peer.call_control_id}
        case _:
            return {"kind": "parked" if leg.is_alive else "ended"}


def _recording(one: Recording) -> Json:
    return {**one.view(), "format": one.format}


def _playing(room: Conference) -> list[dict[str, Any]]:
    return [
        without_none(
            {
                "conference_id": room.id,
                "kind": sound.kind,
                "call_control_id": sound.leg.call_control_id if sound.leg else None,
                **sound.media,
            }
        )
        for sound in playbacks(room)
    ]
