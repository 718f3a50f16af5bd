"""Calls: dialled and incoming, answered, rejected, bridged, hung up."""

from typing import Any

import pytest

from support.sandbox_client import Json, Telnyx

pytestmark = pytest.mark.anyio


async def dial(telnyx: Telnyx, **more: Any) -> Json:
    body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150", **more}
    return await telnyx.post("/calls", body)


async def test_a_dialled_person_answers_after_two_seconds(telnyx: Telnyx) -> None:
    before = len(telnyx.events())
    call = await dial(telnyx, client_state="aGk=")
    assert call.keys() == {
        *("record_type", "call_control_id", "call_leg_id", "call_session_id"),
        *("is_alive", "call_duration", "client_state", "start_time"),
    }
    assert call["is_alive"] is False, "as Telnyx's always is: it has only begun to dial"
    assert telnyx.kinds(before) == ["call.initiated"]
    await telnyx.sandbox.advance(2)
    initiated, answered = telnyx.events()[before:]
    assert initiated["payload"]["direction"] == "outgoing"
    assert (answered["event_type"], answered["payload"]["client_state"]) == ("call.answered", "aGk=")
    assert (await telnyx.get(f"/calls/{call['call_control_id']}"))["is_alive"] is True


@pytest.mark.parametrize(
    ("number", "more", "after", "cause"),
    [
        ("+12025550198", {}, 2, "user_busy"),
        ("+12025550199", {}, 30, "timeout"),
        ("+12025550199", {"timeout_secs": 10}, 10, "timeout"),
        ("+12025550197", {}, 2, "call_rejected"),
        ("+12025550195", {}, 22, "normal_clearing"),
        ("sip:0198@example.com", {}, 2, "user_busy"),
        ("+12025550150", {"time_limit_secs": 60}, 62, "time_limit"),
        ("+12025550150", {}, 4 * 3600 + 2, "time_limit"),
    ],
)
async def test_not_every_call_is_answered_and_none_lasts_for_ever(
    telnyx: Telnyx, number: str, more: Json, after: int, cause: str
) -> None:
    call = await dial(telnyx, to=number, **more)
    await telnyx.sandbox.advance(after - 1)
    assert telnyx.events("call.hangup") == []
    await telnyx.sandbox.advance(1)
    assert telnyx.events("call.hangup")[0]["payload"]["hangup_cause"] == cause
    ended = await telnyx.get(f"/calls/{call['call_control_id']}")
    assert (ended["is_alive"], ended["call_duration"]) == (False, after)


@pytest.mark.parametrize(
    ("number", "detection", "results"),
    [
        ("+12025550150", "detect", [("detection", "human")]),
        ("+12025550150", "premium", [("premium.detection", "human_residence")]),
        ("+12025550196", "detect", [("detection", "machine")]),
        ("+12025550196", "greeting_end", [("detection", "machine"), ("greeting", "ended")]),
        ("+12025550196", "detect_beep", [("detection", "machine"), ("greeting", "beep_detected")]),
        ("+12025550196", "premium", [("premium.detection", "machine"), ("premium.greeting", "beep_detected")]),
        ("+12025550196", "disabled", []),
    ],
)
async def test_machine_detection_reports_whether_a_person_or_a_machine_answered(
    telnyx: Telnyx, number: str, detection: str, results: list[tuple[str, str]]
) -> None:
    await dial(telnyx, to=number, answering_machine_detection=detection)
    await telnyx.sandbox.advance(20)
    heard = [event for event in telnyx.events() if event["event_type"].startswith("call.machine.")]
    assert [(event["event_type"], event["payload"]["result"]) for event in heard] == [
        (f"call.machine.{what}.ended", result) for what, result in results
    ]


async def test_a_transferred_call_is_connected_once_the_other_telephone_is_answered(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "caller 1")
    caller = telnyx.part("caller 1")
    await telnyx.post(f"/calls/{caller}/actions/transfer", {"to": "+12025550150", "timeout_secs": 30})
    assert caller in await telnyx.people(room)
    await telnyx.sandbox.advance(2)
    assert caller not in await telnyx.people(room)
    target = telnyx.sandbox.snapshot()["legs"][-1]
    assert (target["from"], target["to"]) == ("+12025550100", "+12025550150")
    bridged = {event["payload"]["call_control_id"] for event in telnyx.events("call.bridged")}
    assert bridged == {caller, target["call_control_id"]}


async def test_a_transfer_that_nobody_answers_leaves_the_call_where_it_is(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "caller 1")
    caller = telnyx.part("caller 1")
    await telnyx.post(f"/calls/{caller}/actions/transfer", {"to": "+12025550198"})
    await telnyx.sandbox.advance(2)
    assert telnyx.events("call.hangup")[-1]["payload"]["hangup_cause"] == "user_busy"
    assert caller in await telnyx.people(room)


@pytest.mark.parametrize("left_out", ["connection_id", "from", "to"])
async def test_telnyx_knows_of_no_operator_s_settings(telnyx: Telnyx, left_out: str) -> None:
    body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150"}
    status, error = await telnyx.refusal("POST", "/calls", {name: body[name] for name in body if name != left_out})
    assert (status, error["code"], error["source"]["pointer"]) == (422, "10004", f"/{left_out}")


async def test_several_numbers_are_dialled_in_one_session(telnyx: Telnyx) -> None:
    first = await dial(telnyx, to=["+12025550150", "+12025550151"])
    legs = telnyx.sandbox.snapshot()["legs"][-2:]
    assert legs[0]["call_control_id"] == first["call_control_id"]
    assert {leg["call_session_id"] for leg in legs} == {first["call_session_id"]}
    assert [leg["to"] for leg in legs] == ["+12025550150", "+12025550151"]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"to": "12025550150"}, "/to"),
        ({"to": []}, "/to"),
        ({"to": ["+12025550150", "x"]}, "/to"),
        ({"connection_id": "other"}, "/connection_id"),
        ({"timeout_secs": 4}, "/timeout_secs"),
        ({"client_state": "not base64!"}, "/client_state"),
        ({"conference_config": {"supervisor_role": "king"}}, "/conference_config/supervisor_role"),
    ],
)
async def test_a_destination_that_cannot_be_dialled_is_refused(telnyx: Telnyx, wrong: Json, pointer: str) -> None:
    body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150", **wrong}
    status, error = await telnyx.refusal("POST", "/calls", body)
    assert (status, error["source"]["pointer"]) == (422, pointer)


async def test_a_long_tail_of_other_arguments_is_accepted(telnyx: Telnyx) -> None:
    call = await dial(telnyx, answering_machine_detection="detect", stream_url="wss://example.com", unheard_of=[1])
    await telnyx.sandbox.advance(2)
    await telnyx.post(f"/calls/{call['call_control_id']}/actions/hangup", {"reason": "x", "custom_headers": []})


async def test_a_dialled_call_joins_its_conference_when_answered(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    by_id = await dial(telnyx, conference_config={"id": room, "mute": True})
    by_name = await dial(telnyx, conference_config={"conference_name": "Room", "end_conference_on_exit": True})
    assert len(await telnyx.people(room)) == 1
    await telnyx.sandbox.advance(2)
    people = await telnyx.people(room)
    assert people[by_id["call_control_id"]]["muted"] is True
    assert people[by_name["call_control_id"]]["end_conference_on_exit"] is True


async def test_a_dialled_call_opens_the_conference_it_names(telnyx: Telnyx) -> None:
    config = {"conference_name": "New", "start_conference_on_create": False, "supervisor_role": "whisper"}
    call = await dial(telnyx, conference_config=config)
    await telnyx.sandbox.advance(2)
    [room] = await telnyx.get("/conferences", filter_name="New")
    assert room["status"] == "init"
    assert list(await telnyx.people(room["id"])) == [call["call_control_id"]]


async def test_a_dialled_call_whose_conference_is_over_stays_on_the_line(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    call = await dial(telnyx, conference_config={"id": room})
    await telnyx.act(room, "end")
    await telnyx.sandbox.advance(2)
    assert (await telnyx.get(f"/calls/{call['call_control_id']}"))["is_alive"] is True
    body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150"}
    assert (await telnyx.refusal("POST", "/calls", body | {"conference_config": {"id": room}}))[0] == 422
    assert (await telnyx.refusal("POST", "/calls", body | {"conference_config": {"id": "none"}}))[0] == 404


async def test_a_call_that_still_rings_can_join_no_conference_or_queue(telnyx: Telnyx) -> None:
    ringing = (await dial(telnyx))["call_control_id"]
    room = await telnyx.conference("agent")
    for path, body in (
        (f"/conferences/{room}/actions/join", {"call_control_id": ringing}),
        ("/conferences", {"call_control_id": ringing, "name": "X"}),
        (f"/calls/{ringing}/actions/enqueue", {"queue_name": "support"}),
        (f"/calls/{ringing}/actions/bridge", {"call_control_id": telnyx.part("agent")}),
    ):
        status, error = await telnyx.refusal("POST", path, body)
        assert (status, error["title"]) == (422, "Call not answered yet"), path


async def test_an_incoming_call_is_parked_until_it_is_answered(telnyx: Telnyx) -> None:
    leg = await telnyx.arrival()
    arrived = telnyx.events("call.initiated")[-1]["payload"]
    assert (arrived["direction"], arrived["state"], arrived["call_control_id"]) == ("incoming", "parked", leg)
    await telnyx.post(f"/calls/{leg}/actions/answer", {})
    assert telnyx.kinds()[-1] == "call.answered"
    assert (await telnyx.refusal("POST", f"/calls/{leg}/actions/answer", {}))[0] == 422
    assert (await telnyx.refusal("POST", f"/calls/{leg}/actions/reject", {"cause": "USER_BUSY"}))[0] == 422


async def test_an_incoming_call_can_be_rejected(telnyx: Telnyx) -> None:
    leg = await telnyx.arrival()
    await telnyx.post(f"/calls/{leg}/actions/reject", {"cause": "USER_BUSY"})
    ended = telnyx.events("call.hangup")[-1]["payload"]
    assert (ended["hangup_cause"], ended["hangup_source"]) == ("user_busy", "callee")
    status, error = await telnyx.refusal("POST", f"/calls/{leg}/actions/answer", {})
    assert (status, error["code"]) == (422, "90018")


@pytest.mark.parametrize(
    ("who", "path", "cause", "source"),
    [
        ("caller 1", "/calls/{}/actions/hangup", "normal_clearing", "callee"),
        ("caller 1", "/sandbox/calls/{}/hangup", "normal_clearing", "caller"),
        ("dialled", "/calls/{}/actions/hangup", "normal_clearing", "caller"),
        ("dialled", "/sandbox/calls/{}/hangup", "normal_clearing", "callee"),
    ],
)
async def test_a_call_is_hung_up_from_either_end(telnyx: Telnyx, who: str, path: str, cause: str, source: str) -> None:
    dialled = (await dial(telnyx))["call_control_id"]
    await telnyx.sandbox.advance(2)
    await telnyx.post(path.format(dialled if who == "dialled" else telnyx.part(who)))
    ended = telnyx.events("call.hangup")[-1]["payload"]
    assert (ended["hangup_cause"], ended["hangup_source"], ended["state"]) == (cause, source, "hangup")


async def test_a_call_that_still_rings_is_cancelled(telnyx: Telnyx) -> None:
    call = (await dial(telnyx))["call_control_id"]
    await telnyx.post(f"/calls/{call}/actions/hangup", {})
    await telnyx.sandbox.advance(60)
    assert telnyx.kinds()[-1] == "call.hangup"
    assert telnyx.events("call.hangup")[-1]["payload"]["hangup_cause"] == "originator_cancel"


async def test_bridging_to_a_queue_takes_its_first_live_call(telnyx: Telnyx) -> None:
    agent, first, second = (telnyx.part(name) for name in ("agent", "caller 1", "caller 2"))
    await telnyx.post(f"/queues/support/calls/{first}", {"keep_after_hangup": True}, method="PATCH")
    await telnyx.post(f"/sandbox/calls/{first}/hangup")
    await telnyx.post(f"/calls/{agent}/actions/bridge", {"queue": "support"})
    left, *bridged = telnyx.events()[-3:]
    assert (left["event_type"], left["payload"]["reason"]) == ("call.dequeued", "bridged")
    assert [(event["event_type"], event["payload"]["call_control_id"]) for event in bridged] == [
        ("call.bridged", agent),
        ("call.bridged", second),
    ]


async def test_when_one_side_of_a_bridge_goes_the_other_is_hung_up_or_parked(telnyx: Telnyx) -> None:
    agent, boss, caller = (telnyx.part(name) for name in ("agent", "supervisor", "caller 1"))
    await telnyx.post(f"/calls/{agent}/actions/bridge", {"call_control_id": caller, "park_after_unbridge": "self"})
    await telnyx.post(f"/sandbox/calls/{caller}/hangup")
    assert (await telnyx.get(f"/calls/{agent}"))["is_alive"] is True
    await telnyx.post(f"/calls/{agent}/actions/bridge", {"call_control_id": boss})
    await telnyx.post("/conferences", {"call_control_id": agent, "name": "Room"})
    assert (await telnyx.get(f"/calls/{boss}"))["is_alive"] is False


async def test_impossible_bridges_are_refused(telnyx: Telnyx) -> None:
    agent, boss, caller = (telnyx.part(name) for name in ("agent", "supervisor", "caller 1"))
    path = f"/calls/{agent}/actions/bridge"
    await telnyx.post("/queues", {"queue_name": "empty"})
    await telnyx.post(path, {"call_control_id": boss})
    for body, status in (
        ({}, 422),
        ({"call_control_id": agent}, 422),
        ({"call_control_id": boss}, 422),
        ({"call_control_id": "v3:x"}, 422),
        ({"call_control_id": caller, "prevent_double_bridge": True}, 422),
        ({"queue": "empty"}, 422),
        ({"queue": "none"}, 404),
    ):
        assert (await telnyx.refusal("POST", path, body))[0] == status, body
    assert (await telnyx.get(f"/calls/{boss}"))["is_alive"] is True


async def test_bridging_a_host_with_its_own_guest_is_no_bridge(telnyx: Telnyx) -> None:
    room = await telnyx.conference("caller 1")
    agent, guest = telnyx.part("agent"), telnyx.part("caller 1")
    await telnyx.act(room, "join", call_control_id=agent, end_conference_on_exit=True)
    await telnyx.post(f"/calls/{agent}/actions/bridge", {"call_control_id": guest})
    assert (await telnyx.get(f"/calls/{guest}"))["is_alive"] is False
    assert telnyx.events("call.bridged") == []


async def test_the_scene_is_found_through_the_connection(telnyx: Telnyx) -> None:
    page = await telnyx.page("/connections/sandbox/active_calls", page_size=250)
    parts = {"YWdlbnQ=", "c3VwZXJ2aXNvcg==", "Y2FsbGVyIDE=", "Y2FsbGVyIDI=", "Y2FsbGVyIDM="}
    assert {call["client_state"] for call in page["data"]} == parts
    await telnyx.post(f"/calls/{telnyx.part('agent')}/actions/hangup")
    assert len(await telnyx.get("/connections/sandbox/active_calls")) == 4
    assert (await telnyx.refusal("GET", "/connections/other/active_calls"))[0] == 422
