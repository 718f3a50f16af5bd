"""The effects of a command: what it does to people, from its arguments and from what is true now.

This is the one place that decides how risky a command is. The risk of its class holds for its plain use; each effect
found here may raise it. Setting up a later end carries the risk of that end.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...tools.base import EVERYONE, Command, Risk, arguments_of
from ...tools.call_state import SwitchSupervisorRole
from ...tools.calls import MAX_CALL_S, BridgeCalls, Dial, HangupCall, TransferCall
from ...tools.conferences import CreateConference, EndConference
from ...tools.participants import JoinConference, LeaveConference, UpdateParticipant
from ...tools.queues import EnqueueCall, LeaveQueue, UpdateQueueCall
from ...tools.recordings import GetRecording, PauseRecording, ResumeRecording, StopRecording
from ...tools.text import quoted
from ...tools.transcription import StartTranscription, StopTranscription
from ..errors import CallRefused
from .place import Place, PlaceKind
from .situation import Room, Situation, people_in

MAX_ROOM_MINUTES = 240
"""Telnyx ends every conference after four hours; a longer duration changes nothing."""
_AUDIBLE_BEEPS = ("always", "on_enter")
_UNHEARD_ROLES = ("monitor", "whisper")


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of a command on people."""

    risk: Risk
    reason: str
    """A clause such as `ends conference 'Refunds' for 2 people: ...`."""
    ends_room: bool = False
    """Whether a conference ends with the call itself."""
    others: int = 0
    """People it affects whom the command does not name."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """How risky a command is now, and why."""

    command: Command
    """The command as the policy and the limits judge it: a list of everyone in the room counts as "everyone"."""
    risk: Risk
    reasons: tuple[str, ...]
    situation: Situation
    ends_room: bool = False
    """Whether a conference ends although the command is for one person, such as its host."""
    others: int = 0
    """People it affects whom the command does not name."""


async def assess(command: Command, situation: Situation) -> Assessment:
    """Find the effects of a command. Raises `CallRefused` for a command that can do nothing, and `CallFailed`."""
    judged = _whole_room(command, situation)
    await _check_has_effect(command, situation)
    effects = [rule.effect for rule in ARGUMENT_RULES if rule.applies(command)]
    effects += [effect async for effect in _effects_on_moved_legs(command, situation)]
    risk = max((judged.current_risk(), *(effect.risk for effect in effects)))
    return Assessment(
        judged,
        risk,
        tuple(dict.fromkeys(effect.reason for effect in effects)),
        situation,
        ends_room=any(effect.ends_room for effect in effects),
        others=sum(effect.others for effect in effects),
    )


def _whole_room(command: Command, situation: Situation) -> Command:
    legs = getattr(command, "call_control_ids", None)
    if not isinstance(legs, list):
        return command
    present = situation.known_people(getattr(command, "conference_id", ""))
    # With one person in the room, naming that person is not an action on a group.
    is_everyone = present is not None and len(present) > 1 and present.issubset(cast("list[str]", legs))
    return command.model_copy(update={"call_control_ids": EVERYONE}) if is_everyone else command


_NEEDS_RECORDING = (StopRecording, PauseRecording, ResumeRecording)
_NEEDS_OPEN_ROOM = (EndConference, StartTranscription, StopTranscription, *_NEEDS_RECORDING)


async def _check_has_effect(command: Command, situation: Situation) -> None:
    """A question about a command that can do nothing wastes a person's attention."""
    if isinstance(command, _NEEDS_OPEN_ROOM) and command.conference_id is not None:
        room = await situation.room(command.conference_id)
        if room.is_over:
            raise CallRefused(f"{command.tool_name()} was not sent: {room.title} has ended already.")
        if isinstance(command, _NEEDS_RECORDING) and not room.may_be_recording:
            raise CallRefused(
                f"{command.tool_name()} was not sent: no recording of {room.title} is running that a server on this "
                "store started."
            )
    if isinstance(command, LeaveQueue):
        place = await situation.verified_place(command.call_control_id)
        if place.conference_id is not None:
            room = await situation.room(place.conference_id)
            raise CallRefused(f"{command.tool_name()} was not sent: this call is in {room.title}, in no queue.")


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """An effect that follows from arguments alone."""

    arguments: str
    """The arguments as the documentation names them."""
    effect: Effect
    applies: Callable[[Command], bool]


def is_limit(seconds: Any) -> bool:
    """Whether a time limit for a call ends it earlier than Telnyx would without one."""
    return isinstance(seconds, int) and seconds < MAX_CALL_S


def _has(name: str, *values: Any) -> Callable[[Command], bool]:
    return lambda command: arguments_of(command).get(name) in values


def _enters_unheard(command: Command) -> bool:
    arguments: Mapping[str, Any] = arguments_of(command)
    enters = isinstance(command, JoinConference) or "conference_config" in command.model_fields_set
    return enters and arguments.get("mute") is True and arguments.get("beep_enabled") not in _AUDIBLE_BEEPS


def _is_cut_short(command: Command) -> bool:
    minutes = command.duration_minutes if isinstance(command, CreateConference) else None
    return minutes is not None and minutes < MAX_ROOM_MINUTES


def _supervises(command: Command) -> bool:
    return isinstance(command, Dial) and command.supervise_call_control_id is not None


def _limits_transfer(command: Command) -> bool:
    return isinstance(command, TransferCall) and is_limit(command.time_limit_secs)


def _listens_in(command: Command) -> bool:
    return isinstance(command, SwitchSupervisorRole) and command.role in _UNHEARD_ROLES


def _drops_place(command: Command) -> bool:
    return isinstance(command, UpdateQueueCall) and command.keep_after_hangup is False


def _takes_links(command: Command) -> bool:
    return isinstance(command, GetRecording) and command.include_download_urls


ARGUMENT_RULES: tuple[ArgumentRule, ...] = (
    ArgumentRule(
        "end_conference_on_exit: true",
        Effect(Risk.DESTRUCTIVE, "makes the conference end and hangs up everyone in it when this person leaves"),
        _has("end_conference_on_exit", True),
    ),
    ArgumentRule(
        "soft_end_conference_on_exit: true",
        Effect(Risk.DESTRUCTIVE, "makes the conference end when this person leaves"),
        _has("soft_end_conference_on_exit", True),
    ),
    ArgumentRule(
        f"duration_minutes below {MAX_ROOM_MINUTES}",
        Effect(Risk.DESTRUCTIVE, "makes the conference end and hangs up everyone in it after that time"),
        _is_cut_short,
    ),
    ArgumentRule(
        f"supervisor_role: {' or '.join(_UNHEARD_ROLES)}",
        Effect(Risk.DESTRUCTIVE, "lets this person hear people who do not hear them"),
        _has("supervisor_role", *_UNHEARD_ROLES),
    ),
    ArgumentRule(
        f"role: {' or '.join(_UNHEARD_ROLES)}, of switch_supervisor_role",
        Effect(Risk.DESTRUCTIVE, "lets this person hear people who do not hear them"),
        _listens_in,
    ),
    ArgumentRule(
        "supervise_call_control_id, with or without supervisor_role",
        Effect(Risk.DESTRUCTIVE, "lets this person hear a call that they are not part of, until it ends"),
        _supervises,
    ),
    ArgumentRule(
        f"mute: true without beep_enabled: {' or '.join(_AUDIBLE_BEEPS)}",
        Effect(Risk.DESTRUCTIVE, "lets this person enter unnoticed: muted and without a beep"),
        _enters_unheard,
    ),
    ArgumentRule(
        "time_limit_secs of transfer_call",
        Effect(Risk.DESTRUCTIVE, "hangs up both calls when the time limit is over"),
        _limits_transfer,
    ),
    ArgumentRule(
        "keep_after_hangup: false of update_queue_call",
        Effect(Risk.DESTRUCTIVE, "loses the caller's place in the queue when they hang up"),
        _drops_place,
    ),
    ArgumentRule(
        "include_download_urls: true",
        Effect(Risk.DESTRUCTIVE, "hands out links with which anyone can download the recording"),
        _takes_links,
    ),
)
"""The effects of arguments, in every tool that takes them."""

STATE_RULES: Mapping[str, tuple[Risk, str]] = {
    "the conference ends": (
        Risk.DESTRUCTIVE,
        "leave_conference, hangup_call, transfer_call, enqueue_call, create_conference, join_conference, bridge_calls "
        "for a leg whose leaving ends the conference it is in",
    ),
    "the other call is hung up": (
        Risk.DESTRUCTIVE,
        "the same tools for a leg that is bridged with another call",
    ),
    "the caller loses the place in the queue": (
        Risk.DESTRUCTIVE,
        "enqueue_call for a call that waits in another queue",
    ),
    "the other call is hung up when the time limit ends": (
        Risk.DESTRUCTIVE,
        "bridge_calls with a leg that a server on this store dialled with time_limit_secs, also one that waits in the "
        "queue",
    ),
    "a person is moved": (
        Risk.DISRUPTIVE,
        "create_conference, join_conference, enqueue_call for a leg that is in a conference",
    ),
    "everyone in the room notices": (
        Risk.DISRUPTIVE,
        "call_control_ids that list everyone in the conference, as for everyone",
    ),
}
"""The effects that depend on what is true now, for the documentation: risk, and in which calls."""

_CAPTURING_ENDPOINTS = frozenset(
    {"record_start", "record_resume", "transcription_start", "siprec_start", "streaming_start", "fork_start"}
)
"""The ends of the paths of endpoints that capture what people say."""
_CAPTURING_ARGUMENTS = ("record", "transcription", "stream_url")


def captures_speech(command: Command) -> bool:
    """Whether a command records or transcribes people, or sends what they say elsewhere."""
    routes = (command.route, *command.other_routes.values())
    captures = any(route.path.rpartition("/")[2] in _CAPTURING_ENDPOINTS for route in routes)
    return captures or any(arguments_of(command).get(name) for name in _CAPTURING_ARGUMENTS)


_MOVED: Mapping[type[Command], tuple[str, ...]] = {
    LeaveConference: ("call_control_id",),
    HangupCall: ("call_control_id",),
    TransferCall: ("call_control_id",),
    EnqueueCall: ("call_control_id",),
    CreateConference: ("call_control_id",),
    JoinConference: ("call_control_id",),
    BridgeCalls: ("call_control_id", "other_call_control_id"),
}
"""Commands that take a call leg out of where it is, with the arguments that name the leg."""


def moved_legs(command: Command) -> tuple[str, ...]:
    """The call legs that a command takes out of where they are."""
    legs = (getattr(command, argument) for argument in _MOVED.get(type(command), ()))
    return tuple(dict.fromkeys(leg for leg in legs if leg is not None))


async def _effects_on_moved_legs(command: Command, situation: Situation) -> AsyncGenerator[Effect]:
    for leg in moved_legs(command):
        place = await _place_of(command, leg, situation)
        async for effect in _effects_of_leaving(command, leg, place, situation):
            yield effect
        if isinstance(command, BridgeCalls) and await situation.has_time_limit(leg):
            yield _at_time_limit(leg, situation)
    if isinstance(command, BridgeCalls) and command.queue_name is not None:
        limited = await situation.limited_in(command.queue_name)
        if limited is not None:
            yield _at_time_limit(limited, situation)
    if isinstance(command, UpdateParticipant) and any(rule.applies(command) for rule in ARGUMENT_RULES):
        await situation.room(command.conference_id)  # the approval is bound to who is in it


def _at_time_limit(leg: str, situation: Situation) -> Effect:
    who = situation.person(leg).who
    return Effect(Risk.DESTRUCTIVE, f"hangs up the other call when the time limit of {who} is over")


async def _place_of(command: Command, leg: str, situation: Situation) -> Place:
    if isinstance(command, LeaveConference):
        return Place(PlaceKind.CONFERENCE, conference_id=command.conference_id)
    place = await situation.verified_place(leg)
    return await situation.searched_place(leg) if isinstance(command, EnqueueCall) else place


async def _effects_of_leaving(command: Command, leg: str, place: Place, situation: Situation) -> AsyncGenerator[Effect]:
    """The effects of taking a leg out of where it is."""
    if place.kind is PlaceKind.QUEUE and isinstance(command, EnqueueCall) and place.queue != command.queue_name:
        yield Effect(Risk.DESTRUCTIVE, f"takes a caller out of queue {quoted(place.queue)}, where the place is lost")
    elif place.kind is PlaceKind.BRIDGE:
        who = situation.person(leg).who
        other = f"{situation.person(place.other).who}, who" if place.other else "the call that"
        yield Effect(Risk.DESTRUCTIVE, f"hangs up {other} is connected with {who}", others=1)
    elif place.kind is PlaceKind.CONFERENCE and place.conference_id is not None:
        room = await situation.room(place.conference_id)
        if (ends := _end_of_room(room, leg)) is not None:
            yield ends
        elif isinstance(command, CreateConference | JoinConference | EnqueueCall) and room.leg(leg) is not None:
            yield Effect(Risk.DISRUPTIVE, f"takes {situation.person(leg).who} out of {room.title}")


def _end_of_room(room: Room, leg: str) -> Effect | None:
    person = room.leg(leg)
    if person is None or room.is_over or not (person.ends_room or person.soft_ends_room):
        return None
    verb = "hangs up" if person.ends_room else "ends the conference for"
    return Effect(
        Risk.DESTRUCTIVE,
        f"ends {room.title}: {person.who} is its host, and this {verb} {people_in(room.without(leg))}",
        ends_room=True,
        others=len(room.people) - 1,
    )
