"""Queues and the calls that wait in them."""

from urllib.parse import quote

import pytest

from support.sandbox_client import Telnyx

pytestmark = pytest.mark.anyio


async def waiting(telnyx: Telnyx, queue: str = "support") -> list[tuple[int, str]]:
    calls = await telnyx.get(f"/queues/{queue}/calls")
    return [(call["queue_position"], call["call_control_id"]) for call in calls]


async def enqueue(telnyx: Telnyx, leg: str, queue: str = "support", **more: object) -> None:
    await telnyx.post(f"/calls/{leg}/actions/enqueue", {"queue_name": queue, **more})


async def test_three_callers_wait_from_the_start(telnyx: Telnyx) -> None:
    queue = await telnyx.get("/queues/support")
    assert queue == await telnyx.get(f"/queues/{queue['id']}")
    assert (queue["current_size"], queue["max_size"], queue["average_wait_time_secs"]) == (3, 100, 143)
    calls = await telnyx.get("/queues/support/calls")
    assert [call["wait_time_secs"] for call in calls] == [240, 150, 40]
    first = await telnyx.get(f"/queues/support/calls/{telnyx.part('caller 1')}")
    assert first == calls[0]
    assert (first["queue_position"], first["is_alive"], first["queue_id"]) == (1, True, queue["id"])
    await telnyx.sandbox.advance(10)
    assert (await telnyx.get("/queues/support/calls"))[2]["wait_time_secs"] == 50


async def test_a_queue_is_opened_once_changed_and_deleted(telnyx: Telnyx) -> None:
    opened = await telnyx.post("/queues", {"queue_name": "sales", "max_size": 2})
    assert (opened["name"], opened["max_size"], opened["current_size"]) == ("sales", 2, 0)
    status, error = await telnyx.refusal("POST", "/queues", {"queue_name": "sales"})
    assert status == 422
    assert "'sales'" in error["detail"]
    assert [queue["name"] for queue in await telnyx.get("/queues")][-2:] == ["support", "sales"]
    changed = await telnyx.post("/queues/support", {"max_size": 1})
    assert (changed["max_size"], changed["current_size"]) == (1, 3)
    response = await telnyx.send("DELETE", "/queues/sales")
    assert (response.status_code, response.content) == (204, b"")
    assert (await telnyx.refusal("GET", "/queues/sales"))[0] == 404


@pytest.mark.parametrize("name", ["a/b c?d#e%2F", "ü", "..x", "x" * 255])
async def test_a_queue_s_name_may_be_nearly_anything(telnyx: Telnyx, name: str) -> None:
    await telnyx.post("/queues", {"queue_name": name})
    assert (await telnyx.get(f"/queues/{quote(name, safe='')}"))["name"] == name
    assert await waiting(telnyx, quote(name, safe="")) == []


@pytest.mark.parametrize("name", ["", "x" * 256, 5, None])
async def test_a_queue_s_name_has_1_to_255_letters(telnyx: Telnyx, name: object) -> None:
    status, error = await telnyx.refusal("POST", "/queues", {"queue_name": name})
    assert (status, error["source"]["pointer"]) == (422, "/queue_name")


async def test_only_an_empty_queue_is_deleted(telnyx: Telnyx) -> None:
    status, error = await telnyx.refusal("DELETE", "/queues/support")
    assert (status, error["code"]) == (400, "90050")
    assert telnyx.events("call.dequeued") == []
    for number in (1, 2, 3):
        await telnyx.post(f"/calls/{telnyx.part(f'caller {number}')}/actions/leave_queue")
    assert (await telnyx.send("DELETE", "/queues/support")).status_code == 204
    assert (await telnyx.refusal("GET", "/queues/support"))[0] == 404


async def test_enqueueing_opens_a_queue_and_does_not_change_one(telnyx: Telnyx) -> None:
    agent, boss = telnyx.part("agent"), telnyx.part("supervisor")
    await enqueue(telnyx, agent, "vip", max_size=1)
    assert (await telnyx.get("/queues/vip"))["max_size"] == 1
    status, error = await telnyx.refusal("POST", f"/calls/{boss}/actions/enqueue", {"queue_name": "vip", "max_size": 9})
    assert (status, error["title"]) == (422, "Queue full")
    joined = telnyx.events("call.enqueued")[-1]["payload"]
    assert (joined["queue"], joined["current_position"], joined["queue_avg_wait_time_secs"]) == ("vip", 1, 0)


async def test_a_call_is_not_twice_in_a_queue_but_can_change_queues(telnyx: Telnyx) -> None:
    caller = telnyx.part("caller 1")
    status, error = await telnyx.refusal("POST", f"/calls/{caller}/actions/enqueue", {"queue_name": "support"})
    assert (status, error["title"]) == (422, "Call already in queue")
    await enqueue(telnyx, caller, "vip")
    assert [position for position, _ in await waiting(telnyx)] == [1, 2]
    assert await waiting(telnyx, "vip") == [(1, caller)]


async def test_enqueueing_takes_a_call_out_of_its_conference(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    await enqueue(telnyx, telnyx.part("agent"))
    assert telnyx.part("agent") not in await telnyx.people(room)


async def test_a_call_leaves_its_queue_and_the_rest_move_up(telnyx: Telnyx) -> None:
    first, second, third = (telnyx.part(f"caller {number}") for number in (1, 2, 3))
    await telnyx.post(f"/calls/{first}/actions/leave_queue", {"client_state": "aGk="})
    assert await waiting(telnyx) == [(1, second), (2, third)]
    left = telnyx.events("call.dequeued")[-1]["payload"]
    assert (left["reason"], left["client_state"], left["wait_time_secs"]) == ("leave", "aGk=", 240)
    status, error = await telnyx.refusal("POST", f"/calls/{first}/actions/leave_queue", {})
    assert (status, error["title"]) == (422, "Call not queued")


async def test_a_call_leaves_the_queue_after_its_longest_wait(telnyx: Telnyx) -> None:
    agent = telnyx.part("agent")
    await enqueue(telnyx, agent, max_wait_time_secs=30)
    await telnyx.sandbox.advance(29)
    assert len(await waiting(telnyx)) == 4
    await telnyx.sandbox.advance(1)
    left = telnyx.events("call.dequeued")[-1]["payload"]
    assert (left["reason"], left["wait_time_secs"], left["queue_position"]) == ("timeout", 30, 4)
    assert (await telnyx.get(f"/calls/{agent}"))["is_alive"] is True


async def test_an_endless_wait_is_only_long(telnyx: Telnyx) -> None:
    await enqueue(telnyx, telnyx.part("agent"), max_wait_time_secs=10**400)
    assert len(await waiting(telnyx)) == 4


async def test_a_call_that_hangs_up_leaves_the_queue_unless_its_place_is_kept(telnyx: Telnyx) -> None:
    first, second = telnyx.part("caller 1"), telnyx.part("caller 2")
    path = f"/queues/support/calls/{second}"
    assert await telnyx.post(path, {"keep_after_hangup": True}, method="PATCH") is None
    for leg in (first, second):
        await telnyx.post(f"/sandbox/calls/{leg}/hangup")
    assert [event["payload"]["reason"] for event in telnyx.events("call.dequeued")] == ["hangup"]
    kept = await telnyx.get(path)
    assert (kept["is_alive"], kept["queue_position"]) == (False, 1)
    status, error = await telnyx.refusal("POST", f"/calls/{second}/actions/leave_queue", {})
    assert (status, error["code"]) == (422, "90018")


async def test_only_a_call_that_has_ended_is_removed_from_a_queue_by_force(telnyx: Telnyx) -> None:
    caller = telnyx.part("caller 1")
    path = f"/queues/support/calls/{caller}"
    status, error = await telnyx.refusal("DELETE", path)
    assert (status, error["title"]) == (422, "Call is active")
    await telnyx.post(path, {"keep_after_hangup": True}, method="PATCH")
    await telnyx.post(f"/sandbox/calls/{caller}/hangup")
    assert (await telnyx.send("DELETE", path)).status_code == 204
    assert (await telnyx.refusal("DELETE", path))[0] == 404


async def test_the_usual_wait_is_that_of_those_who_have_left(telnyx: Telnyx) -> None:
    await telnyx.post(f"/calls/{telnyx.part('caller 1')}/actions/leave_queue", {})
    await telnyx.post(f"/calls/{telnyx.part('caller 2')}/actions/leave_queue", {})
    await enqueue(telnyx, telnyx.part("agent"))
    assert telnyx.events("call.enqueued")[-1]["payload"]["queue_avg_wait_time_secs"] == (240 + 150) // 2


async def test_client_state_is_remembered_for_later_webhooks(telnyx: Telnyx) -> None:
    agent = telnyx.part("agent")
    await enqueue(telnyx, agent, client_state="bGF0ZXI=")
    await telnyx.post(f"/sandbox/calls/{agent}/hangup")
    assert telnyx.events("call.dequeued")[-1]["payload"]["client_state"] == "bGF0ZXI="


async def test_the_error_for_a_missing_queue_or_call_names_it(telnyx: Telnyx) -> None:
    for method, path, named in (
        ("GET", "/queues/nowhere", "nowhere"),
        ("DELETE", "/queues/nowhere", "nowhere"),
        ("GET", "/queues/nowhere/calls", "nowhere"),
        ("GET", "/queues/support/calls/v3:x", "v3:x"),
    ):
        status, error = await telnyx.refusal(method, path)
        assert status == 404
        assert named in error["detail"]
