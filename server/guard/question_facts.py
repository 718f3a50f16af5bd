"""What an approval question shows beside the arguments: the conference, queue, people or recording it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...prompts.safe_text import SafeText
from ...tools.base import EVERYONE, Command, arguments_of
from ...tools.call_state import SwitchSupervisorRole
from ...tools.text import clean_id, quoted
from .place import Place, PlaceKind
from .situation import MAX_NAMED, Person, QueueState, Room, Situation, Waiting, name_people

OTHER_LEG_ARGUMENTS = ("other_call_control_id", "supervise_call_control_id")
"""Arguments that name a second call leg."""


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """What is true now of what a command names. None, or empty, for what it does not name."""

    arguments: Mapping[str, Any]
    room: Room | None
    """The conference."""
    queue: QueueState | None
    person: Person | None
    """The person on the call leg that it names alone."""
    waiting: Waiting | None
    """That person's place in a queue."""
    place: Place | None
    """Where that call leg is, or the one that is supervised: if the command's path does not say so."""
    other_end: Person | None
    """The person with whom that call leg is connected."""
    place_room: Room | None
    """The conference in which that call leg is."""
    recording: str | None
    """The saved recording, in words."""
    legs: tuple[Person, ...]
    whisper_legs: tuple[Person, ...]
    other_legs: Mapping[str, Person]
    """The people on further call legs, by argument; `supervised`: the one whom a supervisor hears."""
    is_of_queue: bool
    """Whether it names a queue in its path."""

    @property
    def conference_id(self) -> str | None:
        """The conference that the question is about."""
        room = self.room or self.place_room
        return room.id if room else None

    def template_values(self, *, with_times: bool) -> dict[str, Any]:
        """The values for the templates in `prompts/questions`, with or without times that change by themselves."""
        legs = name_people(self.legs, with_states=False)
        whisper_legs = name_people(self.whisper_legs, with_states=False)
        return {
            "room": _room(self.room, with_times),
            "queue": self.queue and {"name": SafeText(quoted(self.queue.name)), "size": self.queue.size},
            "caller": self.waiting and _caller(self.waiting, is_of_queue=self.is_of_queue),
            "call": {
                "who": self.person and SafeText(_named(self.person, self.room or self.place_room)),
                "conference": SafeText(_quoted_name(self.place_room)) if self.place_room else None,
                "room": _room(self.place_room, with_times),
                "is_bridged": self.place is not None and self.place.kind is PlaceKind.BRIDGE,
                "other": SafeText(self.other_end.who) if self.other_end else None,
                "is_unknown": self.place is not None and self.place.kind is PlaceKind.UNKNOWN,
            },
            "legs": SafeText(EVERYONE if self.arguments.get("call_control_ids") == EVERYONE else legs),
            "whisper_legs": SafeText(whisper_legs) if self.whisper_legs else None,
            "saved": SafeText(self.recording) if self.recording else None,
            "participant": SafeText(_participant(self.room, self.arguments.get("participant_id"))),
            **{name: SafeText(person.who) for name, person in self.other_legs.items()},
        }


async def look_up(command: Command, situation: Situation) -> QuestionFacts:
    """Look up what a question about a command shows. Raises `CallFailed`."""
    arguments, path_names = arguments_of(command), command.route.parameters
    room = await situation.target_room()
    is_of_queue = "queue_name" in path_names
    queue = await situation.queue(arguments["queue_name"]) if is_of_queue else None
    leg: str | None = arguments.get("call_control_id")
    if leg == EVERYONE:
        leg = None
    waiting = await _waiting(command, leg, situation) if leg is not None else None
    person = waiting.person if waiting else situation.person(leg) if leg else None
    supervised = situation.supervised_by(leg) if leg is not None and isinstance(command, SwitchSupervisorRole) else None
    located = supervised or (_located_leg(command, leg) if waiting is None else None)
    place = await situation.verified_place(located) if located is not None else None
    other_legs = {name: arguments.get(name) for name in OTHER_LEG_ARGUMENTS} | {"supervised": supervised}
    legs = arguments.get("call_control_ids")
    named_legs = cast("list[str]", legs) if isinstance(legs, list) else []
    return QuestionFacts(
        arguments=arguments,
        room=room,
        queue=queue,
        person=person,
        waiting=waiting,
        place=place,
        other_end=situation.person(place.other) if place and place.other else None,
        place_room=(
            await situation.room(place.conference_id or "") if place and place.kind is PlaceKind.CONFERENCE else None
        ),
        recording=await situation.recording(arguments["recording_id"]) if "recording_id" in path_names else None,
        legs=tuple(map(situation.person, named_legs)),
        whisper_legs=tuple(map(situation.person, arguments.get("whisper_call_control_ids") or ())),
        other_legs={name: situation.person(other) for name, other in other_legs.items() if other},
        is_of_queue=is_of_queue,
    )


def _located_leg(command: Command, leg: str | None) -> str | None:
    """The call leg whose place a question shows."""
    if leg is None:
        return arguments_of(command).get("supervise_call_control_id")
    return None if "conference_id" in command.route.parameters else leg


async def _waiting(command: Command, leg: str, situation: Situation) -> Waiting | None:
    """The call's place in a queue, for a command that names the call alone or with its queue."""
    if "queue_name" in command.route.parameters:
        return await situation.waiting(leg, arguments_of(command)["queue_name"])
    return await situation.waiting(leg) if "call_control_id" in command.route.parameters else None


def _quoted_name(room: Room) -> str:
    return quoted(room.name) if room.name else clean_id(room.id)


def _room(room: Room | None, with_times: bool) -> dict[str, Any] | None:
    if room is None:
        return None
    return {
        "name": SafeText(_quoted_name(room)),
        "total": len(room.people),
        "people": SafeText(name_people(room.people, with_times=with_times)) if room.people else None,
        "more": max(0, len(room.people) - MAX_NAMED),
    }


def _caller(waiting: Waiting, *, is_of_queue: bool) -> dict[str, Any]:
    in_queue = None if is_of_queue else SafeText(quoted(waiting.queue))
    return {"position": waiting.position, "hung_up": waiting.has_hung_up, "queue": in_queue}


def _participant(room: Room | None, named: str | None) -> str:
    person: Person | None = room.person(named) if room is not None and named is not None else None
    return _named(person, room) if person else quoted(named)


def _named(person: Person, room: Room | None) -> str:
    return room.naming(person) if room is not None else person.who
