"""The calls around conferences and queues: dial, answer, hang up, bridge, transfer."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator

from .base import GET, POST, ByArgument, Command, Retry, Risk, Undo
from .numbers import CallerNumber, Number
from .results import Accepted, CallPage, CallResult, DialResult
from .types import (
    Beep,
    CallControlId,
    CallLegs,
    ClientState,
    CommandId,
    ConferenceId,
    ConnectionId,
    NotEmpty,
    PageNumber,
    PageSize,
    QueueName,
)
from .whisper_rule import WhisperRule

MAX_CALL_S = 4 * 3600
"""Seconds that a call lasts at most."""

_DISPLAYED = re.compile(r"[A-Za-z0-9 _~!.+-]*")


def _displayed(value: str, info: ValidationInfo) -> str:
    if not info.context and not _DISPLAYED.fullmatch(value):
        raise ValueError("must be letters, numbers, spaces and -_~!.+ only")
    return value


def _some(value: list[str]) -> list[str]:
    if not value:
        raise ValueError("must be a number or a list of numbers, at least one")
    return value


Numbers = Annotated[list[Number], AfterValidator(_some)]
DisplayName = Annotated[str, Field(max_length=128), AfterValidator(_displayed)]
Timeout = Annotated[int, Field(ge=5, le=600, description="Of ringing; default 30.")]
TimeLimit = Annotated[int, Field(ge=1, le=MAX_CALL_S)]
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
    model_config = ConfigDict(extra="forbid", frozen=True)

    conference_id: Annotated[ConferenceId | None, Field(alias="id")] = None
    conference_name: NotEmpty | None = None
    start_conference_on_create: bool | None = None
    supervisor_role: Literal["barge", "monitor", "none", "whisper"] | None = None
    whisper_call_control_ids: CallLegs | None = None
    mute: bool | None = None
    hold: bool | None = None
    start_conference_on_enter: bool | None = None
    end_conference_on_exit: bool | None = None
    soft_end_conference_on_exit: bool | None = None
    beep_enabled: Beep | None = None

    @model_validator(mode="after")
    def _names_one_conference(self, info: ValidationInfo) -> Self:
        if not info.context and (self.conference_id is None) is (self.conference_name is None):
            raise ValueError("must name the conference, by id or by conference_name")
        return self


class Dial(Command):
    """Call a phone number, or several at once, straight into a conference if wanted."""

    route = POST("/calls")
    risk = ByArgument("supervisor_role", _OVERHEARD, Risk.DISRUPTIVE)
    retry = Retry.DEDUPED
    result = DialResult
    does = "call {to}[ from {from_}][ into {conference_config}][ to supervise {supervise_call_control_id}]"
    announces = ("call.answered", "call.hangup")
    undo = Undo("hangup_call", from_result={"call_control_id": "call.call_control_id"}, but="the telephone has rung")
    dials = "to"
    settings = {"connection_id": "connection_id", "from_": "from_number"}

    to: Annotated[Number | Numbers, Field(description="E.164 or SIP URI.")]
    from_: Annotated[CallerNumber | None, Field(alias="from")] = None
    from_display_name: DisplayName | None = None
    connection_id: ConnectionId | None = None
    conference_config: Annotated[ConferenceConfig, Field(description="Joins when answered.")] | None = None
    supervise_call_control_id: CallControlId | None = None
    supervisor_role: Literal["barge", "monitor", "whisper"] | None = None
    answering_machine_detection: Detection | None = None
    timeout_secs: Timeout | None = None
    time_limit_secs: TimeLimit | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None

    @model_validator(mode="after")
    def _supervises_one_thing(self, info: ValidationInfo) -> Self:
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
        """Of several calls Telnyx names the first only: they are taken back one by one."""
        return super().undo_call(fields) if len(self.numbers()) == 1 else None


class GetCall(Command):
    """See one call: whether it is alive, since when."""

    route = GET("/calls/{call_control_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = CallResult
    does = "see {call_control_id}"

    call_control_id: CallControlId


class ListActiveCalls(Command):
    """See every call that is up on a connection, ringing or answered."""

    route = GET("/connections/{connection_id}/active_calls")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = CallPage
    does = "list active calls of {connection_id}"
    settings = {"connection_id": "connection_id"}

    connection_id: ConnectionId | None = None
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class AnswerCall(Command):
    """Answer an incoming call."""

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
    """Turn an incoming call away, not answered yet."""

    route = POST("/calls/{call_control_id}/actions/reject")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "reject {call_control_id} with {cause}"
    announces = ("call.hangup",)

    call_control_id: CallControlId
    cause: Literal["CALL_REJECTED", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE", "USER_BUSY"]
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class HangupCall(Command):
    """Hang up one call, also one that still rings."""

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
    """Connect two calls with each other, or a call with the first in a queue."""

    route = POST("/calls/{call_control_id}/actions/bridge")
    risk = Risk.DISRUPTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "connect {call_control_id} with [{other_call_control_id}][the first call in {queue_name}]"
    announces = ("call.bridged",)
    exclusive = (("other_call_control_id", "queue_name"),)
    one_of = ("other_call_control_id", "queue_name")

    call_control_id: CallControlId
    other_call_control_id: Annotated[CallControlId | None, Field(serialization_alias="call_control_id")] = None
    queue_name: Annotated[QueueName | None, Field(serialization_alias="queue")] = None
    park_after_unbridge: Annotated[Literal["self"], Field(description="Default: hung up.")] | None = None
    prevent_double_bridge: bool | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class TransferCall(Command):
    """Pass a call on to another number, once that answers."""

    route = POST("/calls/{call_control_id}/actions/transfer")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "transfer {call_control_id} to {to}[ from {from_}]"
    announces = ("call.bridged", "call.hangup")
    dials = "to"

    call_control_id: CallControlId
    to: Annotated[Number, Field(description="E.164 or SIP URI.")]
    from_: Annotated[CallerNumber | None, Field(alias="from")] = None
    timeout_secs: Timeout | None = None
    time_limit_secs: TimeLimit | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None
