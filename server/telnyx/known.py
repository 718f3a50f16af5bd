"""The ids that do exist, for a model that named one that does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...tools.base import EVERYONE, Command, given
from ...tools.calls import ListActiveCalls
from ...tools.conferences import ListConferences
from ...tools.pagination import Read
from ...tools.participants import ListParticipants
from ...tools.queues import ListQueueCalls, ListQueues
from ...tools.recordings import ListRecordings
from ...tools.results import Page
from ...tools.words import listed


@dataclass(frozen=True, slots=True)
class _Listing:
    command: type[Command]
    keys: tuple[str, ...]
    """The fields of an entry by which it can be addressed."""
    name: str = ""
    """The field by which people call it, where that is no address."""


_CONFERENCES = _Listing(ListConferences, ("id",), name="name")
_CALLS = _Listing(ListActiveCalls, ("call_control_id",))
_FROM_OUTSIDE = ("create_conference", "join_conference")
"""Their call legs are not in the conference yet."""

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


async def known_instead(command: Command, read: Read, own: Mapping[str, str | None] | None = None) -> str:
    """A sentence with what exists in place of the first thing the command names that does not; empty if all do.

    `own`: the operator's own values for arguments, such as `connection_id`, by which to list what there is. Raises
    `CallFailed` when Telnyx does not say.
    """
    place = command.route.path.split("/")[1]
    named = given(command)
    for argument in dict.fromkeys([*command.route.parameters, *_IN_BODIES]):
        listing = _listing(command, place, argument)
        if listing is None or named.get(argument) in (None, EVERYONE) or _opens(command, argument):
            continue
        where = {name: named.get(name) or (own or {}).get(name) for name in listing.command.route.parameters}
        if None in where.values():
            continue
        sentence = await _missing(argument, named[argument], listing, where, read)
        if sentence:
            return sentence
    return ""


_IN_BODIES = ("conference_id", "queue_name", "call_control_id", "other_call_control_id", "call_control_ids")


def _listing(command: Command, place: str, argument: str) -> _Listing | None:
    is_outside = argument == "call_control_id" and command.tool_name() in _FROM_OUTSIDE
    return _CALLS if is_outside else _LISTINGS.get((place, argument))


def _opens(command: Command, argument: str) -> bool:
    """Whether the argument names what is opened if there is none."""
    return argument == "queue_name" and "enqueue" in command.route.path


async def _missing(argument: str, named: Any, listing: _Listing, where: Mapping[str, Any], read: Read) -> str:
    page = listing.command.model_validate({**where, "page_size": 100})
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
    called = [entry for entry in entries if listing.name and getattr(entry, listing.name) in wanted]
    if called:
        meant = listed([entry.line() for entry in called], most=3)
        return f"The {argument} given is a name, not an id. By that name there {_are(called)}: {meant}."
    if not entries:
        return f"There are no {noun}: nothing has the {argument} given."
    shown = listed([entry.line() for entry in entries], most=10)
    return f"The {argument} given is not among the {noun} there are: {shown}."


def _are(several: Sequence[Any]) -> str:
    return "is" if len(several) == 1 else "are"
