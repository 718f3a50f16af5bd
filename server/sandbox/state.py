"""Everything a sandbox knows at one time, and which part carries out which command."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...tools import (
    audio,
    call_audio,
    call_recordings,
    call_state,
    calls,
    conferences,
    participants,
    queues,
    recordings,
    transcription,
)
from ...tools.base import WIRE, Command
from . import commands
from .audio import Audio, playbacks
from .bridges import BridgeEnd, Bridges
from .call_audio import CallAudio, PlaybackQueue
from .call_events import CallEvents
from .calls import Calls
from .clock import Timers
from .conference import Conference, Participant
from .conferences import Conferences
from .context import Account, SandboxContext
from .gather import Gathers
from .ids import Ids
from .legs import Leg, Legs
from .outgoing_calls import OutgoingCalls
from .participants import Participants
from .queues import Queue, QueuedCall, Queues
from .recordings import Recording, Recordings
from .responses import Answer, Handler, Json, iso, without_none
from .supervision import Supervision, Supervisors
from .transcription import Transcriptions, is_transcribed
from .webhooks import Outbox

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
    def __init__(self, timers: Timers, ids: Ids, outbox: Outbox, account: Account) -> None:
        context = SandboxContext(timers, ids, self._emit, account)
        self.context = context
        self.timers = timers
        self.outbox = outbox
        self.legs = Legs(context)
        self.call_events = CallEvents(self.legs)
        self.conferences = Conferences(context, self.legs)
        self.participants = Participants(context, self.legs, self.conferences)
        self.audio = Audio(context, self.conferences)
        self.call_audio = CallAudio(context, self.legs)
        self.gathers = Gathers(context, self.legs, self.conferences, self.call_audio)
        self.recordings = Recordings(context, self.legs, self.conferences)
        self.queues = Queues(context, self.legs)
        self.bridges = Bridges(context, self.legs, self.queues, self.recordings)
        self.supervisors = Supervisors(self.legs)
        self.transcriptions = Transcriptions(self.legs)
        self.calls = Calls(context, self.legs, self.recordings, outbox.set_webhooks)
        self.outgoing_calls = OutgoingCalls(
            context,
            self.legs,
            conferences=self.conferences,
            bridges=self.bridges,
            supervisors=self.supervisors,
            recordings=self.recordings,
            call_audio=self.call_audio,
            set_webhooks=outbox.set_webhooks,
        )
        self.command_log = CommandLog()
        self._handlers: Mapping[type[Command], Handler] = self._table()

    def _emit(self, event_type: str, payload: dict[str, Any]) -> None:
        self.outbox.emit(event_type, payload)
        self.call_events.note_webhook(self.outbox.deliveries[-1].event, self.timers.now())

    def run(self, command: Command) -> Answer:
        """Run a command, the sandbox's own or a tool's. Raises `ApiError` before anything has changed."""
        extension = commands.EXTENDED.get(type(command))
        if extension is not None:
            command = extension.model_validate(command.model_dump(by_alias=False, exclude_none=True), context=WIRE)
        answer = self._handlers[type(command)](command)
        if command.route.method != "GET":
            self.call_events.note_command(command, self.timers.now())
        return answer

    def _table(self) -> dict[type[Command], Handler]:
        return {
            commands.ListConferences: self.conferences.list,
            conferences.CreateConference: self.conferences.create,
            conferences.GetConference: self.conferences.get,
            conferences.EndConference: self.conferences.end,
            commands.ListParticipants: self.participants.list,
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
            commands.SendDtmf: self.audio.send_dtmf,
            audio.GatherDtmf: self.gathers.start,
            commands.StartRecording: self.recordings.start,
            recordings.StopRecording: self.recordings.stop,
            recordings.PauseRecording: self.recordings.pause,
            recordings.ResumeRecording: self.recordings.resume,
            commands.ListRecordings: self.recordings.list,
            recordings.GetRecording: self.recordings.get,
            queues.ListQueues: self.queues.list,
            queues.GetQueue: self.queues.get,
            queues.CreateQueue: self.queues.create,
            queues.UpdateQueue: self.queues.update,
            queues.DeleteQueue: self.queues.delete,
            commands.ListQueueCalls: self.queues.list_calls,
            queues.GetQueueCall: self.queues.get_call,
            queues.UpdateQueueCall: self.queues.update_call,
            queues.RemoveQueueCall: self.queues.remove_call,
            queues.EnqueueCall: self.queues.enqueue,
            queues.LeaveQueue: self.queues.leave,
            commands.Dial: self.outgoing_calls.dial,
            calls.GetCall: self.calls.get,
            commands.ListActiveCalls: self.calls.list_active,
            commands.AnswerCall: self.calls.answer,
            calls.RejectCall: self.calls.reject,
            calls.HangupCall: self.calls.hang_up,
            commands.BridgeCalls: self.bridges.bridge,
            commands.TransferCall: self.outgoing_calls.transfer,
            commands.PlayToCall: self.call_audio.play,
            commands.StopCallAudio: self.call_audio.stop,
            commands.SpeakToCall: self.call_audio.speak,
            commands.GatherFromCall: self.gathers.gather,
            commands.GatherUsingAudioOnCall: self.gathers.gather_using_audio,
            commands.GatherUsingSpeakOnCall: self.gathers.gather_using_speak,
            call_audio.StopGather: self.gathers.stop,
            commands.StartCallRecording: self.recordings.start_on_call,
            call_recordings.StopCallRecording: self.recordings.stop_on_call,
            call_recordings.PauseCallRecording: self.recordings.pause_on_call,
            call_recordings.ResumeCallRecording: self.recordings.resume_on_call,
            commands.SendCallDtmf: self.calls.send_dtmf,
            call_state.UpdateClientState: self.calls.update_client_state,
            call_state.SwitchSupervisorRole: self.supervisors.switch_role,
            commands.StartTranscription: self.transcriptions.start,
            transcription.StopTranscription: self.transcriptions.stop,
            call_recordings.DeleteRecording: self.recordings.delete,
            commands.DeleteRecordings: self.recordings.delete_many,
            commands.ListWebhookDeliveries: self.outbox.list,
            commands.GetWebhookDelivery: self.outbox.get,
            commands.ListCallEvents: self.call_events.list,
        }

    def snapshot(self) -> Json:
        """The whole state, as JSON."""
        conferences = self.conferences.by_id.values()
        return {
            "now": iso(self.timers.now()),
            "conferences": [_conference(conference) for conference in conferences],
            "queues": [_queue(queue) for queue in self.queues.by_name.values()],
            "legs": [_leg(leg, self.legs) for leg in self.legs.by_id.values()],
            "recordings": [_recording(recording) for recording in self.recordings.by_id.values()],
            "playing": [
                *(playing for conference in conferences for playing in _playing(conference)),
                *(playing for leg in self.legs.by_id.values() for playing in _playing_on_call(leg)),
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
