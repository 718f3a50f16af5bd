"""The parts of a sandbox, and which part carries out which command."""

from collections.abc import Mapping
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
from .audio import Audio
from .bridges import Bridges
from .call_audio import CallAudio
from .call_events import CallEvents
from .calls import Calls
from .clock import Timers
from .command_log import CommandLog
from .conferences import Conferences
from .context import Account, SandboxContext
from .gather import Gathers
from .ids import Ids
from .legs import Legs
from .outgoing_calls import OutgoingCalls
from .participants import Participants
from .queues import Queues
from .recordings import Recordings
from .responses import Answer, Handler, Json
from .snapshot import snapshot
from .supervision import Supervisors
from .transcription import Transcriptions
from .webhooks import Outbox


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
        return snapshot(
            self.timers.now(),
            self.conferences.by_id.values(),
            self.queues.by_name.values(),
            self.legs,
            self.recordings.by_id.values(),
        )
