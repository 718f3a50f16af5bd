"""What an agent can do: every command, in the order a reader meets them."""

from . import audio, conferences, participants, queues, recordings
from .base import Command

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
)

TOOLSETS: tuple[str, ...] = tuple(dict.fromkeys(command.toolset() for command in COMMANDS))
