"""What people ask an agent for, as the calls that a model without the server's instructions makes: all of them work."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from support.first_calls import ANN, FILE, people_and_rooms, with_ids
from support.mcp import call, refusal
from support.mcp_in_process import World, in_process
from telnyx_conferencing.server.sandbox.conference import JoinOptions

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Request:
    """A request, and the call that a model makes. `<name>` stands for an id: see `people_and_rooms`."""

    words: str
    tool: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return self.words


ROOM = {"conference_id": "Standup"}

REQUESTS = (
    Request("who am I and what may I do?", "whoami", {"wait_for_previous": False}),
    Request("which conferences are open?", "list_conferences", {"filter": {"status": "in_progress"}}),
    Request("is there one called Standup?", "list_conferences", {"filter": '{"name": "Standup"}', "region": None}),
    Request("who is in the standup?", "list_participants", {**ROOM, "page_size": "50"}),
    Request("who is muted?", "list_participants", {**ROOM, "filter": {"muted": "true"}}),
    Request("mute everyone in the standup", "mute_participants", {**ROOM, "call_control_ids": ["everyone"]}),
    Request("unmute Ann", "unmute_participants", {**ROOM, "call_control_ids": "<ann>"}),
    Request("put Ann and Ben on hold", "hold_participants", {**ROOM, "call_control_ids": '["<ann>", "<ben>"]'}),
    Request("play music to those on hold", "play_audio", {**ROOM, "call_control_ids": "<ann>", "audio_url": FILE}),
    Request(
        "loop it three times",
        "play_audio",
        {**ROOM, "call_control_ids": ["<ann>"], "audio_url": FILE, "media_name": "", "loop": 3.0},
    ),
    Request("stop the music", "stop_audio", {**ROOM, "call_control_ids": "everyone", "region": ""}),
    Request(
        "tell everyone that we start in five minutes",
        "speak_text",
        {
            **ROOM,
            "call_control_ids": "everyone",
            "payload": "We start in five minutes.",
            "voice": "Telnyx.KokoroTTS.af",
            "voice_settings": '{"type": "telnyx", "voice_speed": "1.2"}',
        },
    ),
    Request("press 1 for them", "send_dtmf", {**ROOM, "call_control_ids": "<ann>, <ben>", "digits": 1}),
    Request("record the standup", "start_recording", {**ROOM, "format": "mp3", "play_beep": "True"}),
    Request("let the caller outside in", "join_conference", {**ROOM, "call_control_id": "<outside>", "mute": "false"}),
    Request("take Ben out", "leave_conference", {**ROOM, "call_control_id": "<ben>", "command_id": None}),
    Request("call Ann into the standup", "dial", {"to": [ANN], "conference_config": {"id": "Standup"}}),
    Request("call her and hang up after an hour", "dial", {"to": ANN, "time_limit_secs": "3600.0"}),
    Request("end the standup", "end_conference", {**ROOM, "command_id": ""}),
    Request("start a new one", "create_conference", {"name": "New", "call_control_id": "<outside>"}),
    Request("which queues are there?", "list_queues", {"page_number": 1.0}),
    Request("who waits in support?", "list_queue_calls", {"queue_name": "support", "page_size": 10}),
    Request("queue the caller outside", "enqueue_call", {"queue_name": "support", "call_control_id": "<outside>"}),
    Request("open a queue for 20 calls", "create_queue", {"queue_name": "night", "max_size": "20"}),
    Request("what happened so far?", "list_events", {"limit": "10", "since": "", "types": None}),
    Request("wait for a new arrival", "wait_for_event", {"types": "conference.participant.joined", "timeout_secs": 1}),
    Request("how did the standup go?", "conference_summary", ROOM),
    Request("get the caller a label", "get_participant", {**ROOM, "participant_id": "<ann>"}),
)


def test_the_table_has_at_least_twenty_five_requests() -> None:
    assert len({request.words for request in REQUESTS}) == len(REQUESTS) >= 25


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
async def test_a_natural_request_works_at_the_first_call(request_: Request) -> None:
    world = World()
    names = people_and_rooms(world)
    arguments = with_ids(dict(request_.arguments), names)
    for name, id_ in names.items():
        arguments = {key: _replaced(value, name, id_) for key, value in arguments.items()}
    async with in_process(world) as client:
        await call(client, request_.tool, **arguments)


def _replaced(value: Any, name: str, id_: str) -> Any:
    return value.replace(name, id_) if isinstance(value, str) else value


async def test_a_conference_given_by_its_name_is_named_with_its_id_in_the_result() -> None:
    world = World()
    names = people_and_rooms(world)
    async with in_process(world) as client:
        result = await call(client, "mute_participants", **ROOM, call_control_ids="everyone")
    assert result["summary"].endswith(f"The conference 'Standup' has the id {names['<standup>']}.")


async def test_a_name_that_two_open_conferences_have_is_refused_with_the_ids_of_both() -> None:
    world = World()
    names = people_and_rooms(world)
    telnyx = world.sandbox.state
    other = telnyx.conferences.start(telnyx.legs.arrive("+12025559077", ANN), "Standup", JoinOptions())
    async with in_process(world) as client:
        message = await refusal(client, "mute_participants", **ROOM, call_control_ids="everyone")
    assert "2 open conferences are named 'Standup'" in message
    assert names["<standup>"] in message
    assert other.id in message


async def test_a_conference_that_has_ended_is_found_by_its_name_where_a_tool_reads() -> None:
    world = World()
    names = people_and_rooms(world)
    async with in_process(world, approval="never") as client:
        await call(client, "start_recording", **ROOM, format="mp3")
        await call(client, "end_conference", **ROOM)
        summary = await call(client, "conference_summary", **ROOM)
        recordings = await call(client, "list_recordings", filter=ROOM)
        unknown = await refusal(client, "list_recordings", filter={"conference_id": "Stand-up"})
        ended = await refusal(client, "mute_participants", **ROOM, call_control_ids="everyone")
    assert summary["summary"].startswith("Conference 'Standup' is ended")
    assert len(recordings["recordings"]) == 1
    assert recordings["summary"].endswith(f"The conference 'Standup' has the id {names['<standup>']}.")
    assert "no conference is named 'Stand-up'" in unknown
    assert "completed" in ended


async def test_client_state_is_encoded_for_telnyx_and_shown_as_text() -> None:
    world = World()
    names = people_and_rooms(world)
    leg = names["<outside>"]
    async with in_process(world) as client:
        for text in ("vip caller", base64.b64encode(b"vip caller").decode()):
            await call(client, "enqueue_call", queue_name="support", call_control_id=leg, client_state=text)
            seen = await call(client, "get_call", call_control_id=leg)
            assert seen["call"]["client_state"] == "vip caller"
            await call(client, "leave_queue", call_control_id=leg)
