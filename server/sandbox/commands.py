"""The requests that the sandbox accepts: the tools' commands, with what Telnyx takes beyond them.

A class here that has the name of a tool's class takes its place. Arguments that change nothing on the sandbox are not
declared; a body may have them, as it may have any other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from ...tools import (
    COMMANDS,
    audio,
    call_audio,
    call_recordings,
    calls,
    conferences,
    participants,
    queues,
    recordings,
    transcription,
)
from ...tools.base import GET, POST, Command, Retry, Risk
from ...tools.results import Accepted
from ...tools.types import (
    AudioUrl,
    CallControlId,
    ClientState,
    CommandId,
    Identifier,
    NotEmpty,
    PageNumber,
    PageSize,
    Positive,
    SpokenText,
)

CALL = "/calls/{call_control_id}/actions"

Digits = Annotated[str, Field(pattern=r"^[0-9A-D*#wW]+$")]
FileName = Annotated[str, Field(min_length=1, max_length=40)]
Millis = Annotated[int, Field(ge=1)]
RingTimeout = Annotated[int, Field(ge=5, le=600)]
TimeLimit = Annotated[int, Field(ge=30, le=14_400)]
ConferenceKey = Annotated[str, Field(min_length=1)]
"""A conference's id or name."""


def _count(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Loop = Annotated[Annotated[int, Field(ge=1, le=100)] | Literal["infinity"], BeforeValidator(_count)]


class PageCursor(BaseModel):
    """A page by cursor: at most `limit` items after or before the item that a cursor names."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    after: str | None = None
    before: str | None = None
    limit: Annotated[int, Field(ge=1, le=250)] | None = None


class CursorPaged(Command):
    """A list that is read by page number or by cursor."""

    cursor: Annotated[PageCursor | None, Field(alias="page")] = None
    page_after: str | None = None

    def position(self) -> PageCursor | None:
        """Where the page begins or ends; None if the list is read by page number."""
        if self.page_after is None:
            return self.cursor
        return (self.cursor or PageCursor()).model_copy(update={"after": self.page_after})


class RecordingArguments(BaseModel, defer_build=True):
    """Arguments that record a call from its answer on."""

    record: Literal["record-from-answer"] | None = None
    record_channels: Literal["single", "dual"] | None = None
    record_format: Literal["wav", "mp3"] | None = None
    record_custom_file_name: FileName | None = None
    record_max_length: Annotated[int, Field(ge=0, le=43_200)] | None = None
    """Seconds; 0: no limit."""


def _within_a_minute(retries_ms: list[int]) -> list[int]:
    if sum(retries_ms) > 60_000:
        raise ValueError("must not exceed 60000 in total")
    return retries_ms


class RetryPolicy(BaseModel, defer_build=True):
    """When an event type's webhooks are tried again."""

    retries_ms: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=5), AfterValidator(_within_a_minute)] = []


class WebhookArguments(BaseModel, defer_build=True):
    """Where the webhooks of a call go, and when they are tried again."""

    webhook_url: NotEmpty | None = None
    webhook_url_method: Literal["POST", "GET"] | None = None
    webhook_urls: dict[str, str] | None = None
    """By event type; the others go to `webhook_url`."""
    webhook_urls_method: Literal["POST", "GET"] | None = None
    webhook_retries_policies: dict[str, RetryPolicy] | None = None
    """By event type."""


class AnsweredBy(BaseModel, defer_build=True):
    """What a dialled phone hears once it is answered."""

    audio_url: AudioUrl | None = None
    media_name: NotEmpty | None = None
    send_digits_on_answer: Annotated[Digits, Field(max_length=64)] | None = None


class Dial(AnsweredBy, RecordingArguments, WebhookArguments, calls.Dial):
    link_to: CallControlId | None = None
    bridge_intent: bool | None = None
    bridge_on_answer: bool | None = None
    park_after_unbridge: Literal["self"] | None = None
    prevent_double_bridge: bool | None = None
    media_encryption: Literal["disabled", "SRTP", "DTLS"] | None = None
    timeout_secs: RingTimeout | None = None
    time_limit_secs: TimeLimit | None = None


class AnswerCall(RecordingArguments, WebhookArguments, calls.AnswerCall):
    pass


class BridgeCalls(RecordingArguments, calls.BridgeCalls):
    park_after_unbridge: Literal["self"] | None = None
    hold_after_unbridge: bool | None = None


class TransferCall(AnsweredBy, RecordingArguments, WebhookArguments, calls.TransferCall):
    park_after_unbridge: Literal["self"] | None = None
    target_leg_client_state: ClientState | None = None
    answering_machine_detection: calls.Detection | None = None
    media_encryption: Literal["disabled", "SRTP", "DTLS"] | None = None
    timeout_secs: RingTimeout | None = None
    time_limit_secs: TimeLimit | None = None


class ListActiveCalls(CursorPaged, calls.ListActiveCalls):
    pass


class ListConferences(CursorPaged, conferences.ListConferences):
    pass


class ListParticipants(CursorPaged, participants.ListParticipants):
    pass


class ListQueueCalls(CursorPaged, queues.ListQueueCalls):
    pass


class SendDtmf(audio.SendDtmf):
    duration_millis: Annotated[int, Field(ge=100, le=500)] | None = None


class StartRecording(recordings.StartRecording):
    custom_file_name: FileName | None = None


class RecordingFilter(recordings.RecordingFilter):
    call_leg_id: str | None = None
    call_session_id: str | None = None
    conference_region: str | None = None
    sip_call_id: str | None = None
    start_time: recordings.Between | None = None
    end_time: recordings.Between | None = None


class SandboxCommand(Command):
    """A command that no tool offers. What a tool would have to say for a person stays empty."""

    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = ""


class ListRecordings(SandboxCommand):
    """Find saved recordings, by more filters than the tool has."""

    route = GET("/recordings")

    filter: RecordingFilter | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class CallCommand(SandboxCommand):
    """A command for one call leg."""

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class PlayToCall(call_audio.PlayToCall):
    one_of = ()

    playback_content: NotEmpty | None = None
    """The file itself, in Base64."""
    overlay: bool | None = None


class SendCallDtmf(call_audio.SendCallDtmf):
    duration_millis: Annotated[int, Field(ge=100, le=500)] | None = None


class StopCallAudio(call_audio.StopCallAudio):
    overlay: bool | None = None
    stop: Literal["current", "all"] | None = None


class SpeakToCall(call_audio.SpeakToCall):
    loop: Loop | None = None


class GatherFromCall(call_audio.GatherFromCall):
    gather_id: Annotated[str, Field(min_length=1, max_length=40)] | None = None


class GatherUsingAudioOnCall(call_audio.GatherFromCall):
    """Gather digits from one call leg with a file as the prompt."""

    route = POST(f"{CALL}/gather_using_audio")


class GatherUsingSpeakOnCall(CallCommand):
    """Gather digits from one call leg with a spoken prompt."""

    route = POST(f"{CALL}/gather_using_speak")

    payload: SpokenText
    voice: NotEmpty
    payload_type: Literal["text", "ssml"] | None = None
    invalid_payload: SpokenText | None = None
    minimum_digits: Positive | None = None
    maximum_digits: Positive | None = None
    maximum_tries: Positive | None = None
    valid_digits: Annotated[str, Field(pattern=r"^[0-9A-D*#]+$")] | None = None
    terminating_digit: Annotated[str, Field(pattern=r"^[0-9A-D*#]?$")] | None = None
    timeout_millis: Positive | None = None
    inter_digit_timeout_millis: Positive | None = None


class StartCallRecording(call_recordings.StartCallRecording):
    custom_file_name: FileName | None = None


class StartTranscription(transcription.StartTranscription):
    """Transcribe one call leg. Telnyx still takes the old names of two engines."""

    @field_validator("transcription_engine", mode="before")
    @classmethod
    def _rename_engine(cls, value: Any) -> Any:
        return {"A": "Google", "B": "Telnyx"}.get(value, value) if isinstance(value, str) else value


class DeleteRecordings(SandboxCommand):
    """Delete saved recordings."""

    route = POST("/recordings/actions/delete")

    ids: list[NotEmpty]


class _Filter(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Contains(_Filter):
    contains: str | None = None


class StatusIs(_Filter):
    eq: Literal["delivered", "failed"] | None = None


class DeliveryFilter(_Filter):
    status: StatusIs | None = None
    event_type: str | None = None
    webhook: Contains | None = None
    attempts: Contains | None = None
    started_at: recordings.Between | None = None
    finished_at: recordings.Between | None = None


class ListWebhookDeliveries(SandboxCommand):
    """Find past webhook deliveries."""

    route = GET("/webhook_deliveries")

    filter: DeliveryFilter | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class GetWebhookDelivery(SandboxCommand):
    """See one webhook delivery."""

    route = GET("/webhook_deliveries/{delivery_id}")

    delivery_id: Identifier


class ListCallEvents(CursorPaged, SandboxCommand):
    """Find the commands and webhooks of calls."""

    route = GET("/call_events")

    filter: conferences.ConferenceFilter | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


_BEYOND_TOOLS: tuple[type[Command], ...] = (
    GatherUsingAudioOnCall,
    GatherUsingSpeakOnCall,
    DeleteRecordings,
    ListWebhookDeliveries,
    GetWebhookDelivery,
    ListCallEvents,
)
"""Endpoints that no tool calls."""

EXTENDED: Mapping[type[Command], type[Command]] = {
    tool: extension
    for tool in COMMANDS
    for extension in (
        Dial,
        AnswerCall,
        BridgeCalls,
        TransferCall,
        ListActiveCalls,
        ListConferences,
        ListParticipants,
        ListQueueCalls,
        SendDtmf,
        StartRecording,
        ListRecordings,
        PlayToCall,
        StopCallAudio,
        SpeakToCall,
        GatherFromCall,
        StartCallRecording,
        SendCallDtmf,
        StartTranscription,
    )
    if extension.tool_name() == tool.tool_name()
}
"""The sandbox's form of a tool's command, where Telnyx takes more than the tool offers."""

SERVED: tuple[type[Command], ...] = (*(EXTENDED.get(tool, tool) for tool in COMMANDS), *_BEYOND_TOOLS)
"""Every endpoint, in the order of the routes."""
