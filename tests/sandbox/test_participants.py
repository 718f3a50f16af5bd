"""Participants: joining, leaving, hold, mute, roles."""

import pytest

from support.sandbox_client import Json, Telnyx

pytestmark = pytest.mark.anyio


async def test_a_call_cannot_join_twice(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    status, error = await telnyx.refuses(room, "join", call_control_id=telnyx.part("agent"))
    assert (status, error["title"]) == (422, "Already in conference")


async def test_a_call_is_in_one_conference_at_a_time(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    await telnyx.post("/conferences", {"call_control_id": telnyx.part("agent"), "name": "Other"})
    assert list(await telnyx.people(room)) == [telnyx.part("supervisor")]
    assert telnyx.events("conference.participant.left")[-1]["payload"]["conference_id"] == room


async def test_joining_can_mute_and_hold(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    caller = telnyx.part("caller 1")
    await telnyx.act(room, "join", call_control_id=caller, mute=True, hold=True)
    who = (await telnyx.people(room))[caller]
    assert (who["muted"], who["on_hold"], who["status"]) == (True, True, "joined")


@pytest.mark.parametrize(("action", "undo", "field"), [("mute", "unmute", "muted"), ("hold", "unhold", "on_hold")])
async def test_some_or_everyone_can_be_muted_and_held(telnyx: Telnyx, action: str, undo: str, field: str) -> None:
    room = await telnyx.conference("agent", "supervisor")
    agent, supervisor = telnyx.part("agent"), telnyx.part("supervisor")

    async def concerned() -> set[str]:
        everyone = await telnyx.people(room)
        filtered = await telnyx.people(room, **{f"filter_{field}": "true"})
        assert filtered.keys() == {leg for leg, who in everyone.items() if who[field]}
        return set(filtered)

    await telnyx.act(room, action, call_control_ids=[agent])
    assert await concerned() == {agent}
    await telnyx.act(room, action)
    assert await concerned() == {agent, supervisor}
    await telnyx.act(room, undo, call_control_ids=[supervisor])
    assert await concerned() == {agent}
    await telnyx.act(room, action, call_control_ids=[])
    assert await concerned() == {agent, supervisor}


async def test_unhold_requires_the_list(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    bodies: list[Json] = [{}, {"call_control_ids": []}, {"call_control_ids": "everyone"}]
    for body in bodies:
        status, error = await telnyx.refuses(room, "unhold", **body)
        assert (status, error["source"]["pointer"]) == (422, "/call_control_ids")


async def test_a_command_for_an_absent_person_names_them_and_does_nothing(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    stranger = telnyx.part("caller 1")
    both = [telnyx.part("agent"), stranger]
    for action in ("mute", "unmute", "hold", "unhold", "stop"):
        status, error = await telnyx.refuses(room, action, call_control_ids=both)
        assert status == 422
        assert stranger in error["detail"]
    who = (await telnyx.people(room))[telnyx.part("agent")]
    assert (who["muted"], who["on_hold"]) == (False, False)


async def test_unhold_also_releases_who_awaits_the_start(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", start_conference_on_create=False)
    await telnyx.act(room, "unhold", call_control_ids=[telnyx.part("agent")])
    assert (await telnyx.people(room, filter_on_hold="true")) == {}


async def test_a_monitor_is_muted_until_the_role_changes(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "caller 1")
    boss, agent = telnyx.part("supervisor"), telnyx.part("agent")
    await telnyx.act(room, "join", call_control_id=boss, supervisor_role="monitor")
    assert (await telnyx.people(room))[boss]["muted"] is True
    await telnyx.act(room, "unmute")
    assert (await telnyx.people(room))[boss]["muted"] is True
    await telnyx.act(room, "update", call_control_id=boss, supervisor_role="whisper", whisper_call_control_ids=[agent])
    whispering = await telnyx.people(room, filter_whispering="true")
    assert whispering[boss]["whisper_call_control_ids"] == [agent]
    assert whispering[boss]["muted"] is False
    await telnyx.act(room, "update", call_control_id=boss, supervisor_role="barge")
    who = (await telnyx.people(room))[boss]
    assert (who["muted"], who["whisper_call_control_ids"]) == (False, [])


async def test_a_whisper_to_nobody_is_a_monitor(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "caller 1")
    boss, agent = telnyx.part("supervisor"), telnyx.part("agent")
    await telnyx.act(room, "join", call_control_id=boss, supervisor_role="whisper")
    roles = {who["call_control_id"]: who["role"] for who in telnyx.sandbox.snapshot()["conferences"][0]["participants"]}
    assert roles[boss] == "monitor"
    await telnyx.act(room, "update", call_control_id=boss, supervisor_role="whisper", whisper_call_control_ids=[agent])
    await telnyx.act(room, "leave", call_control_id=agent)
    assert (await telnyx.people(room))[boss]["muted"] is True, "who whispered to somebody who left is heard by nobody"


async def test_a_whisper_to_an_absent_participant_is_refused(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    absent = telnyx.part("caller 1")
    whisper = {"supervisor_role": "whisper", "whisper_call_control_ids": [absent]}
    status, error = await telnyx.refuses(room, "update", call_control_id=telnyx.part("supervisor"), **whisper)
    assert (status, error["source"]["pointer"]) == (422, "/whisper_call_control_ids")
    status, error = await telnyx.refuses(room, "join", call_control_id=telnyx.part("caller 2"), **whisper)
    assert status == 422
    assert absent in error["detail"]


async def test_only_a_participant_can_become_supervisor_or_leave(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    boss = telnyx.part("supervisor")
    assert (await telnyx.refuses(room, "update", call_control_id=boss, supervisor_role="monitor"))[0] == 422
    assert (await telnyx.refuses(room, "leave", call_control_id=boss))[0] == 422


async def test_a_participant_is_found_by_id_by_label_and_by_call(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "caller 1")
    listed = (await telnyx.people(room))[telnyx.part("caller 1")]
    assert listed["conference"] == {"id": room, "name": "Room"}
    assert "label" not in listed
    for wanted in (listed["id"], "caller-1", telnyx.part("caller 1")):
        found = await telnyx.get(f"/conferences/{room}/participants/{wanted}")
        assert (found["id"], found["conference_id"], found["label"]) == (listed["id"], room, "caller-1")
    status, error = await telnyx.refusal("GET", f"/conferences/{room}/participants/nobody")
    assert status == 404
    assert "nobody" in error["detail"]


async def test_a_participant_who_left_can_be_read_but_is_not_listed(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    await telnyx.act(room, "leave", call_control_id=telnyx.part("agent"))
    assert telnyx.part("agent") not in await telnyx.people(room)
    assert (await telnyx.get(f"/conferences/{room}/participants/agent"))["status"] == "left"
    assert (await telnyx.refusal("PATCH", f"/conferences/{room}/participants/agent", {}))[0] == 422


async def test_exit_rules_can_be_changed_while_in_the_conference(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    path = f"/conferences/{room}/participants/agent"
    changed = await telnyx.post(path, {"end_conference_on_exit": True, "beep_enabled": "always"}, method="PATCH")
    assert (changed["end_conference_on_exit"], changed["soft_end_conference_on_exit"]) == (True, False)
    await telnyx.post(path, {"end_conference_on_exit": False, "soft_end_conference_on_exit": True}, method="PATCH")
    await telnyx.act(room, "leave", call_control_id=telnyx.part("agent"))
    assert (await telnyx.get(f"/conferences/{room}"))["status"] == "completed"
    assert telnyx.events("call.hangup") == []


async def test_a_participant_who_hangs_up_leaves_the_conference(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    agent = telnyx.part("agent")
    await telnyx.post(f"/sandbox/calls/{agent}/hangup")
    assert agent not in await telnyx.people(room)
    status, error = await telnyx.refuses(room, "join", call_control_id=agent)
    assert (status, error["code"], error["title"]) == (422, "90018", "Call has already ended")


async def test_an_incoming_call_that_joins_is_answered(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    caller = await telnyx.arrival()
    await telnyx.act(room, "join", call_control_id=caller, client_state="aGk=")
    answered, joined = telnyx.events()[-2:]
    assert (answered["event_type"], answered["payload"]["call_control_id"]) == ("call.answered", caller)
    assert joined["payload"]["client_state"] == "aGk="


async def test_a_call_that_does_not_exist_is_named(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    status, error = await telnyx.refuses(room, "join", call_control_id="v3:nobody")
    assert (status, error["code"], error["source"]["pointer"]) == (422, "90015", "/call_control_id")
    assert "v3:nobody" in error["detail"]
