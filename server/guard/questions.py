"""The question that a person decides on: what a command does, to whom, and why it is risky."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from ...prompts.safe_text import SafeText
from ...tools.base import EVERYONE, Command, arguments_of
from ...tools.pagination import Read, count_of
from ...tools.participants import ListParticipants
from ...tools.queues import AnnouncePositions, ListQueueCalls
from ...tools.text import REDACTORS, clean_id, quoted
from .changes import NO_FACTS, Facts
from .effects import Assessment
from .ledger import GrantTerms
from .place import PlaceKind
from .policy import BrokenRule
from .situation import MAX_NAMED, Person, Room, Situation, Waiting, name_people

ShowText = Callable[[str], str | int]
TextFormats = Mapping[str, ShowText]
"""How the text of an argument is shown, by its name."""

_MAX_TEXT_LENGTH = 4096
"""A person must not approve a text or a destination whose end they have not seen."""
_OTHER_LEGS = ("other_call_control_id", "supervise_call_control_id")
_ONE_PERSON = ("call_control_id", *_OTHER_LEGS, "participant_id")
"""Arguments that name one person."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person decides on."""

    text: str
    record_text: str
    """The text for records: without what is spoken and keyed."""
    digest: str
    """A hash of the question and of every fact that decides the effect, without times that change by themselves."""
    facts: Facts = field(default_factory=dict[str, Any])
    """Those facts, to say later what has changed."""
    conference_id: str | None = None
    """The conference that it names."""

    def replacing(self, code: str, changed: str) -> "Question":
        """This question, with why the earlier one under this code no longer holds."""
        why = f"Asked again: since {code} was asked, {changed}. "
        return replace(self, text=why + self.text, record_text=why + self.record_text)


async def compose(assessment: Assessment, broken: Sequence[BrokenRule] = ()) -> Question:
    """One plain question: `End conference 'Standup'? 3 people are in it (...). Everyone in it is hung up.`

    Its words are those of the command's file in `prompts/questions`. Hosts cut a long question in their dialogs, so
    what weighs most comes first: which calling rules a yes overrides, the question itself, why the command is risky,
    the other sentences, and at the end in full each long text that these quote by its start. Raises `CallFailed` when
    what the command names does not exist or Telnyx cannot be asked: a question without its facts is not asked.
    """
    from ...prompts.questions import question  # noqa: PLC0415 (loads the template engine only when a person is asked)

    command, situation = assessment.situation.command, assessment.situation
    live_facts, conference_id = await _look_up(command, situation)
    tool, why = command.tool_name(), _why(assessment)

    def text(formats: TextFormats, *, with_times: bool) -> str:
        wording = _Wording(formats)
        first, *rest = question(tool, _arguments(command, wording) | live_facts(with_times))
        asked = " ".join([first, *why, *rest])
        return " ".join([asked, *(f"In full: {full}." for full, start in wording.cut.items() if start in asked)])

    is_secret = any(getattr(command, name, None) is not None for name in REDACTORS)
    overrides = "".join(f"A yes overrides a rule for this one call: {rule}. " for rule in broken)
    shown = overrides + text(_FORMATS, with_times=True)
    record_text = overrides + text(_RECORD_FORMATS, with_times=True) if is_secret else shown
    facts = [text(_FORMATS, with_times=False), situation.facts(), [rule.facts for rule in broken]]
    bound = json.dumps(facts, sort_keys=True, default=str)
    digest = hashlib.sha256(bound.encode(errors="replace")).hexdigest()
    return Question(shown, record_text, digest, situation.remembered(), conference_id)


def compose_grant(terms: GrantTerms, facts: Mapping[str, Any], record_facts: Mapping[str, Any]) -> Question:
    """The question about a grant. `facts`: what it shows; `record_facts`: the same for the audit."""
    from ...prompts.questions import question  # noqa: PLC0415 (as above)

    text = " ".join(question("request_grant", facts))
    bound = json.dumps([text, asdict(terms)], sort_keys=True)
    record_text = " ".join(question("request_grant", record_facts))
    return Question(text, record_text, hashlib.sha256(bound.encode(errors="replace")).hexdigest(), NO_FACTS)


def _why(assessment: Assessment) -> list[str]:
    if not assessment.reasons:
        return []
    return [f"Why a person is asked ({assessment.risk}): this {'; this '.join(assessment.reasons)}."]


async def _look_up(command: Command, situation: Situation) -> tuple[Callable[[bool], dict[str, Any]], str | None]:
    """Look up what the question shows.

    Returns a function that gives it to the templates, with or without times, and the id of the conference that the
    question is about.
    """
    arguments = arguments_of(command)
    room = await situation.target_room()
    is_of_queue = "queue_name" in command.route.parameters
    queue = await situation.queue(arguments["queue_name"]) if is_of_queue else None
    named_leg: str | None = arguments.get("call_control_id")
    leg = None if named_leg == EVERYONE else named_leg
    caller = await _waiting(command, leg, situation) if leg is not None else None
    place = await situation.place(leg) if leg is not None and room is None and caller is None else None
    person = caller.person if caller else situation.person(leg) if leg else None
    others = {name: arguments[name] for name in _OTHER_LEGS if arguments.get(name)}
    named = arguments.get("call_control_ids")
    legs = [situation.person(call_leg) for call_leg in cast("list[str]", named)] if isinstance(named, list) else []
    whispered = [situation.person(leg) for leg in arguments.get("whisper_call_control_ids") or ()]
    is_in_room = place is not None and place.kind is PlaceKind.CONFERENCE
    inside = await situation.room(place.conference_id or "") if place and is_in_room else None
    is_of_recording = "recording_id" in command.route.parameters
    saved = await situation.recording(arguments["recording_id"]) if is_of_recording else None

    def live_facts(with_times: bool) -> dict[str, Any]:
        return {
            "room": _room(room, with_times),
            "queue": queue and {"name": SafeText(quoted(queue.name)), "size": queue.size},
            "caller": caller and _caller(caller, is_of_queue=is_of_queue),
            "call": {
                "who": person and SafeText(person.who),
                "conference": SafeText(_quoted_name(inside)) if inside else None,
                "is_bridged": place is not None and place.kind is PlaceKind.BRIDGE,
                "is_unknown": place is not None and place.kind is PlaceKind.UNKNOWN,
            },
            "legs": SafeText(EVERYONE if named == EVERYONE else name_people(legs, with_states=False)),
            "whisper_legs": SafeText(name_people(whispered, with_states=False)) if whispered else None,
            "saved": SafeText(saved) if saved else None,
            "participant": SafeText(_participant(room, arguments.get("participant_id"))),
            **{name: SafeText(situation.person(leg).who) for name, leg in others.items()},
        }

    concerned = room or inside
    return live_facts, concerned.id if concerned else None


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
    return person.who if person else quoted(named)


@dataclass(frozen=True, slots=True)
class _Wording:
    """How the texts of one question are shown."""

    formats: TextFormats
    cut: dict[str, str] = field(default_factory=dict[str, str])
    """The long texts: each in full, and the start of it that the question quotes."""

    def of(self, name: str) -> ShowText:
        """How the text of an argument is shown."""
        return self.formats.get(name, self._by_start)

    def _by_start(self, text: str) -> str:
        start, full = quoted(text), quoted(text, _MAX_TEXT_LENGTH)
        if start != full:
            self.cut[full] = start
        return start


def _arguments(model: BaseModel, wording: _Wording) -> dict[str, Any]:
    """Arguments as a question shows them: texts as words, also within lists and objects; the rest as it is.

    What an object holds can also be named by itself: an argument means the same inside an object.
    """
    choices = _choices(type(model))
    shown = {name: _shown_value(value, choices[name], wording.of(name), wording) for name, value in model}
    for name, value in model:
        if isinstance(value, BaseModel):
            within = shown[name]
            shown = within | {key: text for key, text in shown.items() if text is not None or key not in within}
    return shown


def _shown_value(value: Any, choices: frozenset[Any], show: ShowText, wording: _Wording) -> Any:
    match value:
        case str():
            text = value if value in choices else show(value)
            return SafeText(text) if isinstance(text, str) else text
        case BaseModel():
            return _arguments(value, wording)
        case list():
            return [_shown_value(item, choices, show, wording) for item in cast("list[Any]", value)]
        case _:
            return value


@cache
def _choices(model: type[BaseModel]) -> Mapping[str, frozenset[Any]]:
    """The literal values of each argument: they are ours, and need no quotation marks."""
    return {name: frozenset(_literals(field.annotation)) for name, field in model.model_fields.items()}


def _literals(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        yield from inner
    else:
        for argument in inner:
            yield from _literals(argument)


_FORMATS: TextFormats = {
    "call_control_id": clean_id,
    "call_control_ids": clean_id,
    "whisper_call_control_ids": clean_id,
    "other_call_control_id": clean_id,
    "supervise_call_control_id": clean_id,
    # Keyed digits may be a card number or a PIN: only their count is shown.
    "digits": len,
}
"""How texts are shown that are not quoted."""
_RECORD_FORMATS = {**_FORMATS, **REDACTORS, "digits": len}


async def affected_people(command: Command, read: Read) -> int:
    """How many people a command affects. Raises `CallFailed` when Telnyx cannot say how many are in a room."""
    arguments = arguments_of(command)
    legs = arguments.get("call_control_ids")
    if isinstance(legs, list):
        return len(cast("list[str]", legs))
    if isinstance(command, AnnouncePositions):
        return min(command.limit, await count_of(read, ListQueueCalls(queue_name=command.queue_name)))
    if not command.affects_whole_room():
        return len(command.numbers()) + sum(arguments.get(name) is not None for name in _ONE_PERSON)
    return await count_of(read, ListParticipants(conference_id=arguments["conference_id"]))
