"""The payload of each documented event type as a model, as Telnyx's published SDK defines them.

Every field is optional, values of enums are open strings, and unknown fields are kept. A field of an unexpected type is
kept under `unexpected`: no event is lost because of its shape.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from ...tools.results import Resource
from .event import Event
from .times import to_utc

Moment = Annotated[datetime, AfterValidator(to_utc)]
"""Always in UTC."""


class Payload(Resource):
    """The payload of an event. Of an unknown event type, all its fields."""

    model_config = ConfigDict(defer_build=True)

    plural = "payloads"

    record_type: str | None = None

    def brief(self) -> str:
        return type(self).__name__

    def line(self) -> str:
        return self.brief()


class LegPayload(Payload):
    """About one call leg."""

    call_control_id: str | None = None
    call_leg_id: str | None = None
    call_session_id: str | None = None
    client_state: str | None = Field(None, description="Base64. Set by the last command on the call leg.")
    connection_id: str | None = None


class PartiesPayload(LegPayload):
    """About one call leg, with its numbers."""

    from_: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None


class Header(Payload):
    """A SIP header."""

    name: str | None = None
    value: str | None = None


class CallPayload(PartiesPayload):
    """About the life of a call."""

    custom_headers: list[Header] | None = None
    sip_headers: list[Header] | None = None
    start_time: Moment | None = None
    state: str | None = Field(None, description="parked, bridging, answered or hangup.")
    tags: list[str] | None = None


class CallInitiated(CallPayload):
    call_screening_result: str | None = None
    caller_id_name: str | None = None
    connection_codecs: str | None = None
    direction: str | None = Field(None, description="incoming or outgoing.")
    offered_codecs: str | None = None
    shaken_stir_attestation: str | None = None
    shaken_stir_validated: bool | None = None


class CallAnswered(CallPayload):
    pass


class InboundQuality(Payload):
    """Figures, as strings."""

    jitter_max_variance: str | None = None
    jitter_packet_count: str | None = None
    mos: str | None = None
    packet_count: str | None = None
    skip_packet_count: str | None = None


class OutboundQuality(Payload):
    """Figures, as strings."""

    packet_count: str | None = None
    skip_packet_count: str | None = None


class CallQuality(Payload):
    inbound: InboundQuality | None = None
    outbound: OutboundQuality | None = None


class CallHangup(CallPayload):
    call_quality_stats: CallQuality | None = None
    hangup_cause: str | None = Field(
        None,
        description="call_rejected, normal_clearing, originator_cancel, timeout, time_limit, user_busy, not_found, "
        "no_answer or unspecified.",
    )
    hangup_source: str | None = Field(None, description="caller, callee or unknown.")
    sip_hangup_cause: str | None = None


class CallBridged(PartiesPayload):
    pass


class CallGatherEnded(PartiesPayload):
    digits: str | None = None
    status: str | None = Field(None, description="valid, invalid, call_hangup, cancelled, cancelled_amd or timeout.")


class CallDtmfReceived(PartiesPayload):
    digit: str | None = None


class CallEnqueued(LegPayload):
    queue: str | None = Field(None, description="The queue's name.")
    current_position: int | None = Field(None, description="1 is first in line.")
    queue_avg_wait_time_secs: int | None = None


class CallDequeued(LegPayload):
    queue: str | None = Field(None, description="The queue's name.")
    queue_position: int | None = Field(None, description="1 is first in line.")
    reason: str | None = Field(None, description="bridged, bridging-in-process, hangup, leave or timeout.")
    wait_time_secs: int | None = None


class ParticipantPayload(LegPayload):
    """About one participant of a conference."""

    conference_id: str | None = None


class ConferenceParticipantJoined(ParticipantPayload):
    pass


class ConferenceParticipantLeft(ParticipantPayload):
    pass


class ConferenceCreated(ParticipantPayload):
    """Its call leg is the one that created the conference."""

    occurred_at: Moment | None = None


class ConferenceEnded(ParticipantPayload):
    """Its call leg is the one that created the conference."""

    occurred_at: Moment | None = None
    reason: str | None = Field(None, description="all_left, host_left or time_exceeded.")


class ConferenceFloorChanged(ParticipantPayload):
    """Its call leg is the one that speaks now."""

    occurred_at: Moment | None = None


class ConferenceSpeak(Payload):
    """Text is spoken to a whole conference."""

    conference_id: str | None = None
    connection_id: str | None = None
    creator_call_session_id: str | None = None
    occurred_at: Moment | None = None


class ConferencePlayback(ConferenceSpeak):
    """Audio is played to a whole conference."""

    media_name: str | None = None
    media_url: str | None = None


class ParticipantSpeak(ParticipantPayload):
    """Text is spoken to one participant."""

    creator_call_session_id: str | None = None
    occurred_at: Moment | None = None


class ParticipantPlayback(ParticipantSpeak):
    """Audio is played to one participant."""

    media_name: str | None = None
    media_url: str | None = None


class RecordingUrls(Payload):
    """Links to a recording, by format."""

    mp3: str | None = None
    wav: str | None = None


class ConferenceRecordingSaved(Payload):
    call_control_id: str | None = None
    call_session_id: str | None = None
    channels: str | None = Field(None, description="single or dual.")
    client_state: str | None = None
    conference_id: str | None = None
    connection_id: str | None = None
    format: str | None = Field(None, description="wav or mp3.")
    public_recording_urls: RecordingUrls | None = None
    recording_ended_at: Moment | None = None
    recording_id: str | None = None
    recording_started_at: Moment | None = None
    recording_urls: RecordingUrls | None = Field(None, description="Signed, for 10 minutes: a secret while they live.")


class CallPlaybackStarted(LegPayload):
    """Audio is played on one call, outside a conference."""

    media_name: str | None = None
    media_url: str | None = None
    overlay: bool | None = None


class CallPlaybackEnded(CallPlaybackStarted):
    status: str | None = Field(
        None,
        description="completed, cancelled, cancelled_amd, call_hangup, file_not_found, failed or unknown.",
    )
    status_detail: str | None = None


class CallSpeakStarted(LegPayload):
    """Text is spoken on one call, outside a conference."""


class CallSpeakEnded(LegPayload):
    status: str | None = Field(None, description="completed, call_hangup or cancelled_amd.")


class CallHold(PartiesPayload):
    """A call is put on hold, or taken off hold."""


class MachineDetection(PartiesPayload):
    """Whether a person or a machine has answered, or whether the machine's greeting has ended."""

    result: str | None = Field(None, description="Such as human, machine, not_sure; beep_detected or ended.")


class CallRecordingSaved(Payload):
    call_leg_id: str | None = None
    call_session_id: str | None = None
    channels: str | None = Field(None, description="single or dual.")
    client_state: str | None = None
    connection_id: str | None = None
    public_recording_urls: RecordingUrls | None = None
    recording_ended_at: Moment | None = None
    recording_started_at: Moment | None = None
    recording_urls: RecordingUrls | None = Field(None, description="Signed, for 10 minutes: a secret while they live.")


class CallRecordingError(LegPayload):
    reason: str | None = None


class CallRecordingTranscriptionSaved(LegPayload):
    calling_party_type: str | None = Field(None, description="pstn or sip.")
    recording_id: str | None = None
    recording_transcription_id: str | None = None
    status: str | None = None
    transcription_text: str | None = None


class TranscriptionData(Payload):
    """What was understood of a few words."""

    confidence: float | None = None
    is_final: bool | None = None
    transcript: str | None = None
    transcription_track: str | None = Field(None, description="inbound or outbound.")


class CallTranscription(LegPayload):
    transcription_data: TranscriptionData | None = None


class CostPart(Payload):
    billed_duration_secs: int | None = None
    call_part: str | None = None
    cost: str | None = None
    currency: str | None = None
    rate: str | None = None


class CallCost(LegPayload):
    billed_duration_secs: int | None = None
    billing_group_id: str | None = None
    cost_parts: list[CostPart] | None = None
    occurred_at: Moment | None = None
    status: str | None = Field(None, description="success or error.")
    total_cost: str | None = None


PAYLOADS: Mapping[str, type[Payload]] = {
    "call.answered": CallAnswered,
    "call.bridged": CallBridged,
    "call.cost": CallCost,
    "call.dequeued": CallDequeued,
    "call.dtmf.received": CallDtmfReceived,
    "call.enqueued": CallEnqueued,
    "call.gather.ended": CallGatherEnded,
    "call.hangup": CallHangup,
    "call.hold": CallHold,
    "call.initiated": CallInitiated,
    "call.machine.detection.ended": MachineDetection,
    "call.machine.greeting.ended": MachineDetection,
    "call.machine.premium.detection.ended": MachineDetection,
    "call.machine.premium.greeting.ended": MachineDetection,
    "call.playback.ended": CallPlaybackEnded,
    "call.playback.started": CallPlaybackStarted,
    "call.recording.error": CallRecordingError,
    "call.recording.saved": CallRecordingSaved,
    "call.recording.transcription.saved": CallRecordingTranscriptionSaved,
    "call.speak.ended": CallSpeakEnded,
    "call.speak.started": CallSpeakStarted,
    "call.transcription": CallTranscription,
    "call.unhold": CallHold,
    "conference.created": ConferenceCreated,
    "conference.ended": ConferenceEnded,
    "conference.floor.changed": ConferenceFloorChanged,
    "conference.participant.joined": ConferenceParticipantJoined,
    "conference.participant.left": ConferenceParticipantLeft,
    "conference.participant.playback.ended": ParticipantPlayback,
    "conference.participant.playback.started": ParticipantPlayback,
    "conference.participant.speak.ended": ParticipantSpeak,
    "conference.participant.speak.started": ParticipantSpeak,
    "conference.playback.ended": ConferencePlayback,
    "conference.playback.started": ConferencePlayback,
    "conference.recording.saved": ConferenceRecordingSaved,
    "conference.speak.ended": ConferenceSpeak,
    "conference.speak.started": ConferenceSpeak,
}
"""The documented event types and their payloads."""


def typed(event: Event) -> Payload:
    """The payload of an event as the model for its type. Never raises."""
    return PAYLOADS.get(event.type, Payload).model_validate(dict(event.payload))
