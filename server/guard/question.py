"""The question a person decides on: what will happen to whom, from live facts."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ...tools.base import EVERYONE, Command
from ...tools.conferences import GetConference
from ...tools.participants import ListParticipants
from ...tools.queues import GetQueue, GetQueueCall, ListQueues
from ...tools.results import Participant, Queue
from ...tools.types import LONGEST_SPOKEN
from ...tools.words import HIDDEN, PLAIN, count, listed, quoted, say, shortened
from ..errors import CallFailed
from ..listing import all_participants

Read = Callable[[Command], Awaitable[Any]]
"""Sends a read and returns Telnyx's JSON; raises `CallFailed`."""

_MOST_QUEUES = 20


@dataclass(slots=True)
class _Facts:
    """What is true now of the things a command names."""

    words: dict[str, Callable[[Any], str]] = field(default_factory=lambda: {**PLAIN, "payload": _in_full})
    """How each argument is said to a person."""
    sentences: list[str] = field(default_factory=list[str])
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


async def compose(command: Command, read: Read) -> Question:
    """One plain question: `End conference 'Standup'? 3 people are in it (…). Everyone in it is hung up.`

    It says nothing that changes by itself, such as a waiting time, so that the same question means the same facts.
    Raises `CallFailed` when what the command names does not exist or Telnyx cannot be asked.
    """
    facts = _Facts()
    given = dict(command)
    for argument, gather in _GATHER.items():
        if given.get(argument) is not None:
            await gather(facts, command, read)
    if command.route.parameters == ("call_control_id",):
        await _place_in_queue(facts, command, read)
    text = _sentences(say(command.does, given, facts.words), facts, command)
    discreet = _sentences(say(command.does, given, {**facts.words, **HIDDEN}), facts, command)
    known = json.dumps([text, facts.known], sort_keys=True, default=str)
    return Question(text, discreet, hashlib.sha256(known.encode(errors="replace")).hexdigest())


def _sentences(asked: str, facts: _Facts, command: Command) -> str:
    return " ".join([f"{asked[0].upper()}{asked[1:]}?", *facts.sentences, command.warns]).strip()


def _in_full(text: str) -> str:
    """What people will hear, all of it: a person must not say yes to a sentence whose end they have not seen."""
    return quoted(text, LONGEST_SPOKEN)


async def people_touched(command: Command, read: Read) -> int:
    """How many people a command concerns. Raises `CallFailed` when Telnyx cannot say how many are in a room."""
    legs = _given(command, "call_control_ids")
    if isinstance(legs, list):
        return len(cast("list[str]", legs))
    if not command.for_whole_room():
        return 1 if _given(command, "call_control_id") or _given(command, "participant_id") else 0
    page = await read(ListParticipants(conference_id=_given(command, "conference_id"), page_size=1))
    return cast("int", ListParticipants.result.read(page)["total_results"])


async def _conference(facts: _Facts, command: Command, read: Read) -> None:
    conference_id = _given(command, "conference_id")
    name = _data(await read(GetConference(conference_id=conference_id))).get("name")
    facts.words["conference_id"] = lambda _: f"conference {quoted(name)}"
    people = [Participant.model_validate(one) for one in await all_participants(read, conference_id)]
    facts.known.append(sorted((one.call_control_id or "", one.label, one.muted, one.on_hold) for one in people))
    total = len(people)
    if _given(command, "call_control_ids") == EVERYONE:
        facts.words["call_control_ids"] = lambda _: EVERYONE
    who = f" ({listed([_short(person) for person in people])})" if people else ""
    facts.sentences.append(f"{count(total, 'person')} {'is' if total == 1 else 'are'} in it{who}.")


def _short(person: Participant) -> str:
    shown = quoted(person.label) if person.label else shortened(person.call_control_id or "?")
    states = [state for state, on in (("muted", person.muted), ("on hold", person.on_hold)) if on]
    return f"{shown} [{', '.join(states)}]" if states else shown


async def _queue(facts: _Facts, command: Command, read: Read) -> None:
    if command.route.path == "/queues" or "queue_name" not in command.route.parameters:
        return
    queue = _data(await read(GetQueue(queue_name=_given(command, "queue_name"))))
    facts.words["queue_name"] = lambda _: f"queue {quoted(queue.get('name'))}"
    if command.route.parameters == ("queue_name",):
        facts.sentences.append(f"{count(int(queue.get('current_size') or 0), 'call')} in it.")


async def _queued_call(facts: _Facts, command: Command, read: Read) -> None:
    if "queue_name" in command.route.parameters:
        queue_name, call = _given(command, "queue_name"), _given(command, "call_control_id")
        _say_queued(facts, _data(await read(GetQueueCall(queue_name=queue_name, call_control_id=call))))


async def _place_in_queue(facts: _Facts, command: Command, read: Read) -> None:
    """Which queue a call waits in, where Telnyx's command names the call alone."""
    found = await waiting_place(_given(command, "call_control_id"), read)
    if found is not None:
        name, call = found
        _say_queued(facts, call)
        facts.sentences.append(f"It waits in queue {quoted(name)}.")


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


def _say_queued(facts: _Facts, call: Mapping[str, Any]) -> None:
    number, position = call.get("from"), call.get("queue_position")
    facts.words["call_control_id"] = lambda _: f"the call from {quoted(number)}"
    gone = "" if call.get("is_alive") in (True, None) else " It has hung up."
    facts.sentences.append(f"It is number {position} in line.{gone}")


_GATHER: Mapping[str, Callable[[_Facts, Command, Read], Awaitable[None]]] = {
    "conference_id": _conference,
    "queue_name": _queue,
    "call_control_id": _queued_call,
}
"""What to find out about each argument."""


def _given(command: Command, argument: str) -> Any:
    return getattr(command, argument, None)


def _data(answer: Any) -> Mapping[str, Any]:
    found: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
