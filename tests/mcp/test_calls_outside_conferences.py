"""One call outside a conference, as an agent meets it: spoken to, asked, recorded, supervised."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from support.guarded_server import Person, audit_entries, changes, guarded, room
from support.mcp import call, connected, refusal, yes
from support.mcp_in_process import World
from support.telnyx import open_room, telnyx
from support.webhooks import eventually, url_of
from telnyx_conferencing.server.sandbox.legs import Leg

pytestmark = pytest.mark.anyio

VOICE = "AWS.Polly.Joanna"


def answered_call(world: World, number: str = "+12025550151") -> Leg:
    """An incoming call that was answered."""
    legs = world.sandbox.state.legs
    leg = legs.arrive(number, "+12025550100")
    legs.answer(leg)
    return leg


async def approves(question: str) -> ElicitResult:
    return yes(question)


async def test_a_caller_is_asked_in_one_call_and_the_digits_come_in_an_event() -> None:
    world = World()
    leg = answered_call(world)
    async with guarded(world, with_events=True) as client:
        await call(
            client,
            "gather_from_call",
            call_control_id=leg.call_control_id,
            payload="Press 1 for sales.",
            voice=VOICE,
            maximum_digits=1,
        )
        await world.sandbox.advance(10)
        world.sandbox.state.gathers.press(leg, "1")
        seen = await call(client, "wait_for_event", types=["call.gather.ended"], call_control_id=leg.call_control_id)
    assert seen["events"][0]["payload"]["digits"] == "1"
    assert changes(world.sandbox)[-1].endswith("/actions/gather_using_speak")


@pytest.mark.parametrize(
    ("prompt", "action"),
    [
        ({}, "gather"),
        ({"payload": "Your PIN?", "voice": VOICE}, "gather_using_speak"),
        ({"audio_url": "https://example.com/pin.mp3"}, "gather_using_audio"),
    ],
)
async def test_a_gather_uses_the_endpoint_for_its_prompt(prompt: dict[str, str], action: str) -> None:
    world = World()
    leg = answered_call(world)
    async with guarded(world) as client:
        await call(client, "gather_from_call", call_control_id=leg.call_control_id, **prompt)
    assert changes(world.sandbox)[-1].endswith(f"/actions/{action}")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"payload": "Your PIN?"}, "payload and voice go together"),
        ({"maximum_tries": 2}, "maximum_tries does not go with no prompt"),
        ({"payload": "PIN?", "voice": VOICE, "initial_timeout_millis": 1}, "does not go with payload"),
        ({"audio_url": "https://example.com/a.mp3", "invalid_payload": "Again"}, "does not go with audio_url"),
        ({"payload": "PIN?", "voice": VOICE, "audio_url": "https://example.com/a.mp3"}, "not both"),
    ],
)
async def test_a_gather_refuses_arguments_that_do_not_fit_its_prompt(given: dict[str, Any], words: str) -> None:
    world = World()
    leg = answered_call(world)
    async with guarded(world) as client:
        assert words in await refusal(client, "gather_from_call", call_control_id=leg.call_control_id, **given)
    assert changes(world.sandbox) == []


async def test_the_digits_of_a_sensitive_gather_on_a_call_are_shown_to_nobody() -> None:
    world = World()
    leg = answered_call(world)
    async with guarded(world, with_events=True) as client:
        await call(client, "gather_from_call", call_control_id=leg.call_control_id, maximum_digits=4, sensitive=True)
        world.sandbox.state.gathers.press(leg, "7*3*")
        seen = await call(client, "wait_for_event", types=["call.gather.ended"], call_control_id=leg.call_control_id)
    assert "7*3*" not in json.dumps(seen)


async def test_sent_digits_and_spoken_texts_are_not_in_the_audit(tmp_path: Path) -> None:
    world = World()
    leg = answered_call(world)
    database = tmp_path / "events.db"
    async with guarded(world, database=url_of(database), answering=approves) as client:
        await call(client, "send_call_dtmf", call_control_id=leg.call_control_id, digits="4929123")
        await call(client, "speak_to_call", call_control_id=leg.call_control_id, payload="Hello Zoe", voice=VOICE)
        await call(
            client,
            "gather_from_call",
            call_control_id=leg.call_control_id,
            payload="Zoe, your PIN?",
            invalid_payload="Once more, Zoe",
            voice=VOICE,
        )
    kept = json.dumps(await audit_entries(database))
    assert "send_call_dtmf" in kept
    assert "4929123" not in kept
    assert "Zoe" not in kept


async def test_recording_a_call_is_asked_about_and_speaking_to_it_is_not() -> None:
    world = World()
    leg = answered_call(world)
    person = Person(yes)
    async with guarded(world, with_events=True, answering=person.slowly) as client:
        await call(client, "list_events")
        on_leg = {"call_control_id": leg.call_control_id}
        await call(client, "speak_to_call", **on_leg, payload="Hello", voice=VOICE)
        await call(client, "play_to_call", **on_leg, media_name="hold music", loop="infinity")
        await call(client, "stop_call_audio", **on_leg)
        assert person.questions == []
        started = await call(client, "start_call_recording", **on_leg, format="mp3", channels="single", play_beep=True)
        assert "Record the call with +12025550151 as mp3" in person.questions[0]
        assert "the law may require their consent" in person.questions[0]
        await world.sandbox.advance(7)
        await call(client, started["undo"]["tool"], **started["undo"]["arguments"])
        seen = await call(client, "wait_for_event", types=["call.recording.saved"], **on_leg)
        recording_id = (await call(client, "list_recordings"))["recordings"][0]["id"]
        await call(client, "delete_recording", recording_id=recording_id)
        left = await call(client, "list_recordings")
    assert seen["timed_out"] is False
    assert "Delete recording" in person.questions[-1]
    assert "It is 7 s of a call" in person.questions[-1]
    assert left["total_results"] == 0


async def test_a_supervisor_of_a_bridged_call_is_made_to_whisper_only_after_a_yes() -> None:
    world = World()
    customer, agent = answered_call(world), answered_call(world, "+12025550152")
    person = Person(yes)
    async with guarded(world, with_events=True, answering=person.slowly) as client:
        legs = {"call_control_id": customer.call_control_id, "other_call_control_id": agent.call_control_id}
        await call(client, "bridge_calls", **legs)
        dialled = await call(
            client,
            "dial",
            to="+12025550153",
            **{"from": "+12025550100", "connection_id": "sandbox"},
            supervise_call_control_id=agent.call_control_id,
            supervisor_role="barge",
        )
        await world.sandbox.advance(5)
        await call(client, "list_events")
        supervisor = dialled["call"]["call_control_id"]
        asked = len(person.questions)
        await call(client, "switch_supervisor_role", call_control_id=supervisor, role="whisper")
    location: Any = world.sandbox.state.legs.by_id[supervisor].location
    assert location.role == "whisper"
    assert len(person.questions) > asked  # asked again if an event came while the person read
    assert "lets this person hear people who do not hear them" in person.questions[-1]


async def test_the_note_of_a_call_comes_back_in_its_events() -> None:
    world = World()
    leg = answered_call(world)
    async with guarded(world, with_events=True) as client:
        await call(client, "update_client_state", call_control_id=leg.call_control_id, client_state="wants a refund")
        await call(client, "stop_call_audio", call_control_id=leg.call_control_id)
        world.sandbox.state.legs.person_hangs_up(leg)
        seen = await call(client, "wait_for_event", types=["call.hangup"], call_control_id=leg.call_control_id)
    assert seen["events"][0]["payload"]["client_state"] == "wants a refund"


async def test_a_recording_of_another_conference_than_the_policy_allows_is_not_deleted(tmp_path: Path) -> None:
    world = World()
    conference = room(world.sandbox, "Refunds")
    policy = tmp_path / "policy.toml"
    policy.write_text("[scope]\nconferences = ['Second']\n")
    async with guarded(world, approval="never") as client:
        await call(client, "start_recording", conference_id=conference, format="mp3")
        await call(client, "stop_recording", conference_id=conference)
        recording_id = (await call(client, "list_recordings"))["recordings"][0]["id"]
    async with guarded(world, approval="never", policy=policy) as client:
        refused = await refusal(client, "delete_recording", recording_id=recording_id)
        left = await call(client, "list_recordings")
    assert "only conferences named Second" in refused
    assert left["total_results"] == 1


# A spoken prompt in a conference


async def gathering(client: Client, conference: str, leg: str) -> dict[str, Any]:
    return await call(
        client,
        "gather_dtmf",
        conference_id=conference,
        call_control_id=leg,
        payload="Please key in your PIN.",
        voice=VOICE,
        maximum_digits=4,
    )


async def until_spoken(world: World) -> None:
    """Return once the prompt plays and the server waits for its end."""

    async def has_begun() -> bool:
        return any(path.endswith("/speak") for path in changes(world.sandbox))

    await eventually(has_begun)


async def test_a_participant_is_asked_by_speech_and_keys_count_once_it_is_over() -> None:
    world = World()
    conference = room(world.sandbox)
    [participant] = world.sandbox.state.conferences.by_id[conference].present.values()
    leg = participant.leg
    answers: list[dict[str, Any]] = []
    async with guarded(world, with_events=True) as client:
        await call(client, "list_events")

        async def ask() -> None:
            answers.append(await gathering(client, conference, leg.call_control_id))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await until_spoken(world)
            assert leg.gathering is None
            await world.sandbox.advance(30)
        world.sandbox.state.gathers.press(leg, "4711")
        seen = await call(client, "wait_for_event", types=["call.gather.ended"], call_control_id=leg.call_control_id)
    sent = [change.rpartition("/")[2] for change in changes(world.sandbox)]
    assert sent == ["speak", "gather_using_audio"]
    assert seen["events"][0]["payload"]["digits"] == "4711"
    assert "receives no events" not in answers[0]["summary"]


async def test_without_events_a_spoken_prompt_says_what_cannot_be_known() -> None:
    with telnyx() as phone:
        async with connected("--approval", "never", env=phone.env) as client:
            leg, *_ = phone.waiting()
            asked = await gathering(client, await open_room(client, leg), leg)
    assert "when the prompt ends is not known" in asked["summary"]
    assert "keys count already, and which cannot be known" in asked["summary"]


async def test_a_prompt_for_a_participant_who_leaves_is_not_waited_for() -> None:
    world = World()
    conference = room(world.sandbox, people=2)
    leg = next(iter(world.sandbox.state.conferences.by_id[conference].present.values())).leg
    refused: list[str] = []
    async with guarded(world, with_events=True) as client:
        await call(client, "list_events")

        async def ask() -> None:
            given = {"conference_id": conference, "call_control_id": leg.call_control_id}
            refused.append(await refusal(client, "gather_dtmf", **given, payload="Your PIN?", voice=VOICE))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await until_spoken(world)
            world.sandbox.state.legs.person_hangs_up(leg)
    assert refused


async def test_a_wait_longer_than_hosts_allow_returns_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telnyx_conferencing.server.mcp.event_tools.MAX_WAIT_S", 0.05)
    world = World()
    leg = answered_call(world)
    async with guarded(world, with_events=True) as client:
        given = {"types": ["call.hangup"], "call_control_id": leg.call_control_id, "timeout_secs": 600}
        first = await call(client, "wait_for_event", **given)
        world.sandbox.state.legs.person_hangs_up(leg)
        second = await call(client, "wait_for_event", **given)
    assert first["timed_out"] is True
    assert "Wait again with the same arguments: nothing is missed in between." in first["summary"]
    assert [event["type"] for event in second["events"]] == ["call.hangup"]
