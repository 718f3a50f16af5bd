"""The states that a session has left open are listed with the calls that end them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.guard.outstanding import outstanding_states
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import EVERYONE, Command
from telnyx_conferencing.tools.conferences import CreateConference
from telnyx_conferencing.tools.participants import JoinConference, ListParticipants

Call = tuple[str, Mapping[str, Any]]

COMMAND_OF = {command.tool_name(): command for command in COMMANDS}
ANNA, BEN, CARA = "v3:anna", "v3:ben", "v3:cara"
ROOM = {"conference_id": "room"}


def some(*legs: str, **more: Any) -> dict[str, Any]:
    return {**ROOM, "call_control_ids": list(legs), **more}


ALL = {**ROOM, "call_control_ids": EVERYONE}
SONG = {"media_name": "hold music"}
CALL = {"call_control_id": ANNA}
RECORD_CALL = ("start_call_recording", {**CALL, "format": "mp3", "channels": "single"})
RECORD = ("start_recording", {**ROOM, "format": "mp3"})


def states(*done: Call) -> list[tuple[str, Any]]:
    """What is left open, each with whom it concerns."""
    return [(end["state"], end["arguments"].get("call_control_ids")) for end in outstanding_states(done)]


def test_a_held_participant_is_listed_with_the_call_that_unholds_them() -> None:
    assert outstanding_states([("hold_participants", some(ANNA, BEN, region="US", media_name="song"))]) == [
        {"state": "on hold", "tool": "unhold_participants", "arguments": some(ANNA, BEN, region="US")}
    ]


LEFT: Mapping[str, tuple[tuple[Call, ...], list[tuple[str, Any]]]] = {
    "muted": ((("mute_participants", some(ANNA)),), [("muted", [ANNA])]),
    "muted, all": ((("mute_participants", ALL),), [("muted", EVERYONE)]),
    "muted, one after the other": (
        (("mute_participants", some(ANNA)), ("mute_participants", some(BEN))),
        [("muted", [ANNA, BEN])],
    ),
    "muted, one and then all": (
        (("mute_participants", some(ANNA)), ("mute_participants", ALL)),
        [("muted", EVERYONE)],
    ),
    "muted, in two regions": (
        (("mute_participants", some(ANNA, region="US")), ("mute_participants", some(BEN, region="Europe"))),
        [("muted", [ANNA]), ("muted", [BEN])],
    ),
    "one of two unmuted": (
        (("mute_participants", some(ANNA, BEN)), ("unmute_participants", some(ANNA))),
        [("muted", [BEN])],
    ),
    "all muted, one unmuted": (
        (("mute_participants", ALL), ("unmute_participants", some(ANNA))),
        [("muted", EVERYONE)],
    ),
    "muted and on hold": (
        (("mute_participants", some(ANNA)), ("hold_participants", ALL)),
        [("muted", [ANNA]), ("on hold", EVERYONE)],
    ),
    "joined muted": (
        (("join_conference", {**ROOM, "call_control_id": ANNA, "mute": True}),),
        [("muted", [ANNA])],
    ),
    "joined on hold": (
        (("join_conference", {**ROOM, "call_control_id": ANNA, "hold": True}),),
        [("on hold", [ANNA])],
    ),
    "audio without end": (
        (("play_audio", {**ALL, **SONG, "loop": "infinity"}),),
        [("playing without end", EVERYONE)],
    ),
    "recording": ((RECORD,), [("recording", None)]),
    "recording paused": (
        (RECORD, ("pause_recording", ROOM)),
        [("recording paused", None), ("recording", None)],
    ),
    "somebody else's recording paused": (
        (("pause_recording", {**ROOM, "recording_id": "r1"}),),
        [("recording paused", None)],
    ),
    "a call recorded and played to without end": (
        (
            RECORD_CALL,
            ("play_to_call", {**CALL, **SONG, "loop": "infinity"}),
            ("hangup_call", {"call_control_id": BEN}),
        ),
        [("recording", None), ("playing without end", None)],
    ),
    "one of two conferences": (
        (("mute_participants", ALL), ("end_conference", {"conference_id": "elsewhere"})),
        [("muted", EVERYONE)],
    ),
}


@pytest.mark.parametrize("case", LEFT)
def test_open_effects_are_listed(case: str) -> None:
    done, left = LEFT[case]
    assert states(*done) == left


CLOSED: Mapping[str, tuple[Call, ...]] = {
    "a recorded call hung up": (RECORD_CALL, ("pause_call_recording", CALL), ("hangup_call", CALL)),
    "the recording of a paused call stopped": (
        RECORD_CALL,
        ("pause_call_recording", CALL),
        ("stop_call_recording", CALL),
    ),
    "unmuted": (("mute_participants", some(ANNA)), ("unmute_participants", some(ANNA))),
    "unmuted with everyone": (("mute_participants", some(ANNA)), ("unmute_participants", ALL)),
    "unmuted in another region's name": (
        ("mute_participants", some(ANNA, region="US")),
        ("unmute_participants", some(ANNA)),
    ),
    "taken out of the conference": (
        ("hold_participants", some(ANNA)),
        ("leave_conference", {**ROOM, "call_control_id": ANNA}),
    ),
    "gone to another conference": (
        ("hold_participants", some(ANNA)),
        ("join_conference", {"conference_id": "elsewhere", "call_control_id": ANNA}),
    ),
    "gone to a new conference": (
        ("hold_participants", some(ANNA)),
        ("create_conference", {"name": "Aside", "call_control_id": ANNA}),
    ),
    "gone to a queue": (
        ("hold_participants", some(ANNA)),
        ("enqueue_call", {"queue_name": "support", "call_control_id": ANNA}),
    ),
    "the conference ended": (("mute_participants", ALL), RECORD, ("end_conference", ROOM)),
    "audio stopped": (("play_audio", {**ALL, **SONG, "loop": "infinity"}), ("stop_audio", ALL)),
    "audio that ends": (("play_audio", {**ALL, **SONG, "loop": 100}), ("play_audio", {**ALL, **SONG})),
    "a text": (("speak_text", {**ALL, "payload": "Hello", "voice": "male"}),),
    "recording stopped": (RECORD, ("stop_recording", {**ROOM, "recording_id": "r1"})),
    "a paused recording stopped": (RECORD, ("pause_recording", ROOM), ("stop_recording", ROOM)),
    "a recording of others resumed": (("pause_recording", ROOM), ("resume_recording", ROOM)),
    "everyone unmuted, of whom nobody was muted here": (("unmute_participants", ALL), ("unhold_participants", ALL)),
    "only looked": (("list_participants", ROOM), ("conference_summary", ROOM)),
    "nothing done": (),
}


@pytest.mark.parametrize("case", CLOSED)
def test_finished_effects_are_not_listed(case: str) -> None:
    assert states(*CLOSED[case]) == []


def test_each_end_is_a_valid_call_of_a_tool() -> None:
    for done, _ in LEFT.values():
        for end in outstanding_states(done):
            COMMAND_OF[end["tool"]].model_validate(end["arguments"], strict=True)


# For any commands


REGIONS = st.sampled_from([{}, {"region": "US"}, {"region": "Europe"}])


def calls(rooms: list[str], legs: list[str], regions: st.SearchStrategy[dict[str, str]]) -> st.SearchStrategy[Call]:
    """Calls of the tools that leave or close something."""
    room = st.sampled_from(rooms).map(lambda name: {"conference_id": name})
    leg = st.sampled_from(legs).map(lambda name: {"call_control_id": name})
    whom = st.lists(st.sampled_from(legs), min_size=1, max_size=3, unique=True) | st.just(EVERYONE)
    who = whom.map(lambda legs: {"call_control_ids": legs})
    loop = st.sampled_from([{}, {"loop": 2}, {"loop": "infinity"}]).map(lambda given: {**SONG, **given})
    entry = st.sampled_from([{}, {"mute": True}, {"hold": True}, {"mute": True, "hold": True}])

    def one(tool: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
        return st.tuples(st.just(tool), st.tuples(*parts).map(_joined))

    people = ("mute", "unmute", "hold", "unhold")
    return st.one_of(
        *(one(f"{verb}_participants", room, who, regions) for verb in people),
        one("play_audio", room, who, loop, regions),
        one("stop_audio", room, who, regions),
        one("start_recording", room, st.just({"format": "wav"}), regions),
        *(one(f"{verb}_recording", room, regions) for verb in ("stop", "pause", "resume")),
        one("join_conference", room, leg, entry, regions),
        one("leave_conference", room, leg, regions),
        one("enqueue_call", leg, st.just({"queue_name": "aside"})),
        one("end_conference", room),
    )


def _joined(parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


@given(st.lists(calls(["room", "elsewhere"], [ANNA, BEN, CARA], REGIONS), max_size=30))
def test_calling_every_listed_undo_leaves_nothing_open(done: list[Call]) -> None:
    closing = [(end["tool"], end["arguments"]) for end in outstanding_states(done)]
    assert outstanding_states([*done, *closing]) == []


# Against a Telnyx


@dataclass(frozen=True, slots=True)
class Line:
    """A sandbox, and commands to it as the server sends them."""

    sandbox: Sandbox
    http: httpx2.AsyncClient

    async def ask(self, command: Command) -> dict[str, Any]:
        request = command.request()
        answer = await self.http.request(request.method, f"/v2{request.path}", json=request.body)
        return answer.json() if answer.content else {}

    async def accepts(self, call: Call) -> bool:
        """Whether Telnyx does what a tool is called with; where it wants a list even for everyone, with that list."""
        tool, arguments = call
        command = COMMAND_OF[tool].model_validate(arguments)
        if command.everyone_filter and command.is_for_everyone():
            people = (await self.ask(ListParticipants(conference_id=arguments["conference_id"]))).get("data", [])
            found = [
                person["call_control_id"] for person in people if command.everyone_filter.items() <= person.items()
            ]
            command = command.model_copy(update={"call_control_ids": found or [ANNA]})
        return "errors" not in await self.ask(command)

    async def open_room(self, name: str, host: str, *guests: str) -> str:
        """A conference with these call legs in it; its id."""
        opened = await self.ask(CreateConference(call_control_id=host, name=name))
        conference_id: str = opened["data"]["id"]
        for leg in guests:
            await self.ask(JoinConference(conference_id=conference_id, call_control_id=leg))
        return conference_id

    def lasting(self) -> list[Any]:
        """The people who are muted or on hold, and what plays or is recorded."""
        seen = self.sandbox.snapshot()
        people = [who for room in seen["conferences"] for who in room["participants"] if who["status"] == "joined"]
        states: list[Any] = [who for who in people if who["muted"] or who["on_hold"]]
        return (
            states
            + seen["playing"]
            + [recording for recording in seen["recordings"] if recording["status"] != "completed"]
        )


async def leave_and_close(data: st.DataObject) -> list[Any]:
    """The states that remain after some commands and the calls that end what they left open."""
    sandbox = Sandbox(clock=ManualClock())
    headers = {"Authorization": "Bearer KEYtests"}
    async with httpx2.AsyncClient(
        base_url="http://sandbox", headers=headers, transport=SandboxTransport(sandbox.app)
    ) as http:
        line = Line(sandbox, http)
        host, other_host, *legs = [leg["call_control_id"] for leg in sandbox.snapshot()["legs"]]
        rooms = [await line.open_room("Standup", host, *legs[1:]), await line.open_room("Aside", other_host)]
        chosen_calls = calls(rooms, legs, st.just({})).filter(lambda call: call[0] != "end_conference")
        tried = data.draw(st.lists(chosen_calls, min_size=5, max_size=20))
        done = [call for call in tried if await line.accepts(call)]
        for end in outstanding_states(done):
            await line.accepts((end["tool"], end["arguments"]))
        await sandbox.advance(60)  # until what plays a few times has ended by itself
        return line.lasting()


@given(st.data())
def test_calling_every_listed_undo_leaves_nothing_open_at_telnyx(data: st.DataObject) -> None:
    assert anyio.run(leave_and_close, data) == []
