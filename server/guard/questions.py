"""The question a person decides on: what will happen to whom, from live facts."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from ...tools.base import Command, arguments_of
from ...tools.conferences import GetConference
from ...tools.pagination import Read, all_participants
from ...tools.participants import ListParticipants
from ...tools.queues import GetQueue, GetQueueCall, ListQueues
from ...tools.results import Participant, Queue
from ...tools.text import REDACTORS, clean_id, quoted, short_id
from ...tools.types import MAX_SPOKEN_LENGTH
from ..errors import CallFailed

if TYPE_CHECKING:
    from ...prompts.safe_text import SafeText

Say = Callable[[str], str | int]
Words = Mapping[str, Say]
"""How the text of an argument is said, by its name."""

_MOST_QUEUES = 20
_MOST_NAMED = 5
"""People in a room; how many more there are is said."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What events have told of a call. None: nothing."""

    number: str | None = None
    """The far end's."""
    conference: str | None = None
    """The name or id of the conference that it is in."""


CallLookup = Callable[[str], Awaitable[CallFacts]]
"""What is known of a call leg."""


async def _nothing(call_control_id: str) -> CallFacts:
    return CallFacts()


@dataclass(slots=True)
class _Facts:
    """What is true now of the things a command names, as the files of `prompts/questions` show it."""

    room: dict[str, Any] | None = None
    queue: dict[str, Any] | None = None
    caller: dict[str, Any] | None = None
    """Who waits in a queue."""
    call: dict[str, Any] = field(default_factory=lambda: {"number": None, "conference": None})
    """What is known of a call that waits in none."""
    known: list[Any] = field(default_factory=list[Any])
    """All of it, also what is more than a person can be shown."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person decides on."""

    text: str
    discreet: str
    """The same for records: without what is said and keyed."""
    digest: str
    """The same for the same words and the same facts, also those that are more than a person can be shown."""


async def compose(command: Command, read: Read, about: CallLookup = _nothing) -> Question:
    """One plain question: `End conference 'Standup'? 3 people are in it (…). Everyone in it is hung up.`

    Its words are those of the command's file in `prompts/questions`. It says nothing that changes by itself, such as a
    waiting time, so that the same question means the same facts. Raises `CallFailed` when what the command names does
    not exist or Telnyx cannot be asked.
    """
    from ...prompts.questions import question  # noqa: PLC0415 (a template engine, for whoever is asked)

    facts = _Facts()
    arguments = dict(command)
    named = arguments_of(command)
    for argument, gather in _GATHER.items():
        if named.get(argument) is not None:
            await gather(facts, command, read)
    if command.route.parameters == ("call_control_id",):
        await _place_of_call(facts, command, read, about)
    live = {"room": facts.room, "queue": facts.queue, "caller": facts.caller, "call": facts.call}
    text = question(command.tool_name(), _arguments(command, _WORDS) | live)
    is_secret = any(arguments.get(name) is not None for name in REDACTORS)
    discreet = question(command.tool_name(), _arguments(command, _DISCREET) | live) if is_secret else text
    known = json.dumps([text, facts.known], sort_keys=True, default=str)
    return Question(text, discreet, hashlib.sha256(known.encode(errors="replace")).hexdigest())


def _said(words: str) -> "SafeText":
    """Words that may be shown: ours, or cleaned by `quoted` or `identifier`."""
    from ...prompts.safe_text import SafeText  # noqa: PLC0415 (see `compose`)

    return SafeText(words)


def _quoted(text: str | None) -> "SafeText | None":
    return None if text is None else _said(quoted(text))


def _in_full(text: str) -> str:
    """What people will hear, all of it: a person must not say yes to a sentence whose end they have not seen."""
    return quoted(text, MAX_SPOKEN_LENGTH)


def _arguments(model: BaseModel, words: Words) -> dict[str, Any]:
    """Arguments as a question shows them: texts as words, also within lists and objects; the rest as it is.

    What an object holds can also be named by itself: an argument means the same wherever it stands.
    """
    choices = _choices(type(model))
    said = {name: _shown(value, choices[name], words.get(name, quoted), words) for name, value in model}
    for name, value in model:
        if isinstance(value, BaseModel):
            within = said[name]
            said = within | {own: shown for own, shown in said.items() if shown is not None or own not in within}
    return said


def _shown(value: Any, chosen: frozenset[Any], say: Say, words: Words) -> Any:
    match value:
        case str():
            said = value if value in chosen else say(value)
            return _said(said) if isinstance(said, str) else said
        case BaseModel():
            return _arguments(value, words)
        case list():
            return [_shown(one, chosen, say, words) for one in cast("list[Any]", value)]
        case _:
            return value


@cache
def _choices(model: type[BaseModel]) -> Mapping[str, frozenset[Any]]:
    """The words among which each argument is chosen: they are ours, and need no quotation marks."""
    return {name: frozenset(_literals(field.annotation)) for name, field in model.model_fields.items()}


def _literals(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        yield from inner
    else:
        for one in inner:
            yield from _literals(one)


_WORDS: Words = {
    "call_control_id": clean_id,
    "call_control_ids": clean_id,
    "whisper_call_control_ids": clean_id,
    "other_call_control_id": clean_id,
    "supervise_call_control_id": clean_id,
    "payload": _in_full,
    # Keyed digits may be a card number or a PIN: how many is all that is ever said.
    "digits": len,
}
"""How texts are said that are not quoted, or not so."""
_DISCREET = {**_WORDS, **REDACTORS, "digits": len}


_ONE_PERSON = ("call_control_id", "other_call_control_id", "supervise_call_control_id", "participant_id")
"""Arguments that name somebody."""


async def people_touched(command: Command, read: Read) -> int:
    """How many people a command concerns. Raises `CallFailed` when Telnyx cannot say how many are in a room."""
    legs = _given(command, "call_control_ids")
    if isinstance(legs, list):
        return len(cast("list[str]", legs))
    if not command.affects_whole_room():
        return len(command.numbers()) + sum(_given(command, name) is not None for name in _ONE_PERSON)
    page = await read(ListParticipants(conference_id=_given(command, "conference_id"), page_size=1))
    return cast("int", ListParticipants.result.read(page)["total_results"])


async def _conference(facts: _Facts, command: Command, read: Read) -> None:
    conference_id = _given(command, "conference_id")
    name = _data(await read(GetConference(conference_id=conference_id))).get("name")
    people = [Participant.model_validate(one) for one in await all_participants(read, conference_id)]
    facts.known.append(sorted((one.call_control_id or "", one.label, one.muted, one.on_hold) for one in people))
    facts.room = {
        "name": _said(quoted(name)),
        "total": len(people),
        "people": [_person(one) for one in people[:_MOST_NAMED]],
        "more": max(0, len(people) - _MOST_NAMED),
    }


def _person(person: Participant) -> dict[str, Any]:
    label = quoted(person.label) if person.label else short_id(clean_id(person.call_control_id or "?"))
    return {"label": _said(label), "muted": bool(person.muted), "on_hold": bool(person.on_hold)}


async def _queue(facts: _Facts, command: Command, read: Read) -> None:
    if "queue_name" in command.route.parameters:
        queue = _data(await read(GetQueue(queue_name=_given(command, "queue_name"))))
        facts.queue = {"name": _said(quoted(queue.get("name"))), "size": int(queue.get("current_size") or 0)}


async def _queued_call(facts: _Facts, command: Command, read: Read) -> None:
    if "queue_name" in command.route.parameters:
        queue_name, call = _given(command, "queue_name"), _given(command, "call_control_id")
        facts.caller = _caller(_data(await read(GetQueueCall(queue_name=queue_name, call_control_id=call))))


async def _place_of_call(facts: _Facts, command: Command, read: Read, about: CallLookup) -> None:
    """Who is on a call and where it is, where Telnyx's command names the call alone."""
    found = await waiting_place(_given(command, "call_control_id"), read)
    if found is not None:
        name, call = found
        facts.caller = _caller(call) | {"queue": _said(quoted(name))}
        return
    known = await about(_given(command, "call_control_id"))
    facts.known.append((known.number, known.conference))
    facts.call = {"number": _quoted(known.number), "conference": _quoted(known.conference)}


async def waiting_place(call_control_id: str, read: Read) -> tuple[str, Mapping[str, Any]] | None:
    """The queue that a call waits in, of the first few, and the call as it waits there. Raises `CallFailed`."""
    queues = ListQueues.result.read(await read(ListQueues(page_size=_MOST_QUEUES)))
    for queue in cast("list[Queue]", queues["queues"]):
        name = queue.name or ""
        try:
            return name, _data(await read(GetQueueCall(queue_name=name, call_control_id=call_control_id)))
        except CallFailed:
            continue
    return None


def _caller(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": _said(quoted(call.get("from"))),
        "position": int(call.get("queue_position") or 0),
        "hung_up": call.get("is_alive") not in (True, None),
        "queue": None,
    }


_GATHER: Mapping[str, Callable[[_Facts, Command, Read], Awaitable[None]]] = {
    "conference_id": _conference,
    "queue_name": _queue,
    "call_control_id": _queued_call,
}
"""What to find out about each argument."""


def _given(command: Command, argument: str) -> Any:
    return arguments_of(command).get(argument)


def _data(answer: Any) -> Mapping[str, Any]:
    found: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
