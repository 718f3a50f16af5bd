"""What a session has left behind it: people on hold or muted, audio without end, recordings running or paused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...tools import COMMANDS
from ...tools.base import EVERYONE, Command
from ...tools.conferences import CreateConference, EndConference
from ...tools.participants import HoldParticipants, JoinConference, LeaveConference, MuteParticipants
from ...tools.queues import EnqueueCall
from ...tools.recordings import PauseRecording, StopRecording

_BY_NAME = {command.tool_name(): command for command in COMMANDS}
_LASTING = tuple(command for command in reversed(COMMANDS) if command.undo and command.undo.leaves)
"""The commands that may leave something, what needs another to be there first: a pause before its recording."""
_MOVES = (CreateConference, JoinConference, LeaveConference, EnqueueCall)
"""A call leg is in one place at a time: with these it leaves the conference it was in, and its states there."""

Kind = type[Command]
End = dict[str, Any]
"""A state, and the call that closes it: `state`, `tool`, `arguments`."""


def open_ends(done: Iterable[tuple[str, Mapping[str, Any]]]) -> list[End]:
    """What these commands have left, each with the call that closes it.

    `done` are the tools of one session that Telnyx has accepted, in order, each with its arguments as they were given:
    "everyone" as the word, since only that closes what was done to everyone. Called in the order in which they come
    back, the tools leave nothing open. What no command tells, such as a hang-up, is not known here: a state may be
    over already, and to close it again does no harm.
    """
    left = _Left()
    for name, arguments in done:
        if name in _BY_NAME:
            left.take(_BY_NAME[name].model_construct(**arguments))
    return list(left.told())


class _Left:
    """What is open: by conference, by the command that left it, by call leg or everyone."""

    def __init__(self) -> None:
        self._open: dict[str, dict[Kind, dict[str, End]]] = {}

    def take(self, command: Command) -> None:
        """Take in what a command closes and leaves."""
        self._close(command)
        for one in (command, *_implied(command)):
            if one.leaves():
                self._leave(one)

    def _close(self, command: Command) -> None:
        conference_id = getattr(command, "conference_id", "")
        if isinstance(command, EndConference):
            self._open.pop(conference_id, None)
        if isinstance(command, _MOVES):
            self._forget(command.call_control_id)
        for kind, legs in self._open.get(conference_id, {}).items():
            if _closes(command, kind):
                _take_out(legs, _legs(command))

    def _forget(self, leg: str) -> None:
        for kinds in self._open.values():
            for legs in kinds.values():
                legs.pop(leg, None)

    def _leave(self, command: Command) -> None:
        call = command.taken_back_by({})
        assert call is not None
        end: End = {"state": command.leaves(), "tool": call["tool"], "arguments": call["arguments"]}
        kinds = self._open.setdefault(call["arguments"]["conference_id"], {})
        legs = kinds.setdefault(type(command), {})
        if command.concerns_everyone():
            legs.clear()
        if EVERYONE not in legs:
            legs |= dict.fromkeys(_legs(command), end)

    def told(self) -> Iterator[End]:
        """Each state with the call that closes it."""
        for kinds in self._open.values():
            for kind in _LASTING:
                yield from _together(kinds.get(kind, {}))


def _implied(command: Command) -> Iterator[Command]:
    """What a call leg joins with, as the commands that do the same to one that is there."""
    if not isinstance(command, JoinConference):
        return
    conference_id, legs, region = command.conference_id, [command.call_control_id], command.region
    if command.hold:
        yield HoldParticipants(conference_id=conference_id, call_control_ids=legs, region=region)
    if command.mute:
        yield MuteParticipants(conference_id=conference_id, call_control_ids=legs, region=region)


def _closes(command: Command, kind: Kind) -> bool:
    # There is no pause without a recording.
    is_over = isinstance(command, StopRecording) and kind is PauseRecording
    return is_over or (kind.undo is not None and kind.undo.tool == command.tool_name())


def _legs(command: Command) -> list[str]:
    """The call legs it concerns; what has none concerns the conference, and so everyone."""
    legs: Any = getattr(command, "call_control_ids", EVERYONE)
    return [EVERYONE] if legs == EVERYONE else legs


def _take_out(legs: dict[str, Any], closed: list[str]) -> None:
    if EVERYONE in closed:
        legs.clear()
    for leg in closed:
        legs.pop(leg, None)


def _together(legs: Mapping[str, End]) -> Iterator[End]:
    """The ends of several call legs as one, where one call can close them: it names one region."""
    by_region: dict[str | None, list[str]] = {}
    for leg, end in legs.items():
        by_region.setdefault(end["arguments"].get("region"), []).append(leg)
    for some in by_region.values():
        end = legs[some[0]]
        whom = {"call_control_ids": EVERYONE if EVERYONE in some else some}
        named = whom if "call_control_ids" in end["arguments"] else {}
        yield {**end, "arguments": end["arguments"] | named}
