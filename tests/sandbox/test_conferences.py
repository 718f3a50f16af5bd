"""Conferences: opening, starting, ending, finding them."""

import pytest

from support.sandbox_client import Telnyx

pytestmark = pytest.mark.anyio


async def test_a_conference_opens_with_its_first_call_in_it(telnyx: Telnyx) -> None:
    agent = telnyx.part("agent")
    opened = await telnyx.post("/conferences", {"call_control_id": agent, "name": "Standup"})
    assert opened == await telnyx.get(f"/conferences/{opened['id']}")
    assert opened.keys() == {
        *("id", "name", "record_type", "status", "region", "connection_id"),
        *("created_at", "expires_at", "updated_at"),
    }
    assert (opened["status"], opened["region"], opened["connection_id"]) == ("in_progress", "US", "sandbox")
    assert opened["created_at"].endswith("Z")
    assert list(await telnyx.people(opened["id"])) == [agent]


async def test_creation_and_joining_are_announced(telnyx: Telnyx) -> None:
    first, second = await telnyx.arrival(), await telnyx.arrival()
    before = len(telnyx.events())
    opened = await telnyx.post("/conferences", {"call_control_id": first, "name": "Room"})
    await telnyx.act(opened["id"], "join", call_control_id=second)
    assert telnyx.kinds(before) == [
        *("call.answered", "conference.created", "conference.participant.joined"),
        *("call.answered", "conference.participant.joined"),
    ]


async def test_a_call_that_joins_leaves_its_queue(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "join", call_control_id=telnyx.part("caller 1"))
    left = telnyx.events("call.dequeued")[-1]["payload"]
    assert (left["reason"], left["queue"], left["wait_time_secs"], left["queue_position"]) == (
        ("leave", "support", 240, 1)
    )
    assert (await telnyx.get("/queues/support"))["current_size"] == 2


async def test_a_name_that_is_open_is_refused_and_a_completed_one_is_free(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    caller = {"call_control_id": telnyx.part("caller 1"), "name": "Room"}
    status, error = await telnyx.refusal("POST", "/conferences", caller)
    assert (status, error["code"]) == (422, "90033")
    assert "'Room'" in error["detail"]
    await telnyx.act(room, "end")
    assert (await telnyx.post("/conferences", caller))["id"] != room


async def test_participants_are_on_hold_until_the_conference_starts(telnyx: Telnyx) -> None:
    room = await telnyx.conference("caller 1", "caller 2", start_conference_on_create=False)
    assert (await telnyx.get(f"/conferences/{room}"))["status"] == "init"
    assert all(who["on_hold"] for who in (await telnyx.people(room)).values())
    await telnyx.act(room, "hold", call_control_ids=[telnyx.part("caller 2")])
    await telnyx.act(room, "join", call_control_id=telnyx.part("agent"), start_conference_on_enter=True)
    held = {leg for leg, who in (await telnyx.people(room)).items() if who["on_hold"]}
    assert held == {telnyx.part("caller 2")}, "only who was put on hold by name stays there"
    assert (await telnyx.get(f"/conferences/{room}"))["status"] == "in_progress"


async def test_nobody_joins_a_full_conference(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor", max_participants=2)
    caller = telnyx.part("caller 1")
    status, error = await telnyx.refuses(room, "join", call_control_id=caller)
    assert (status, error["title"]) == (422, "Maximum number of participants reached")
    assert (await telnyx.get("/queues/support"))["current_size"] == 3, "a refused join changes nothing"


async def test_a_conference_ends_when_all_have_left_and_their_calls_go_on(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    for name in ("agent", "supervisor"):
        await telnyx.act(room, "leave", call_control_id=telnyx.part(name))
    ended = await telnyx.get(f"/conferences/{room}")
    assert (ended["status"], ended["end_reason"]) == ("completed", "all_left")
    assert "ended_by" not in ended
    assert (await telnyx.get(f"/calls/{telnyx.part('agent')}"))["is_alive"] is True


async def test_ending_a_conference_hangs_everyone_up(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    assert await telnyx.act(room, "end") == {"result": "ok"}
    ended = await telnyx.get(f"/conferences/{room}")
    assert ended["end_reason"] == "ended_via_api"
    assert telnyx.events("conference.ended")[-1]["payload"]["reason"] == "all_left"
    assert len(telnyx.events("call.hangup")) == 2
    for name in ("agent", "supervisor"):
        call = await telnyx.get(f"/calls/{telnyx.part(name)}")
        assert call["is_alive"] is False
        assert call["end_time"] == ended["updated_at"]


@pytest.mark.parametrize("how", ["leave", "hang up", "enqueue"])
async def test_when_the_host_leaves_the_rest_are_hung_up(telnyx: Telnyx, how: str) -> None:
    room = await telnyx.conference("caller 1", "caller 2")
    host = telnyx.part("agent")
    await telnyx.act(room, "join", call_control_id=host, end_conference_on_exit=True)
    if how == "leave":
        await telnyx.act(room, "leave", call_control_id=host)
    elif how == "hang up":
        await telnyx.post(f"/sandbox/calls/{host}/hangup")
    else:
        await telnyx.post(f"/calls/{host}/actions/enqueue", {"queue_name": "support"})
    ended = await telnyx.get(f"/conferences/{room}")
    assert ended["end_reason"] == "host_left"
    assert ended["ended_by"]["call_control_id"] == host
    assert telnyx.events("conference.ended")[-1]["payload"]["reason"] == "host_left"
    assert (await telnyx.get(f"/calls/{telnyx.part('caller 1')}"))["is_alive"] is False
    assert (await telnyx.get(f"/calls/{host}"))["is_alive"] is (how != "hang up")


async def test_a_soft_end_parks_the_rest(telnyx: Telnyx) -> None:
    room = await telnyx.conference("caller 1")
    host = telnyx.part("agent")
    await telnyx.act(room, "join", call_control_id=host, soft_end_conference_on_exit=True)
    await telnyx.act(room, "leave", call_control_id=host)
    assert (await telnyx.get(f"/conferences/{room}"))["end_reason"] == "host_left"
    assert telnyx.events("call.hangup") == []
    await telnyx.post(f"/calls/{telnyx.part('caller 1')}/actions/enqueue", {"queue_name": "support"})


@pytest.mark.parametrize(("minutes", "lasts"), [(None, 4 * 3600), (5, 300), (10**30, 4 * 3600)])
async def test_a_conference_ends_after_its_duration(telnyx: Telnyx, minutes: int | None, lasts: int) -> None:
    more = {} if minutes is None else {"duration_minutes": minutes}
    room = await telnyx.conference("caller 1", **more)
    await telnyx.sandbox.advance(lasts - 1)
    assert (await telnyx.get(f"/conferences/{room}"))["status"] == "in_progress"
    await telnyx.sandbox.advance(1)
    ended = await telnyx.get(f"/conferences/{room}")
    assert (ended["end_reason"], ended["updated_at"]) == ("time_exceeded", ended["expires_at"])
    assert (await telnyx.get(f"/calls/{telnyx.part('caller 1')}"))["is_alive"] is False


async def test_a_completed_conference_can_be_seen_and_takes_no_commands(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "end")
    assert await telnyx.people(room) == {}
    caller = telnyx.part("caller 1")
    bodies = {
        "join": {"call_control_id": caller},
        "record_start": {"format": "wav"},
        "speak": {"payload": "hi", "voice": "male"},
        "play": {"audio_url": "https://example.com/a.mp3"},
        "unhold": {"call_control_ids": [caller]},
        "send_dtmf": {"digits": "1"},
        "gather_using_audio": {"call_control_id": caller},
        "update": {"call_control_id": caller, "supervisor_role": "barge"},
        "leave": {"call_control_id": caller},
    }
    plain = ("end", "hold", "mute", "unmute", "stop", "record_stop", "record_pause", "record_resume")
    for action in (*bodies, *plain):
        status, error = await telnyx.refuses(room, action, **bodies.get(action, {}))
        assert (status, error["title"]) == (422, "Conference has already ended"), action


async def test_conferences_are_listed_newest_first_a_page_at_a_time(telnyx: Telnyx) -> None:
    rooms: list[str] = []
    for number in range(5):
        leg = await telnyx.arrival()
        opened = await telnyx.post("/conferences", {"call_control_id": leg, "name": f"Room {number}"})
        rooms.insert(0, opened["id"])
    first = await telnyx.page("/conferences", page_size=2)
    last = await telnyx.page("/conferences", page_size=2, page_number=3)
    beyond = await telnyx.page("/conferences", page_size=2, page_number=4)
    assert [item["id"] for item in first["data"]] == rooms[:2]
    assert [item["id"] for item in last["data"]] == rooms[4:]
    assert beyond["data"] == []
    assert first["meta"] == {"page_number": 1, "page_size": 2, "total_pages": 3, "total_results": 5}
    assert (await telnyx.page("/conferences"))["meta"]["page_size"] == 20


async def test_each_filter_selects_conferences(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", region="Europe")
    leg = next(item for item in telnyx.sandbox.snapshot()["legs"] if item.get("part") == "agent")
    created = (await telnyx.get(f"/conferences/{room}"))["created_at"]
    cases = {
        "filter_name": ("Room", "Hall"),
        "filter_status": ("in_progress", "completed"),
        "filter_from": (leg["from"], "+12025550199"),
        "filter_to": (leg["to"], "+12025550199"),
        "filter_connection_id": ("sandbox", "other"),
        "filter_application_name__contains": ("andbo", "Other"),
        "filter_application_session_id": (leg["call_session_id"], leg["call_leg_id"]),
        "filter_leg_id": (leg["call_leg_id"], leg["call_session_id"]),
        "filter_product": ("call_control", "fax"),
        "filter_failed": ("false", "true"),
        "filter_occurred_at__eq": (created, "2020-01-01"),
        "filter_occurred_at__gte": (created, "2030-01-01T00:00:00Z"),
        "filter_occurred_at__gt": ("2020-01-01T00:00:00+05:00", created),
        "filter_occurred_at__lte": (created, "2020-01-01"),
        "filter_occurred_at__lt": ("2030-01-01", created),
        "region": ("Europe", "US"),
    }
    for name, (finds, leaves_out) in cases.items():
        assert [item["id"] for item in await telnyx.get("/conferences", **{name: finds})] == [room], name
        assert await telnyx.get("/conferences", **{name: leaves_out}) == [], name
    voice_profile = {"filter_outbound.outbound_voice_profile_id": "1"}
    assert await telnyx.get("/conferences", **voice_profile) == []


async def test_a_filter_that_is_no_time_is_refused(telnyx: Telnyx) -> None:
    status, error = await telnyx.refusal("GET", "/conferences", filter_occurred_at__gte="yesterday")
    assert (status, error["source"]) == (422, {"parameter": "filter[occurred_at]"})


async def test_a_conference_is_not_found_from_another_region(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", region="Europe")
    assert (await telnyx.refusal("GET", f"/conferences/{room}", region="US"))[0] == 404
    assert (await telnyx.refuses(room, "mute", region="Australia"))[0] == 404
    assert await telnyx.get(f"/conferences/{room}", region="Europe")
    await telnyx.act(room, "mute")


async def test_a_floor_change_webhook_has_no_data_wrapper(telnyx: Telnyx) -> None:
    await telnyx.conference("agent")
    await telnyx.post(f"/sandbox/calls/{telnyx.part('agent')}/speak")
    event = telnyx.sandbox.events[-1]
    assert event["event_type"] == "conference.floor.changed"
    assert "data" not in event
    assert event["payload"]["call_control_id"] == telnyx.part("agent")
    status, _ = await telnyx.refusal("POST", f"/sandbox/calls/{telnyx.part('supervisor')}/speak")
    assert status == 422
