"""Commands for single call legs, by the stories of applications that use them."""

import base64
from typing import Any

import pytest

from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.scene import Scene

pytestmark = pytest.mark.anyio

NUMBER = "+12025550100"
FILE = "https://example.com/a.mp3"


async def on_call(telnyx: Telnyx, leg: str, action: str, **body: Any) -> Any:
    return await telnyx.post(f"/calls/{leg}/actions/{action}", body)


async def refuses(telnyx: Telnyx, leg: str, action: str, **body: Any) -> Any:
    return (await telnyx.refusal("POST", f"/calls/{leg}/actions/{action}", body))[1]


async def dial(telnyx: Telnyx, to: str = "+12025550150", **body: Any) -> str:
    fields = {"connection_id": "sandbox", "from": NUMBER, "to": to, **body}
    return (await telnyx.post("/calls", fields))["call_control_id"]


async def answered(telnyx: Telnyx) -> str:
    leg = await telnyx.arrival()
    await on_call(telnyx, leg, "answer")
    return leg


def leg_state(telnyx: Telnyx, leg: str) -> Any:
    return next(item for item in telnyx.sandbox.snapshot()["legs"] if item["call_control_id"] == leg)


def last(telnyx: Telnyx, kind: str) -> Any:
    return telnyx.events(kind)[-1]["payload"]


async def test_a_caller_is_greeted_asked_for_digits_enqueued_and_picked_up_by_an_agent(telnyx: Telnyx) -> None:
    caller = await answered(telnyx)
    await on_call(telnyx, caller, "speak", payload="Welcome to support", voice="female")
    await telnyx.sandbox.advance(2)
    assert last(telnyx, "call.speak.ended")["status"] == "completed"
    await on_call(telnyx, caller, "gather_using_speak", payload="Press 1", voice="female", maximum_digits=1)
    await telnyx.post(f"/sandbox/calls/{caller}/press", {"digits": "1"})
    assert (last(telnyx, "call.gather.ended")["digits"], last(telnyx, "call.gather.ended")["status"]) == ("1", "valid")
    await on_call(telnyx, caller, "enqueue", queue_name="sales", max_wait_time_secs=60)
    await on_call(telnyx, caller, "playback_start", audio_url=FILE, loop="infinity")
    agent = await dial(telnyx)
    await telnyx.sandbox.advance(2)
    await on_call(telnyx, agent, "bridge", queue="sales")
    assert last(telnyx, "call.dequeued")["reason"] == "bridged"
    await on_call(telnyx, caller, "playback_stop")
    assert last(telnyx, "call.playback.ended")["status"] == "cancelled"
    assert leg_state(telnyx, caller)["place"] == {"kind": "bridge", "call_control_id": agent}


async def test_a_gather_ends_by_digits_terminator_timeout_stop_or_hang_up(telnyx: Telnyx) -> None:
    cases: list[tuple[str, str, str]] = [("12", "12", "valid"), ("1#", "1", "valid"), ("", "", "timeout")]
    for pressed, digits, status in cases:
        leg = await answered(telnyx)
        await on_call(telnyx, leg, "gather", maximum_digits=2)
        if pressed:
            await telnyx.post(f"/sandbox/calls/{leg}/press", {"digits": pressed})
        else:
            await telnyx.sandbox.advance(5)
        ended = last(telnyx, "call.gather.ended")
        assert (ended["call_control_id"], ended["digits"], ended["status"]) == (leg, digits, status)
    leg = await answered(telnyx)
    await on_call(telnyx, leg, "gather_using_audio", audio_url=FILE)
    await on_call(telnyx, leg, "gather_stop")
    assert last(telnyx, "call.gather.ended")["status"] == "cancelled"
    assert last(telnyx, "call.playback.ended")["status"] == "cancelled"
    assert (await refuses(telnyx, leg, "gather_stop"))["title"] == "No gather in progress"
    await on_call(telnyx, leg, "gather_using_audio", audio_url=FILE)
    await on_call(telnyx, leg, "hangup")
    assert last(telnyx, "call.gather.ended")["status"] == "call_hangup"
    assert last(telnyx, "call.playback.ended")["status"] == "call_hangup"


async def test_files_and_speech_play_one_after_the_other(telnyx: Telnyx) -> None:
    leg = await answered(telnyx)
    await on_call(telnyx, leg, "playback_start", audio_url=FILE)
    await on_call(telnyx, leg, "speak", payload="One two three four five", voice="male")
    assert telnyx.events("call.speak.started") == []
    await telnyx.sandbox.advance(10)
    assert len(telnyx.events("call.speak.started")) == 1
    await on_call(telnyx, leg, "playback_start", audio_url=FILE)
    await on_call(telnyx, leg, "hangup")
    assert last(telnyx, "call.speak.ended")["status"] == "call_hangup"
    assert len(telnyx.events("call.playback.started")) == len(telnyx.events("call.playback.ended")) == 1
    assert (await refuses(telnyx, leg, "speak", payload="Hi", voice="male"))["code"] == "90018"


async def test_audio_needs_an_answered_call_and_an_overlay_needs_audio(telnyx: Telnyx) -> None:
    leg = await telnyx.arrival()
    assert (await refuses(telnyx, leg, "playback_start", audio_url=FILE))["code"] == "90034"
    await on_call(telnyx, leg, "answer")
    assert (await refuses(telnyx, leg, "playback_start"))["code"] == "10004"
    assert (await refuses(telnyx, leg, "playback_start", audio_url=FILE, overlay=True))["code"] == "10015"


async def test_voicemail_is_recorded_and_the_recording_can_be_deleted(telnyx: Telnyx) -> None:
    leg = await answered(telnyx)
    await on_call(telnyx, leg, "record_start", format="mp3", channels="single", max_length=30)
    await telnyx.sandbox.advance(10)
    await on_call(telnyx, leg, "record_pause")
    await telnyx.sandbox.advance(10)
    await on_call(telnyx, leg, "record_resume")
    await telnyx.sandbox.advance(10)
    saved = last(telnyx, "call.recording.saved")
    [listed] = await telnyx.get("/recordings")
    assert (listed["source"], listed["duration_millis"], listed["id"]) == ("call", 20_000, saved["recording_id"])
    assert (await refuses(telnyx, leg, "record_stop"))["title"] == "Not recording"
    await telnyx.post(f"/recordings/{listed['id']}", method="DELETE")
    assert await telnyx.get("/recordings") == []
    assert (await telnyx.refusal("DELETE", f"/recordings/{listed['id']}"))[0] == 404


async def test_a_dialled_call_is_recorded_hears_a_file_and_gets_digits(telnyx: Telnyx) -> None:
    answer = await telnyx.post(
        "/calls",
        {"connection_id": "sandbox", "from": NUMBER, "to": "+12025550150,99", "record": "record-from-answer"}
        | {"audio_url": FILE, "time_limit_secs": 30},
    )
    await telnyx.sandbox.advance(2)
    assert len(telnyx.events("call.playback.started")) == 1
    assert leg_state(telnyx, answer["call_control_id"])["digits_sent"] == 2
    await telnyx.sandbox.advance(30)
    assert last(telnyx, "call.hangup")["hangup_cause"] == "time_limit"
    assert last(telnyx, "call.recording.saved")["recording_id"] == answer["recording_id"]


async def test_a_warm_transfer_holds_the_caller_and_brings_them_back(telnyx: Telnyx) -> None:
    caller, agent = await answered(telnyx), await dial(telnyx)
    await telnyx.sandbox.advance(2)
    await on_call(telnyx, caller, "bridge", call_control_id=agent, hold_after_unbridge=True)
    expert = await dial(telnyx, "+12025550151", link_to=agent, bridge_on_answer=True, park_after_unbridge="self")
    await telnyx.sandbox.advance(2)
    assert leg_state(telnyx, caller)["on_hold"]
    assert last(telnyx, "call.hold")["call_control_id"] == caller
    assert leg_state(telnyx, expert)["place"] == {"kind": "bridge", "call_control_id": agent}
    await on_call(telnyx, agent, "hangup")
    assert leg_state(telnyx, expert)["place"] == {"kind": "parked"}
    await on_call(telnyx, caller, "bridge", call_control_id=expert)
    assert last(telnyx, "call.unhold")["call_control_id"] == caller
    assert leg_state(telnyx, caller)["call_session_id"] != leg_state(telnyx, expert)["call_session_id"]
    assert leg_state(telnyx, agent)["call_session_id"] == leg_state(telnyx, expert)["call_session_id"]


async def test_linked_arguments_need_link_to_and_a_double_bridge_can_be_prevented(telnyx: Telnyx) -> None:
    body = {"connection_id": "sandbox", "from": NUMBER, "to": "+12025550150", "bridge_on_answer": True}
    status, error = await telnyx.refusal("POST", "/calls", body)
    assert (status, error["code"], error["source"]) == (422, "10004", {"pointer": "/link_to"})
    caller, agent = await answered(telnyx), telnyx.part("agent")
    await on_call(telnyx, caller, "bridge", call_control_id=agent)
    second = await dial(telnyx, link_to=caller, bridge_on_answer=True, prevent_double_bridge=True)
    await telnyx.sandbox.advance(2)
    assert not leg_state(telnyx, second)["is_alive"]
    assert leg_state(telnyx, caller)["place"] == {"kind": "bridge", "call_control_id": agent}


async def test_a_supervisor_listens_to_a_call_and_barges_in(telnyx: Telnyx) -> None:
    agent = telnyx.part("agent")
    boss = await dial(telnyx, supervise_call_control_id=agent, supervisor_role="monitor")
    await telnyx.sandbox.advance(2)
    assert leg_state(telnyx, boss)["place"] == {"kind": "supervision", "call_control_id": agent, "role": "monitor"}
    await on_call(telnyx, boss, "switch_supervisor_role", role="barge")
    assert leg_state(telnyx, boss)["place"]["role"] == "barge"
    assert (await refuses(telnyx, agent, "switch_supervisor_role", role="barge"))["title"] == "Call is not a supervisor"
    await on_call(telnyx, agent, "hangup")
    assert not leg_state(telnyx, boss)["is_alive"]


async def test_a_transferred_leg_has_a_client_state_of_its_own(telnyx: Telnyx) -> None:
    states = {name: base64.b64encode(name.encode()).decode() for name in ("old", "new", "later")}
    caller = await answered(telnyx)
    transfer = {"client_state": states["old"], "target_leg_client_state": states["new"]}
    await on_call(telnyx, caller, "transfer", to="+12025550150", **transfer)
    assert last(telnyx, "call.initiated")["client_state"] == states["new"]
    await telnyx.post(f"/calls/{caller}/actions/client_state_update", {"client_state": states["later"]}, "PUT")
    await on_call(telnyx, caller, "hangup")
    assert last(telnyx, "call.hangup")["client_state"] == states["later"]


async def test_a_transcribed_call_sends_transcription_events(telnyx: Telnyx) -> None:
    leg = await answered(telnyx)
    await on_call(telnyx, leg, "transcription_start", transcription_engine="Telnyx")
    await telnyx.post(f"/sandbox/calls/{leg}/speak", {"text": "I need help"})
    assert last(telnyx, "call.transcription")["transcription_data"]["transcript"] == "I need help"
    await on_call(telnyx, leg, "transcription_stop")
    assert (await refuses(telnyx, leg, "transcription_stop"))["title"] == "No transcription in progress"


async def test_dialling_a_number_of_the_sandbox_s_own_makes_an_incoming_call() -> None:
    telnyx = Telnyx(Sandbox(ManualClock(), scene=EMPTY, numbers=["+12025550104"]))
    outgoing = await dial(telnyx, "+12025550104")
    await telnyx.sandbox.advance(5)
    incoming = telnyx.events("call.initiated")[-1]["payload"]
    assert (incoming["direction"], incoming["from"], incoming["to"]) == ("incoming", NUMBER, "+12025550104")
    assert telnyx.events("call.answered") == []
    await on_call(telnyx, incoming["call_control_id"], "answer")
    assert {event["payload"]["call_control_id"] for event in telnyx.events("call.answered")} == {
        outgoing,
        incoming["call_control_id"],
    }
    await on_call(telnyx, outgoing, "hangup")
    assert [leg["is_alive"] for leg in telnyx.sandbox.snapshot()["legs"]] == [False, False]
    assert (await telnyx.refusal("POST", f"/calls/{outgoing}/actions/hangup", {}))[1]["code"] == "90018"


async def test_a_caller_number_must_be_the_account_s_unless_any_is_allowed() -> None:
    for allowed, status in ((False, 403), (True, 200)):
        telnyx = Telnyx(Sandbox(ManualClock(), scene=EMPTY, any_from=allowed))
        body = {"connection_id": "sandbox", "from": "+12025550177", "to": "+12025550150"}
        answer = await telnyx.send("POST", "/calls", body)
        assert answer.status_code == status
        assert allowed or "D51" in answer.json()["errors"][0]["detail"]


async def test_a_connection_without_an_outbound_voice_profile_takes_calls_and_makes_none() -> None:
    telnyx = Telnyx(Sandbox(ManualClock(), scene=Scene(outbound_profile=False)))
    leg = await telnyx.arrival()
    status, error = await telnyx.refusal(
        "POST", "/calls", {"connection_id": "sandbox", "from": NUMBER, "to": "+12025550150"}
    )
    assert (status, error["code"]) == (403, "10010")
    assert "D38" in error["detail"]
    status, error = await telnyx.refusal("POST", f"/calls/{leg}/actions/transfer", {"to": "+12025550150"})
    assert (status, error["code"]) == (403, "10010")


async def test_call_events_hold_the_commands_and_webhooks_of_a_call(telnyx: Telnyx) -> None:
    leg = await answered(telnyx)
    leg_id = leg_state(telnyx, leg)["call_leg_id"]
    events = await telnyx.get("/call_events", filter_leg_id=leg_id)
    assert [(event["type"], event["name"]) for event in events] == [
        ("command", "answer"),
        ("webhook", "call.answered"),
        ("webhook", "call.initiated"),
    ]
    assert [
        event["name"] for event in await telnyx.get("/call_events", filter_leg_id=leg_id, filter_type="command")
    ] == ["answer"]
