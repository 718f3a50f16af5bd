"""The ids that do exist, for a model that named one that does not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ...tools.base import Command
from ...tools.conferences import ListConferences
from ...tools.participants import ListParticipants
from ...tools.queues import ListQueueCalls, ListQueues
from ...tools.results import Page
from ...tools.words import listed

Read = Callable[[Command], Awaitable[Any]]
"""Sends a read and returns Telnyx's JSON; raises `CallFailed`."""


@dataclass(frozen=True, slots=True)
class _Listing:
    command: type[Command]
    keys: tuple[str, ...]
    """The fields of an entry by which it can be addressed."""


_LISTINGS: dict[tuple[str, str], _Listing] = {
    ("conferences", "conference_id"): _Listing(ListConferences, ("id",)),
    ("conferences", "participant_id"): _Listing(ListParticipants, ("id", "label", "call_control_id")),
    ("conferences", "call_control_ids"): _Listing(ListParticipants, ("call_control_id",)),
    ("queues", "queue_name"): _Listing(ListQueues, ("name", "id")),
    ("queues", "call_control_id"): _Listing(ListQueueCalls, ("call_control_id",)),
}


async def known_instead(command: Command, read: Read) -> str:
    """A sentence with what exists in place of the first thing the command names that does not; empty if all do.

    Raises `CallFailed` when Telnyx does not say.
    """
    place = command.route.path.split("/")[1]
    arguments = [*command.route.parameters, "call_control_ids"]
    for argument in arguments:
        listing = _LISTINGS.get((place, argument))
        named: Any = getattr(command, argument, None)
        if listing is None or named is None or (command.concerns_everyone() and argument == "call_control_ids"):
            continue
        sentence = await _missing(command, argument, named, listing, read)
        if sentence:
            return sentence
    return ""


async def _missing(command: Command, argument: str, named: Any, listing: _Listing, read: Read) -> str:
    where = {name: getattr(command, name) for name in listing.command.route.parameters}
    page = listing.command.model_validate(where | {"page_size": 100})
    outcome = page.result
    assert issubclass(outcome, Page)
    fields = outcome.read(await read(page))
    entries = fields[outcome.resource.plural]
    addresses = {getattr(entry, key, None) for entry in entries for key in listing.keys}
    wanted: set[str] = set(named) if isinstance(named, list) else {str(named)}  # pyright: ignore[reportUnknownArgumentType]
    missing = sorted(wanted - addresses)
    if not missing or fields["total_results"] > len(entries):
        return ""
    noun = outcome.resource.plural
    if not entries:
        return f"There are no {noun}: nothing has the {argument} given."
    shown = listed([entry.line() for entry in entries], most=10)
    return f"The {argument} given is not among the {noun} there are: {shown}."
