"""Every undo that a command declares: a call of another tool that is valid, and that restores what it says."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from support.examples import COMMAND_OF, EXAMPLE_OF, EXAMPLES, Example
from support.telnyx import Telnyx, telnyx
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import EVERYONE, ByArgument, Command, Undo

Arguments = Mapping[str, Any]

UNDONE_BY: Mapping[str, str] = {
    "create_conference": "end_conference",
    "join_conference": "leave_conference",
    "leave_conference": "join_conference",
    "hold_participants": "unhold_participants",
    "unhold_participants": "hold_participants",
    "mute_participants": "unmute_participants",
    "unmute_participants": "mute_participants",
    "play_audio": "stop_audio",
    "speak_text": "stop_audio",
    "start_recording": "stop_recording",
    "pause_recording": "resume_recording",
    "resume_recording": "pause_recording",
    "start_transcription": "stop_transcription",
    "stop_transcription": "start_transcription",
    "create_queue": "delete_queue",
    "enqueue_call": "leave_queue",
    "dial": "hangup_call",
    "speak_to_call": "stop_call_audio",
    "play_to_call": "stop_call_audio",
    "start_call_recording": "stop_call_recording",
    "pause_call_recording": "resume_call_recording",
    "resume_call_recording": "pause_call_recording",
}
"""The tools that another takes back, and which."""

with_undo = pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one.tool in UNDONE_BY], ids=lambda one: one.tool
)


def test_each_tool_with_an_undo_is_in_the_list() -> None:
    assert {command.tool_name(): command.undo.tool for command in COMMANDS if command.undo} == UNDONE_BY


def undone(example: Example) -> Iterator[tuple[Command, dict[str, Any]]]:
    """Each example of a tool, and the call that takes it back."""
    for _, arguments in example.variants():
        command = COMMAND_OF[example.tool].model_validate(arguments)
        call = command.undo_call(command.result.read(example.answer))
        if len(command.numbers()) > 1:  # Telnyx names the first of the calls only
            assert call is None
            continue
        assert call is not None
        yield command, call


@with_undo
def test_an_undo_is_a_valid_call(example: Example) -> None:
    for _, call in undone(example):
        undoing = COMMAND_OF[call["tool"]]
        parsed = undoing.model_validate(call["arguments"], strict=True)
        assert parsed.model_dump(exclude_none=True) == call["arguments"]


@with_undo
def test_an_undo_has_the_same_target_as_the_command(example: Example) -> None:
    for command, call in undone(example):
        for name in ("conference_id", "call_control_id", "call_control_ids", "queue_name", "recording_id", "region"):
            if name in type(command).model_fields and name in COMMAND_OF[call["tool"]].model_fields:
                assert call["arguments"].get(name) == getattr(command, name)


@with_undo
def test_an_undo_has_no_empty_or_generated_arguments(example: Example) -> None:
    for command, call in undone(example):
        assert call.keys() <= {"tool", "arguments", "but"}
        assert "null" not in json.dumps(call)
        assert "command_id" not in call["arguments"]
        assert "client_state" not in call["arguments"]
        assert all(0 < len(said) < 100 for said in buts(type(command)))


def buts(command: type[Command]) -> list[str]:
    """What a command's undo may not restore."""
    but = cast("Undo", command.undo).but
    return [said for said in (but.every() if isinstance(but, ByArgument) else [but]) if said]


def test_a_conference_that_the_result_does_not_name_is_not_taken_back() -> None:
    command = COMMAND_OF["create_conference"].model_validate(EXAMPLE_OF["create_conference"].minimal)
    assert command.undo_call(command.result.read({"data": {}})) is None


@pytest.mark.parametrize("tool", ["mute_participants", "unmute_participants", "hold_participants"])
def test_an_undo_for_everyone_says_whom_it_concerns_beside(tool: str) -> None:
    room = {"conference_id": "room"}
    everyone = COMMAND_OF[tool].model_validate({**room, "call_control_ids": EVERYONE}).undo_call({})
    some = COMMAND_OF[tool].model_validate({**room, "call_control_ids": ["v3:anna"]}).undo_call({})
    assert (everyone or {})["but"].startswith("also those who were ")
    assert "but" not in (some or {})


def test_removing_the_host_is_reported_as_ending_the_conference() -> None:
    joined = {"conference_id": "room", "call_control_id": "v3:anna", "end_conference_on_exit": True}
    call = COMMAND_OF["join_conference"].model_validate(joined).undo_call({})
    assert (call or {})["but"] == "the conference ends and the rest are hung up"


# Against a Telnyx


@dataclass(frozen=True, slots=True)
class Room:
    """A conference with two callers in it, and a parked one outside."""

    at: Telnyx
    conference_id: str
    inside: list[str]
    outside: str

    def here(self) -> Arguments:
        return {"conference_id": self.conference_id}

    def some(self) -> Arguments:
        return {**self.here(), "call_control_ids": self.inside[:1]}

    def everyone(self) -> Arguments:
        return {**self.here(), "call_control_ids": EVERYONE}

    def state(self) -> Mapping[str, Any]:
        """Who is in the conference and how, who waits where, what is heard, and what is recorded."""
        seen = self.at.sandbox.snapshot()
        people = self.at.request("GET", f"/v2/conferences/{self.conference_id}/participants")["data"]
        queues = [queue["name"] for queue in self.at.request("GET", "/v2/queues")["data"]]
        return {
            "participants": {item["call_control_id"]: (item["muted"], item["on_hold"]) for item in people},
            "queues": {name: self._waiting(name) for name in queues},
            "calling": [item["to"] for item in seen["legs"] if item["direction"] == "outgoing" and item["is_alive"]],
            "open": [item["id"] for item in seen["conferences"] if item["status"] != "completed"],
            "playing": seen["playing"],
            "transcribed": [item["call_control_id"] for item in seen["legs"] if item["transcribed"]],
            "recording": [item["status"] for item in seen["recordings"] if item["status"] != "completed"],
        }

    def _waiting(self, queue: str) -> list[str]:
        return [item["call_control_id"] for item in self.at.request("GET", f"/v2/queues/{queue}/calls")["data"]]


def carry_out(at: Telnyx, tool: str, arguments: Arguments) -> dict[str, Any] | None:
    """Have Telnyx do a command, which it must accept; the call that takes it back."""
    command = _expanded(at, COMMAND_OF[tool].model_validate(arguments))
    request = command.request()
    answer = at.request(request.method, f"/v2{request.path}", request.body)
    assert "errors" not in (answer or {}), answer
    return command.undo_call(command.result.read(answer))


def _expanded(at: Telnyx, command: Command) -> Command:
    """As the server has it where Telnyx wants a list even for everyone."""
    if command.everyone_filter is None or not command.is_for_everyone():
        return command
    people = at.request("GET", f"/v2/conferences/{dict(command)['conference_id']}/participants")["data"]
    found = [person["call_control_id"] for person in people if command.everyone_filter.items() <= person.items()]
    return command.model_copy(update={"call_control_ids": found})


@pytest.fixture(scope="module")
def at() -> Iterator[Telnyx]:
    with telnyx() as running:
        yield running


@pytest.fixture
def room(at: Telnyx) -> Room:
    at.sandbox.reset()
    *inside, outside = at.waiting()
    carry_out(at, "leave_queue", {"call_control_id": outside})
    opened = carry_out(at, "create_conference", {"call_control_id": inside[0], "name": "Standup"})
    conference_id = (opened or {})["arguments"]["conference_id"]
    carry_out(at, "join_conference", {"conference_id": conference_id, "call_control_id": inside[1]})
    return Room(at, conference_id, inside, outside)


@dataclass(frozen=True, slots=True)
class Case:
    """A command to take back, and what was done before it."""

    tool: str
    arguments: Callable[[Room], Arguments]
    before: tuple[tuple[str, Callable[[Room], Arguments]], ...] = ()

    def __str__(self) -> str:
        return self.tool


def with_call(room: Room) -> Arguments:
    return {**room.here(), "call_control_id": room.outside}


def recorded(room: Room) -> Arguments:
    return {**room.here(), "format": "mp3"}


def played(room: Room) -> Arguments:
    return {**room.everyone(), "media_name": "hold music", "loop": "infinity"}


def said(room: Room) -> Arguments:
    return {**room.some(), "payload": "One moment, please", "voice": "female"}


def one(room: Room) -> Arguments:
    """A call by itself."""
    return {"call_control_id": room.inside[0]}


def recorded_alone(room: Room) -> Arguments:
    return {**one(room), "format": "mp3", "channels": "single"}


CALL_RECORDING = ("start_call_recording", recorded_alone)
RECORDING = ("start_recording", recorded)
PAUSED = ("pause_recording", Room.here)

CASES = (
    Case("mute_participants", Room.some),
    Case("mute_participants", Room.everyone),
    Case("unmute_participants", Room.some, (("mute_participants", Room.everyone),)),
    Case("unmute_participants", Room.everyone, (("mute_participants", Room.everyone),)),
    Case("hold_participants", Room.some),
    Case("hold_participants", Room.everyone),
    Case("unhold_participants", Room.some, (("hold_participants", Room.everyone),)),
    Case("unhold_participants", Room.everyone, (("hold_participants", Room.everyone),)),
    Case("join_conference", with_call),
    Case("leave_conference", with_call, (("join_conference", with_call),)),
    Case("play_audio", played),
    Case("speak_text", said),
    Case("start_recording", recorded),
    Case("pause_recording", Room.here, (RECORDING,)),
    Case("resume_recording", Room.here, (RECORDING, PAUSED)),
    Case("speak_to_call", lambda room: {**one(room), "payload": "One moment, please", "voice": "female"}),
    Case("play_to_call", lambda room: {**one(room), "media_name": "hold music", "loop": "infinity"}),
    Case("start_call_recording", recorded_alone),
    Case("pause_call_recording", one, (CALL_RECORDING,)),
    Case("resume_call_recording", one, (CALL_RECORDING, ("pause_call_recording", one))),
    Case("start_transcription", one),
    Case("stop_transcription", one, (("start_transcription", one),)),
    Case("create_queue", lambda room: {"queue_name": "sales"}),
    Case("enqueue_call", lambda room: {"queue_name": "agents", "call_control_id": room.outside}),
    Case("create_conference", lambda room: {"name": "Aside", "call_control_id": room.outside}),
    Case("dial", lambda room: {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150"}),
)


def test_every_undo_is_tried() -> None:
    assert {case.tool for case in CASES} == UNDONE_BY.keys()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_undo_restores_what_the_lists_show(case: Case, room: Room) -> None:
    for tool, arguments in case.before:
        carry_out(room.at, tool, arguments(room))
    before = room.state()
    call = carry_out(room.at, case.tool, case.arguments(room))
    assert room.state() != before
    assert call is not None
    carry_out(room.at, call["tool"], call["arguments"])
    assert room.state() == before
