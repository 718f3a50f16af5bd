"""Every tool, in the order of the reference, and the toolsets that they belong to."""

from collections.abc import Iterable, Mapping

from . import (
    account,
    audio,
    board,
    call_audio,
    call_recordings,
    call_state,
    calls,
    conferences,
    events,
    participants,
    permissions,
    queues,
    recordings,
    reports,
    transcription,
)
from .base import Command, Tool

COMMANDS: tuple[type[Command], ...] = (
    conferences.ListConferences,
    conferences.CreateConference,
    conferences.GetConference,
    conferences.EndConference,
    participants.ListParticipants,
    participants.GetParticipant,
    participants.UpdateParticipant,
    participants.JoinConference,
    participants.LeaveConference,
    participants.HoldParticipants,
    participants.UnholdParticipants,
    participants.MuteParticipants,
    participants.UnmuteParticipants,
    participants.UpdateSupervisor,
    audio.PlayAudio,
    audio.StopAudio,
    audio.SpeakText,
    audio.SendDtmf,
    audio.GatherDtmf,
    recordings.StartRecording,
    recordings.StopRecording,
    recordings.PauseRecording,
    recordings.ResumeRecording,
    recordings.ListRecordings,
    recordings.GetRecording,
    queues.ListQueues,
    queues.GetQueue,
    queues.CreateQueue,
    queues.UpdateQueue,
    queues.DeleteQueue,
    queues.ListQueueCalls,
    queues.GetQueueCall,
    queues.UpdateQueueCall,
    queues.RemoveQueueCall,
    queues.EnqueueCall,
    queues.LeaveQueue,
    calls.Dial,
    calls.GetCall,
    calls.ListActiveCalls,
    calls.AnswerCall,
    calls.RejectCall,
    calls.HangupCall,
    calls.BridgeCalls,
    calls.TransferCall,
    call_audio.SpeakToCall,
    call_audio.PlayToCall,
    call_audio.StopCallAudio,
    call_audio.GatherFromCall,
    call_audio.StopGather,
    call_audio.SendCallDtmf,
    call_recordings.StartCallRecording,
    call_recordings.StopCallRecording,
    call_recordings.PauseCallRecording,
    call_recordings.ResumeCallRecording,
    call_recordings.DeleteRecording,
    call_state.UpdateClientState,
    call_state.SwitchSupervisorRole,
    transcription.StartTranscription,
    transcription.StopTranscription,
)

TOOLS: tuple[type[Tool], ...] = (
    *COMMANDS,
    events.ListEvents,
    events.GetEvent,
    events.WaitForEvent,
    events.ConferenceSummary,
    queues.AnnouncePositions,
    transcription.ConferenceTranscript,
    reports.Report,
    recordings.AnnounceRecording,
    permissions.MayCall,
    permissions.AddOptout,
    permissions.RequestGrant,
    board.ShowSwitchboard,
    board.ShowApproval,
    board.DecideApproval,
    account.Whoami,
)
"""Every tool: the commands, and the tools that this server answers itself."""

TOOLSETS: tuple[str, ...] = tuple(dict.fromkeys(tool.toolset() for tool in TOOLS))

_CONFERENCES_AND_QUEUES = ("conferences", "participants", "audio", "recordings", "queues")
_NOT_CORE = (recordings.ListRecordings, recordings.GetRecording)
_ONLY_IN_ALL = ("call_audio", "call_recordings", "call_state")

PRESETS: Mapping[str, frozenset[type[Tool]]] = {
    "core": frozenset(
        {tool for tool in COMMANDS if tool.toolset() in _CONFERENCES_AND_QUEUES and tool not in _NOT_CORE}
        | {calls.Dial, calls.AnswerCall, calls.HangupCall, events.ListEvents, events.WaitForEvent, account.Whoami}
    ),
    "default": frozenset(tool for tool in TOOLS if tool.toolset() not in _ONLY_IN_ALL),
    "all": frozenset(TOOLS),
}
"""Toolsets by other lines: `core` are the 34 endpoints for conferences and queues and six more tools, few enough for
hosts that take 40; `default` is offered if no toolset is named; `all` adds the tools for one call outside a
conference, with which a call centre greets, asks, records and listens in."""

TOOLSET_NAMES: tuple[str, ...] = (*PRESETS, *TOOLSETS)
"""What `--toolsets` takes."""


def in_toolsets(tool: type[Tool], names: Iterable[str]) -> bool:
    """Whether one of these toolsets or presets has the tool."""
    return any(tool in PRESETS[name] if name in PRESETS else tool.toolset() == name for name in names)
