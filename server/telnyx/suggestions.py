"""Suggests the ids that exist when a command names one that does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...tools.base import EVERYONE, Command, arguments_of
from ...tools.calls import ListActiveCalls
from ...tools.conferences import ListConferences
from ...tools.pagination import MAX_ITEMS, Read, all_of
from ...tools.participants import ListParticipants
from ...tools.queues import ListQueueCalls, ListQueues
from ...tools.recordings import ListRecordings
from ...tools.results import PageResult
from ...tools.text import listed


@dataclass(frozen=True, slots=True)
class _Listing:
    command: type[Command]
    keys: tuple[str, ...]
    """The fields that address an entry."""
    name: str = ""
    """The field with a name that people use, if that does not address the entry."""


_CONFERENCES = _Listing(ListConferences, ("id",), name="name")
_CALLS = _Listing(ListActiveCalls, ("call_control_id",))
_ADMITS_CALLS = ("create_conference", "join_conference")
"""Tools whose call leg is not in the conference yet."""
_BODY_ARGUMENTS = ("conference_id", "queue_name", "call_control_id", "other_call_control_id", "call_control_ids")

_LISTINGS: dict[tuple[str, str], _Listing] = {
    ("conferences", "conference_id"): _CONFERENCES,
    ("calls", "conference_id"): _CONFERENCES,
    ("conferences", "call_control_id"): _Listing(ListParticipants, ("call_control_id",)),
    ("calls", "call_control_id"): _CALLS,
    ("calls", "other_call_control_id"): _CALLS,
    ("calls", "queue_name"): _Listing(ListQueues, ("name", "id")),
    ("recordings", "recording_id"): _Listing(ListRecordings, ("id",)),
    ("conferences", "participant_id"): _Listing(ListParticipants, ("id", "label", "call_control_id")),
    ("conferences", "call_control_ids"): _Listing(ListParticipants, ("call_control_id",)),
    ("queues", "queue_name"): _Listing(ListQueues, ("name", "id")),
    ("queues", "call_control_id"): _Listing(ListQueueCalls, ("call_control_id",)),
}


async def suggest_existing(command: Command, read: Read, defaults: Mapping[str, str | None] | None = None) -> str:
    """A sentence that lists what exists in place of the first thing that the command names and that does not exist.

    Empty if everything it names exists. `defaults` are the operator's default arguments, such as `connection_id`, that
    the lists need. Raises `CallFailed` when Telnyx does not answer.
    """
    collection = command.route.path.split("/")[1]
    arguments = arguments_of(command)
    for argument in dict.fromkeys([*command.route.parameters, *_BODY_ARGUMENTS]):
        listing = _listing_for(command, collection, argument)
        if listing is None or arguments.get(argument) in (None, EVERYONE) or _creates(command, argument):
            continue
        path = {name: arguments.get(name) or (defaults or {}).get(name) for name in listing.command.route.parameters}
        if None in path.values():
            continue
        sentence = await _describe_missing(argument, arguments[argument], listing, path, read)
        if sentence:
            return sentence
    return ""


def _listing_for(command: Command, collection: str, argument: str) -> _Listing | None:
    is_outside = argument == "call_control_id" and command.tool_name() in _ADMITS_CALLS
    return _CALLS if is_outside else _LISTINGS.get((collection, argument))


def _creates(command: Command, argument: str) -> bool:
    """Whether Telnyx creates what the argument names if it does not exist."""
    return argument == "queue_name" and "enqueue" in command.route.path


async def _describe_missing(argument: str, value: Any, listing: _Listing, path: Mapping[str, Any], read: Read) -> str:
    outcome = listing.command.result
    assert issubclass(outcome, PageResult)
    items = await all_of(read, listing.command.model_validate(path))
    entries = [outcome.resource.model_validate(item) for item in items]
    addresses = {getattr(entry, key, None) for entry in entries for key in listing.keys}
    named: set[str] = set(value) if isinstance(value, list) else {str(value)}  # pyright: ignore[reportUnknownArgumentType]
    if named <= addresses or len(entries) >= MAX_ITEMS:
        return ""
    noun = outcome.resource.plural
    matches = [entry for entry in entries if listing.name and getattr(entry, listing.name) in named]
    if matches:
        lines = listed([entry.line() for entry in matches], most=3)
        return f"This {argument} is a name, not an id. By that name there {_are(matches)}: {lines}."
    if not entries:
        return f"There are no {noun}: nothing has this {argument}."
    lines = listed([entry.line() for entry in entries], most=10)
    return f"This {argument} is not among the {noun} that exist: {lines}."


def _are(items: Sequence[Any]) -> str:
    return "is" if len(items) == 1 else "are"
