"""The question a person decides on: what will happen to whom, from live facts."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ...tools.base import EVERYONE, Command
from ...tools.conferences import GetConference
from ...tools.participants import ListParticipants
from ...tools.queues import GetQueue, GetQueueCall, ListQueues
from ...tools.results import Participant
from ...tools.words import PLAIN, count, listed, quoted, say, shortened
from ..errors import CallFailed

Read = Callable[[Command], Awaitable[Any]]
"""Sends a read and returns Telnyx's JSON; raises `CallFailed`."""

_MOST_QUEUES = 20


@dataclass(slots=True)
class _Facts:
    """What is true now of the things a command names."""

    words: dict[str, Callable[[Any], str]] = field(default_factory=lambda: dict(PLAIN))
    """How each argument is said to a person."""
    sentences: list[str] = field(default_factory=list[str])


async def compose(command: Command, read: Read) -> str:
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
    asked = say(command.does, given, facts.words)
    return " ".join([f"{asked[0].upper()}{asked[1:]}?", *facts.sentences, command.warns]).strip()


async def _conference(facts: _Facts, command: Command, read: Read) -> None:
    conference_id = _given(command, "conference_id")
    name = _data(await read(GetConference(conference_id=conference_id))).get("name")
    facts.words["conference_id"] = lambda _: f"conference {quoted(name)}"
    page = await read(ListParticipants(conference_id=conference_id, page_size=100))
    fields = ListParticipants.result.read(page)
    people = cast("Sequence[Participant]", fields["participants"])
    total = cast("int", fields["total_results"])
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
    call = _given(command, "call_control_id")
    queues = await read(ListQueues(page_size=_MOST_QUEUES))
    for queue in cast("list[Mapping[str, Any]]", queues.get("data") or []):
        try:
            found = _data(await read(GetQueueCall(queue_name=str(queue["name"]), call_control_id=call)))
        except CallFailed:
            continue
        _say_queued(facts, found)
        facts.sentences.append(f"It waits in queue {quoted(queue['name'])}.")
        return


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
