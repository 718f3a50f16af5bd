"""Recording consent: refuses commands that would record people who have not heard the announcement."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from ...tools.base import EVERYONE, Command, arguments_of
from ...tools.calls import BridgeCalls, Dial, TransferCall
from ...tools.conferences import CreateConference
from ...tools.participants import JoinConference
from .effects import captures_speech
from .place import PlaceKind
from .policy import ConsentPolicy
from .situation import Person, Room, Situation, name_people

_NEXT_STEP = (
    "announce_recording plays the announcement; try again after event recording.consent.heard of each of them, or "
    "recording.consent.keyed where a key is needed"
)


class ConsentState(Protocol):
    """What is known of announcements. Every method may raise `CallFailed` and `StoreError`."""

    async def consented(self, legs: Iterable[str], policy: ConsentPolicy) -> frozenset[str]:
        """The call legs among these that have heard the announcement, and keyed where that is needed."""
        ...

    async def is_announcing(self, call_control_id: str) -> bool:
        """Whether the announcement plays to a call leg now."""
        ...

    def called_into(self, room: Room) -> tuple[str, ...]:
        """The numbers that ring and will join a conference when they answer."""
        ...

    def sent(self, command: Command, body: Any) -> None:
        """Note a command that Telnyx accepted. `body`: Telnyx's JSON."""
        ...

    async def captured(self, legs: Iterable[str]) -> frozenset[str]:
        """The call legs among these that may be recorded or transcribed on their own."""
        ...

    async def recorded(self, legs: Iterable[str]) -> frozenset[str]:
        """The call legs among these that may be recorded on their own. In a conference, that records everyone in it."""
        ...


async def consent_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """Why a command would record people without the announcement, as a clause; None when it would not."""
    if not policy.is_required:
        return None
    command = situation.command
    if captures_speech(command):
        return await _capture_refusal(policy, situation, state)
    for check in (_opening_refusal, _entry_refusal, _connection_refusal, _stopped_audio_refusal):
        if (refusal := await check(policy, situation, state)) is not None:
            return refusal
    return None


async def _capture_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    arguments = arguments_of(situation.command)
    leg: str | None = arguments.get("call_control_id")
    # A call leg counts where it is, also if the command names a conference.
    if leg in (None, EVERYONE) and (conference_id := arguments.get("conference_id")) is not None:
        return await _room_refusal(await situation.room(conference_id), policy, state)
    if leg is None:
        return "it is not known whom it would record"
    place = await situation.place(leg)
    if place.kind is PlaceKind.CONFERENCE and place.conference_id is not None:
        return await _room_refusal(await situation.room(place.conference_id), policy, state)
    if place.kind in (PlaceKind.BRIDGE, PlaceKind.UNKNOWN) and place.other is None:
        return "it is not known who is connected with this call, and they would be recorded too"
    people = [situation.person(call_leg) for call_leg in (leg, place.other) if call_leg]
    return await _missing_consent(people, policy, state)


async def _room_refusal(room: Room, policy: ConsentPolicy, state: ConsentState) -> str | None:
    return _callees_refusal(room, state) or await _missing_consent(room.people, policy, state)


def _callees_refusal(room: Room, state: ConsentState) -> str | None:
    numbers = state.called_into(room)
    if not numbers:
        return None
    return (
        f"{', '.join(numbers)} will join when they answer, and would be recorded without the announcement: wait until "
        "they have joined or hung up"
    )


async def _missing_consent(people: Iterable[Person], policy: ConsentPolicy, state: ConsentState) -> str | None:
    people = list(people)
    heard = await state.consented([person.call_control_id for person in people], policy)
    lacking = [person for person in people if person.call_control_id not in heard]
    if not lacking:
        return None
    requirement = "have heard it and pressed the key" if policy.needs_key else "have heard that they are recorded"
    return f"{name_people(lacking, with_states=False)} must {requirement} first: {_NEXT_STEP}"


async def _entry_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """People enter a conference that is recorded only after the announcement."""
    command = situation.command
    if not isinstance(command, JoinConference | Dial):
        return None
    room = await situation.target_room()
    if room is None or room.is_over:
        return None
    if isinstance(command, JoinConference) and await state.captured([command.call_control_id]):
        people = (situation.person(command.call_control_id), *room.people)
        return await _room_refusal(replace(room, people=people), policy, state)
    if not await _may_be_recorded(room, state):
        return None
    if isinstance(command, JoinConference):
        return await _missing_consent([situation.person(command.call_control_id)], policy, state)
    return (
        f"{room.title} is recorded, and people would join without the announcement: dial without conference_config, "
        "play it with announce_recording when they have answered, then use join_conference"
    )


async def _opening_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """A recorded call opens no conference that people will join by its name."""
    command = situation.command
    if not isinstance(command, CreateConference) or not await state.captured([command.call_control_id]):
        return None
    return _callees_refusal(Room(id="", name=command.name), state)


async def _may_be_recorded(room: Room, state: ConsentState) -> bool:
    """Whether a recording of the conference, or of a call in it, may run or is paused."""
    if room.recording in ("recording", "paused") or (room.recording is None and room.may_be_recording):
        return True
    return bool(await state.recorded([person.call_control_id for person in room.people]))


async def _other_end(leg: str, situation: Situation) -> str | None:
    """The call leg that a leg is connected with, as far as known."""
    return (await situation.place(leg)).other


async def _connection_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """A call that is recorded by itself is connected only with people who have heard the announcement."""
    command = situation.command
    supervised = command.supervise_call_control_id if isinstance(command, Dial) else None
    if supervised is not None and await state.captured(
        filter(None, (supervised, await _other_end(supervised, situation)))
    ):
        return "this call is recorded, and a supervisor would be recorded without the announcement"
    if not isinstance(command, BridgeCalls | TransferCall):
        return None
    other = command.other_call_control_id if isinstance(command, BridgeCalls) else None
    queue = command.queue_name if isinstance(command, BridgeCalls) else None
    # It is not known who is first in the queue when Telnyx looks.
    others = [other] if other else list(await situation.waiting_in(queue)) if queue else []
    captured = await state.captured([command.call_control_id, *others])
    if not captured:
        return None
    legs = [command.call_control_id, *(others if other or command.call_control_id in captured else sorted(captured))]
    if len(legs) == 1:
        return "this call is recorded, and it is not known who would be connected with it: stop the recording first"
    return await _missing_consent([situation.person(leg) for leg in legs], policy, state)


async def _stopped_audio_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """Speech that is stopped looks like speech that was heard to its end."""
    command = situation.command
    leg: str | None = getattr(command, "call_control_id", None)
    stops = command.route.path.endswith("/playback_stop") or getattr(command, "stop", None) is not None
    if leg is None or not stops or not await state.is_announcing(leg):
        return None
    return "the recording announcement plays on this call: wait for event recording.consent.heard"
