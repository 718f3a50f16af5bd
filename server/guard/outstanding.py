"""What a session has left open: people on hold or muted, endless audio, running or paused recordings.

A place is a conference, or a call leg where a command concerns only that.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...tools import COMMANDS
from ...tools.base import EVERYONE, Command
from ...tools.call_recordings import PauseCallRecording, StopCallRecording
from ...tools.calls import HangupCall
from ...tools.conferences import CreateConference, EndConference
from ...tools.participants import HoldParticipants, JoinConference, LeaveConference, MuteParticipants
from ...tools.queues import EnqueueCall
from ...tools.recordings import PauseRecording, StopRecording
from ...tools.transcription import StartTranscription, StopTranscription

_BY_NAME = {command.tool_name(): command for command in COMMANDS}
_LASTING_COMMANDS = tuple(command for command in reversed(COMMANDS) if command.undo and command.undo.leaves)
"""The commands that leave a lasting state. A paused recording comes before its recording."""
_MOVES = (CreateConference, JoinConference, LeaveConference, EnqueueCall)
"""Commands that take a call leg out of its conference, with its states there."""

Kind = type[Command]
OutstandingState = dict[str, Any]
"""A state and the tool call that ends it: `state`, `tool`, `arguments`."""


def outstanding_states(done: Iterable[tuple[str, Mapping[str, Any]]]) -> list[OutstandingState]:
    """The states that these commands leave open, each with the tool call that ends it.

    `done` are the accepted tool calls of one session, in order, with their arguments as given ("everyone" as the
    word). Calling the returned tools in order leaves nothing open. Other events, such as a hang-up, are not known
    here: a state may be over already, and ending it again does no harm.
    """
    states = _OutstandingStates()
    for name, arguments in done:
        if name in _BY_NAME:
            states.apply(_BY_NAME[name].model_construct(**arguments))
    return list(states.ends())


class _OutstandingStates:
    """Open states by place, command and call leg (or everyone)."""

    def __init__(self) -> None:
        self._open: dict[str, dict[Kind, dict[str, OutstandingState]]] = {}

    def apply(self, command: Command) -> None:
        """Apply what a command ends and leaves."""
        self._close(command)
        for lasting in (command, *_states_of_join(command)):
            if lasting.leaves():
                self._leave(lasting)

    def _close(self, command: Command) -> None:
        place = _place_of(command)
        if isinstance(command, EndConference | HangupCall):
            self._open.pop(place, None)
        if isinstance(command, _MOVES):
            self._forget(command.call_control_id)
        for kind, legs in self._open.get(place, {}).items():
            if _ends_state(command, kind):
                _remove_legs(legs, _legs_of(command))

    def _forget(self, leg: str) -> None:
        for kinds in self._open.values():
            for legs in kinds.values():
                legs.pop(leg, None)

    def _leave(self, command: Command) -> None:
        call = command.undo_call({})
        assert call is not None
        end: OutstandingState = {"state": command.leaves(), "tool": call["tool"], "arguments": call["arguments"]}
        kinds = self._open.setdefault(_place_of(command), {})
        legs = kinds.setdefault(type(command), {})
        if _legs_of(command) == [EVERYONE]:
            legs.clear()
        if EVERYONE not in legs:
            legs |= dict.fromkeys(_legs_of(command), end)

    def ends(self) -> Iterator[OutstandingState]:
        """Each state with the tool call that ends it."""
        for kinds in self._open.values():
            for kind in _LASTING_COMMANDS:
                yield from _merge_ends(kinds.get(kind, {}))


def _place_of(command: Command) -> str:
    """The conference that a command concerns, or its call leg."""
    return getattr(command, "conference_id", None) or getattr(command, "call_control_id", "")


def _states_of_join(command: Command) -> Iterator[Command]:
    """The states a leg joins with, as the commands that set them."""
    if not isinstance(command, JoinConference):
        return
    conference_id, legs, region = command.conference_id, [command.call_control_id], command.region
    if command.hold:
        yield HoldParticipants(conference_id=conference_id, call_control_ids=legs, region=region)
    if command.mute:
        yield MuteParticipants(conference_id=conference_id, call_control_ids=legs, region=region)


def _ends_state(command: Command, kind: Kind) -> bool:
    # A pause ends with its recording.
    is_over = isinstance(command, StopRecording | StopCallRecording) and kind in (PauseRecording, PauseCallRecording)
    return is_over or (kind.undo is not None and kind.undo.tool == command.tool_name())


def _legs_of(command: Command) -> list[str]:
    """The call legs of a command; everyone for a command on the whole conference."""
    if isinstance(command, StartTranscription | StopTranscription):
        return [command.call_control_id]
    legs: Any = getattr(command, "call_control_ids", EVERYONE)
    return [EVERYONE] if legs == EVERYONE else legs


def _remove_legs(legs: dict[str, Any], closed: list[str]) -> None:
    if EVERYONE in closed:
        legs.clear()
    for leg in closed:
        legs.pop(leg, None)


def _merge_ends(legs: Mapping[str, OutstandingState]) -> Iterator[OutstandingState]:
    """Joins the ends of several legs into one tool call where they have the same region."""
    by_region: dict[str | None, list[str]] = {}
    for leg, end in legs.items():
        if "call_control_id" in end["arguments"]:
            yield end
            continue
        by_region.setdefault(end["arguments"].get("region"), []).append(leg)
    for same_region in by_region.values():
        end = legs[same_region[0]]
        listed = {"call_control_ids": EVERYONE if EVERYONE in same_region else same_region}
        named = listed if "call_control_ids" in end["arguments"] else {}
        yield {**end, "arguments": end["arguments"] | named}
