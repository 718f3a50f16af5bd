"""Tools for calls: dial, answer, reject, hang up, bridge, transfer."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from .base import GET, POST, ByArgument, Command, Retry, Risk, Undo
from .numbers import CallerNumber, Number
from .results import Accepted, CallPage, CallResult, DialResult, TransferResult
from .types import (
    AudioUrl,
    Beep,
    CallControlId,
    CallLeg,
    ClientState,
    CommandId,
    ConferenceId,
    ConnectionId,
    MediaName,
    NotEmpty,
    PageAfter,
    PageNumber,
    PageSize,
    QueueName,
    SupervisorRole,
    WhisperCallLegs,
    described,
)
from .whisper_rule import WhisperRule

MAX_CALL_S = 4 * 3600
"""The longest that Telnyx lets a call last."""

_DISPLAYED = re.compile(r"[A-Za-z0-9 _~!.+-]*")


def _displayed(value: str, info: ValidationInfo) -> str:
    if not info.context and not _DISPLAYED.fullmatch(value):
        raise ValueError("must be letters, numbers, spaces and -_~!.+ only")
    return value


def _single(value: Any) -> Any:
    """A list of one number is that number."""
    if not isinstance(value, list):
        return value
    numbers = cast("list[Any]", value)
    return numbers[0] if len(numbers) == 1 else numbers


def _at_least_one(value: list[str]) -> list[str]:
    if not value:
        raise ValueError("must be a number or a list of numbers, at least one")
    return value


Numbers = Annotated[list[Number], AfterValidator(_at_least_one)]
DisplayName = Annotated[
    str, Field(max_length=128), AfterValidator(_displayed), described("Caller name; default: the number.")
]
CallerId = Annotated[
    CallerNumber | None, Field(alias="from"), described("Number to call from, E.164; default: the operator's.")
]
CalledNumber = Annotated[Number, described("Phone number in E.164 (+14155550123) or SIP URI.")]
Timeout = Annotated[int, Field(ge=5, le=600), described("Seconds to ring; default 30.")]
ParkAfterUnbridge = Annotated[Literal["self"], described("Keep this call when the other ends.")]
TimeLimit = Annotated[int, Field(ge=30, le=MAX_CALL_S), described("Hangs up after these seconds; default 4 hours.")]
Detection = Literal[
    "premium",
    "premium_ios_call_screening_detection",
    "detect",
    "detect_beep",
    "detect_words",
    "greeting_end",
    "disabled",
]
_STANDARD, _PREMIUM = ("call.machine.detection.ended",), ("call.machine.premium.detection.ended",)
_DETECTED: Mapping[str | None, tuple[str, ...]] = {
    "premium": _PREMIUM,
    "premium_ios_call_screening_detection": _PREMIUM,
    "detect": _STANDARD,
    "detect_beep": _STANDARD,
    "detect_words": _STANDARD,
    "greeting_end": _STANDARD,
}
_OVERHEARD = {"monitor": Risk.DESTRUCTIVE, "whisper": Risk.DESTRUCTIVE}


class ConferenceConfig(WhisperRule):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    conference_id: Annotated[ConferenceId | None, Field(alias="id"), described("Id, or name of an open one.")] = None
    conference_name: Annotated[NotEmpty, described("Instead of id: by name; created if new.")] | None = None
    start_conference_on_create: Annotated[bool, described("false: everyone waits on hold.")] | None = None
    supervisor_role: SupervisorRole | None = None
    whisper_call_control_ids: WhisperCallLegs | None = None
    mute: Annotated[bool, described("Join muted.")] | None = None
    hold: Annotated[bool, described("Join on hold.")] | None = None
    hold_audio_url: AudioUrl | None = None
    hold_media_name: MediaName | None = None
    early_media: Annotated[bool, described("false: join when answered.")] | None = None
    start_conference_on_enter: Annotated[bool, described("Starts a conference that waits.")] | None = None
    end_conference_on_exit: Annotated[bool, described("Ends it and hangs up everyone when they leave.")] | None = None
    soft_end_conference_on_exit: Annotated[bool, described("Ends when they leave; nobody is hung up.")] | None = None
    beep_enabled: Beep | None = None

    @model_validator(mode="after")
    def _check_conference(self, info: ValidationInfo) -> Self:
        if not info.context and (self.conference_id is None) is (self.conference_name is None):
            raise ValueError("must name the conference, by id or by conference_name, not both")
        if self.hold_audio_url is not None and self.hold_media_name is not None:
            raise ValueError("give hold_audio_url or hold_media_name, not both")
        return self


class Dial(Command):
    """Call a phone number, or several at once; with conference_config they join a conference when they answer."""

    search_hint = "call a number and add them to the room, phone or ring somebody, outbound call"
    route = POST("/calls")
    risk = ByArgument("supervisor_role", _OVERHEARD, Risk.DISRUPTIVE)
    worst_effect = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = DialResult
    does = "call {to}[ from {from_}][ into {conference_config}][ to supervise {supervise_call_control_id}]"
    announces = ("call.answered", "call.hangup")
    undo = Undo("hangup_call", from_result={"call_control_id": "call.call_control_id"}, but="the telephone has rung")
    dials = "to"
    settings = {"connection_id": "connection_id", "from_": "from_number"}

    to: Annotated[
        Number | Numbers,
        BeforeValidator(_single),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
        described("Phone numbers in E.164 (+14155550123) or SIP URIs."),
    ]
    from_: CallerId = None
    from_display_name: DisplayName | None = None
    connection_id: ConnectionId | None = None
    conference_config: (
        Annotated[ConferenceConfig, described("The conference to join, by id or conference_name.")] | None
    ) = None
    supervise_call_control_id: Annotated[CallLeg, described("Call leg to supervise, outside a conference.")] | None = (
        None
    )
    supervisor_role: (
        Annotated[Literal["barge", "monitor", "whisper"], described("With supervise_call_control_id only.")] | None
    ) = None
    answering_machine_detection: (
        Annotated[Detection, described("Whether to detect a machine; default disabled.")] | None
    ) = None
    timeout_secs: Timeout | None = None
    time_limit_secs: TimeLimit | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None

    @model_validator(mode="after")
    def _check_supervision(self, info: ValidationInfo) -> Self:
        if info.context:
            return self
        if self.conference_config is not None and self.supervise_call_control_id is not None:
            raise ValueError("give conference_config or supervise_call_control_id, not both")
        if self.supervisor_role is not None and self.supervise_call_control_id is None:
            raise ValueError(
                "supervisor_role goes with supervise_call_control_id; in a conference it is one of conference_config"
            )
        return self

    def expected_events(self) -> tuple[str, ...]:
        joined = ("conference.participant.joined",) if self.conference_config is not None else ()
        return (*super().expected_events(), *joined, *_DETECTED.get(self.answering_machine_detection, ()))

    def undo_call(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """None for several calls: Telnyx's answer names only the first of them."""
        return super().undo_call(fields) if len(self.numbers()) == 1 else None


class GetCall(Command):
    """See one call: whether it is alive, and since when."""

    route = GET("/calls/{call_control_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = CallResult
    does = "see {call_control_id}"

    call_control_id: CallControlId


class ListActiveCalls(Command):
    """List the calls that are up on a connection, ringing or answered."""

    route = GET("/connections/{connection_id}/active_calls")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = CallPage
    does = "list active calls of {connection_id}"
    settings = {"connection_id": "connection_id"}

    connection_id: ConnectionId | None = None
    page_number: PageNumber | None = None
    page_after: PageAfter | None = None
    page_size: PageSize | None = None


class AnswerCall(Command):
    """Answer an incoming call."""

    search_hint = "pick up the phone"
    route = POST("/calls/{call_control_id}/actions/answer")
    risk = Risk.ROUTINE
    retry = Retry.DEDUPED
    result = Accepted
    does = "answer {call_control_id}"
    announces = ("call.answered",)

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class RejectCall(Command):
    """Reject an incoming call that is not answered yet."""

    search_hint = "decline or refuse it"
    route = POST("/calls/{call_control_id}/actions/reject")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "reject {call_control_id} with {cause}"
    announces = ("call.hangup",)

    call_control_id: CallControlId
    cause: Annotated[
        Literal["CALL_REJECTED", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE", "USER_BUSY"],
        described("The reason that the caller's carrier gets."),
    ]
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class HangupCall(Command):
    """Hang up one call, also one that still rings."""

    search_hint = "drop or disconnect this caller"
    route = POST("/calls/{call_control_id}/actions/hangup")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "hang up {call_control_id}"
    announces = ("call.hangup",)

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class BridgeCalls(Command):
    """Connect two calls with each other, or a call with the first in a queue (other_call_control_id or queue_name)."""

    search_hint = "connect the next caller to an agent, put two callers together"
    route = POST("/calls/{call_control_id}/actions/bridge")
    risk = Risk.DISRUPTIVE
    worst_effect = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "connect {call_control_id} with [{other_call_control_id}][the first call in {queue_name}]"
    announces = ("call.bridged",)
    exclusive = (("other_call_control_id", "queue_name"),)
    one_of = ("other_call_control_id", "queue_name")

    call_control_id: CallControlId
    other_call_control_id: Annotated[
        CallLeg | None, Field(serialization_alias="call_control_id"), described("The other call leg.")
    ] = None
    queue_name: Annotated[
        QueueName | None, Field(serialization_alias="queue"), described("Instead: the first call in this queue.")
    ] = None
    park_after_unbridge: ParkAfterUnbridge | None = None
    hold_after_unbridge: Annotated[bool, described("The same, on hold.")] | None = None
    prevent_double_bridge: Annotated[bool, described("Fail if one is bridged already.")] | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class TransferCall(Command):
    """Transfer a call to another number, once that answers."""

    search_hint = "forward it to a phone"
    route = POST("/calls/{call_control_id}/actions/transfer")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = TransferResult
    does = "transfer {call_control_id} to {to}[ from {from_}]"
    announces = ("call.bridged", "call.hangup")
    dials = "to"

    call_control_id: CallControlId
    to: CalledNumber
    from_: Annotated[CallerNumber | None, Field(alias="from"), described("Number to show; default: the caller's.")] = (
        None
    )
    early_media: Annotated[bool, described("false: no ringing heard.")] | None = None
    park_after_unbridge: ParkAfterUnbridge | None = None
    timeout_secs: Timeout | None = None
    time_limit_secs: TimeLimit | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None
