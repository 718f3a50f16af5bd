"""What an agent can do: every tool, in the order a reader meets them."""

from . import account, audio, board, calls, conferences, events, participants, queues, recordings
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
)

TOOLS: tuple[type[Tool], ...] = (
    *COMMANDS,
    events.ListEvents,
    events.GetEvent,
    events.WaitForEvent,
    events.ConferenceSummary,
    board.ShowSwitchboard,
    board.ShowApproval,
    board.DecideApproval,
    account.Whoami,
)
"""Every tool: the commands, and what this server answers itself."""

TOOLSETS: tuple[str, ...] = tuple(dict.fromkeys(tool.toolset() for tool in TOOLS))
