"""Recording consent: refuses commands that would record people who have not heard the announcement."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from ...tools.base import EVERYONE, Command, arguments_of
from ...tools.call_recordings import StartCallRecording
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


class Coming(NamedTuple):
    """Who is about to be connected with a call or to join a conference."""

    numbers: tuple[str, ...]
    """Numbers that ring, or whose call leg is not known yet."""
    legs: tuple[str, ...]


class ConsentState(Protocol):
    """What is known of announcements. Every method may raise `CallFailed` and `StoreError`."""

    async def consented(self, legs: Iterable[str], policy: ConsentPolicy) -> frozenset[str]:
        """The call legs among these that have heard the announcement, and keyed where that is needed."""
        ...

    async def is_announcing(self, call_control_id: str) -> bool:
        """Whether the announcement plays to a call leg now."""
        ...

    async def coming(self, places: Collection[str], people: Collection[str] = ()) -> Coming:
        """Who is about to be connected with these, or supervises these people: calls that ring, commands on their way.

        `places`: call legs, ids and names of conferences, names of queues. `people`: call legs.
        """
        ...

    async def are_about_to_be_recorded(self, places: Collection[str]) -> bool:
        """Whether a recording of this conference starts or resumes now. `places`: its id and name."""
        ...

    def note_sent(self, command: Command, body: Any) -> None:
        """Note a command that Telnyx accepted. `body`: Telnyx's JSON."""
        ...

    async def peer(self, call_control_id: str) -> str | None:
        """The call leg with which a server on this store last connected a leg, if it is known."""
        ...

    async def captured(self, legs: Iterable[str]) -> frozenset[str]:
        """The call legs among these that may be recorded or transcribed on their own."""
        ...

    async def recorded(self, legs: Iterable[str]) -> frozenset[str]:
        """The call legs among these that may be recorded on their own. In a conference, that records everyone in it."""
        ...


async def consent_refusal(
    policy: ConsentPolicy, situation: Situation, state: ConsentState, *, is_in_audit: bool = False
) -> str | None:
    """Why a command would record people without the announcement, as a clause; None when it would not.

    `is_in_audit`: the audit says already that it is sent.
    """
    if not policy.is_required:
        return None
    command = situation.command
    if isinstance(command, StartCallRecording) and not is_in_audit and await state.recorded([command.call_control_id]):
        return "this call is recorded already, and a pause or a stop would end one of two recordings"
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
        return await _room_refusal(await situation.room(conference_id), policy, situation, state)
    if leg is None:
        return "it is not known whom it would record"
    place = await situation.place(leg)
    if place.kind in (PlaceKind.BRIDGE, PlaceKind.UNKNOWN) and place.other is None:
        return "it is not known who is connected with this call, and they would be recorded too"
    people = [situation.person(call_leg) for call_leg in (leg, place.other) if call_leg]
    together = [name for name in (leg, place.other, place.queue) if name is not None]
    if (refusal := await _refusal_with(together, people, policy, situation, state)) is not None:
        return refusal
    if place.kind is PlaceKind.CONFERENCE and place.conference_id is not None:
        return await _room_refusal(await situation.room(place.conference_id), policy, situation, state)
    return None


async def _room_refusal(room: Room, policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    return await _refusal_with(_names(room), room.people, policy, situation, state)


def _names(room: Room) -> list[str]:
    return [name for name in (room.id, room.name) if name]


async def _refusal_with(
    places: Collection[str], people: Iterable[Person], policy: ConsentPolicy, situation: Situation, state: ConsentState
) -> str | None:
    """Why these people, and who is about to come to them, may not be recorded."""
    known = {person.call_control_id: person for person in people}
    coming = await state.coming(places, known.keys())
    beside_them = await state.coming((), coming.legs)
    known |= {leg: situation.person(leg) for leg in (*coming.legs, *beside_them.legs) if leg not in known}
    return _callees_refusal((*coming.numbers, *beside_them.numbers)) or await _missing_consent(
        known.values(), policy, state
    )


def _callees_refusal(numbers: Collection[str]) -> str | None:
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
        return await _room_refusal(replace(room, people=people), policy, situation, state)
    if not await _may_be_recorded(room, state):
        return None
    if isinstance(command, JoinConference):
        leg = command.call_control_id
        return await _refusal_with([leg], [situation.person(leg)], policy, situation, state)
    return (
        f"{room.title} is recorded, and people would join without the announcement: dial without conference_config, "
        "play it with announce_recording when they have answered, then use join_conference"
    )


async def _opening_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """A recorded call opens no conference that people will join by its name."""
    command = situation.command
    if not isinstance(command, CreateConference) or not await state.captured([command.call_control_id]):
        return None
    return _callees_refusal((await state.coming([command.name])).numbers)


async def _may_be_recorded(room: Room, state: ConsentState) -> bool:
    """Whether a recording of the conference, or of a call in it, may run or is paused."""
    if room.recording in ("recording", "paused") or (room.recording is None and room.may_be_recording):
        return True
    if await state.are_about_to_be_recorded(_names(room)):
        return True
    return bool(await state.recorded([person.call_control_id for person in room.people]))


async def _other_end(leg: str, situation: Situation, state: ConsentState) -> str | None:
    """The call leg that a leg is connected with, as far as known."""
    place = await situation.place(leg)
    return place.other or (await state.peer(leg) if place.kind is PlaceKind.BRIDGE else None)


async def _connection_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """Refuse to connect a call that is being recorded with people who have not heard the announcement."""
    command = situation.command
    supervised = command.supervise_call_control_id if isinstance(command, Dial) else None
    if supervised is not None:
        return await _supervision_refusal(supervised, situation, state)
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
    return await _refusal_with(legs, map(situation.person, legs), policy, situation, state)


async def _supervision_refusal(leg: str, situation: Situation, state: ConsentState) -> str | None:
    """Nobody supervises a call that may be recorded or transcribed where it is."""
    place, other = await situation.place(leg), await _other_end(leg, situation, state)
    if place.kind is PlaceKind.BRIDGE and other is None:
        return "it is not known with whom this call is connected, and that call may be recorded"
    is_captured = bool(await state.captured(filter(None, (leg, other))))
    if not is_captured and place.conference_id is not None:
        is_captured = await _may_be_recorded(await situation.room(place.conference_id), state)
    if not is_captured:
        return None
    return "this call is recorded, and a supervisor would be recorded without the announcement"


async def _stopped_audio_refusal(policy: ConsentPolicy, situation: Situation, state: ConsentState) -> str | None:
    """Speech that is stopped looks like speech that was heard to its end."""
    command = situation.command
    leg: str | None = getattr(command, "call_control_id", None)
    stops = command.route.path.endswith("/playback_stop") or getattr(command, "stop", None) is not None
    if leg is None or not stops:
        return None
    reaches_other_end = getattr(command, "target_legs", None) in ("opposite", "both")
    other = await _other_end(leg, situation, state) if reaches_other_end else None
    if not any([await state.is_announcing(heard_on) for heard_on in (leg, other) if heard_on is not None]):
        return None
    return "the recording announcement plays on this call: wait for event recording.consent.heard"
