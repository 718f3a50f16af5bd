"""The sandbox's own controls, its clock, and that a story repeats."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import (
    EMPTY,
    ManualClock,
    Sandbox,
    SceneError,
    SystemClock,
    find_scene,
)

pytestmark = pytest.mark.anyio


async def test_a_web_page_may_not_control_the_sandbox(telnyx: Telnyx) -> None:
    for method, path in (("GET", "/sandbox/state"), ("POST", "/sandbox/reset")):
        response = await telnyx.http.request(method, path, headers={"origin": "http://telnyx.test"})
        assert response.status_code == 403


async def test_the_control_api_moves_the_clock_and_due_events_happen(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", duration_minutes=1)
    await telnyx.act(room, "speak", payload="Hi", voice="male")
    answer = await telnyx.post("/sandbox/clock", {"advance_seconds": 3600})
    assert answer == {"now": "2025-01-01T13:00:00.000000Z"}
    ended = telnyx.events("conference.speak.ended", "conference.ended")
    assert [event["payload"]["occurred_at"] for event in ended] == [
        "2025-01-01T12:00:01.000000Z",
        "2025-01-01T12:01:00.000000Z",
    ]


@pytest.mark.parametrize("seconds", [-1, "x", None, 10**400, 1e300])
async def test_the_clock_does_not_go_back_or_out_of_its_range(telnyx: Telnyx, seconds: object) -> None:
    assert (await telnyx.refusal("POST", "/sandbox/clock", {"advance_seconds": seconds}))[0] == 422


async def test_a_clock_moved_behind_its_back_is_seen_at_the_next_request() -> None:
    clock = ManualClock()
    telnyx = Telnyx(Sandbox(clock))
    room = await telnyx.conference("agent", duration_minutes=1)
    clock.advance(60)
    assert (await telnyx.get(f"/conferences/{room}"))["status"] == "completed"


async def test_the_system_clock_can_be_moved_too() -> None:
    telnyx = Telnyx(Sandbox(SystemClock()))
    room = await telnyx.conference("agent", duration_minutes=1)
    await telnyx.sandbox.advance(61)
    assert (await telnyx.get(f"/conferences/{room}"))["end_reason"] == "time_exceeded"
    for _ in range(20):
        await telnyx.sandbox.advance(1e12)
    assert telnyx.sandbox.snapshot()["now"] < "9001"


async def story(sandbox: Sandbox) -> list[Any]:
    telnyx = Telnyx(sandbox)
    room = await telnyx.conference("agent", "caller 1")
    await telnyx.act(room, "record_start", format="wav")
    await telnyx.sandbox.advance(5)
    await telnyx.act(room, "end")
    return [list(sandbox.events), sandbox.snapshot()]


async def test_the_same_seed_tells_the_same_story_and_so_does_a_reset() -> None:
    first, second, other = (Sandbox(ManualClock(), seed=seed) for seed in (1, 1, 2))
    story_of_first = await story(first)
    assert await story(second) == story_of_first
    assert await story(other) != story_of_first
    assert first.public_key != second.public_key
    events = story_of_first[0]
    first.reset()
    assert [event for event in first.events if event in events] == []
    assert {leg["call_control_id"] for leg in first.snapshot()["legs"]} == {
        leg["call_control_id"] for leg in second.snapshot()["legs"]
    }


async def test_a_reset_forgets_everything_but_the_key(telnyx: Telnyx) -> None:
    key = telnyx.sandbox.public_key
    await telnyx.conference("agent")
    await telnyx.post("/sandbox/faults", {"kind": "status"})
    assert await telnyx.post("/sandbox/reset") is None
    assert await telnyx.get("/conferences") == []
    assert len(telnyx.sandbox.requests) == 1
    assert telnyx.sandbox.public_key == key


async def test_without_a_scene_the_sandbox_is_empty() -> None:
    state = Sandbox(ManualClock(), scene=EMPTY).snapshot()
    assert [state[name] for name in ("conferences", "queues", "legs", "recordings", "playing")] == [[]] * 5


async def test_requests_are_recorded_as_they_came(telnyx: Telnyx) -> None:
    await telnyx.send("POST", "/queues", {"queue_name": "a/b"})
    await telnyx.send("GET", "/queues/a%2Fb/calls", page_size=5)
    await telnyx.send("POST", "/queues", {"queue_name": "a/b"})
    recorded = await telnyx.get("/sandbox/requests")
    shown = [
        (request["method"], request["path"], request["command"], request["status"], request["applied"])
        for request in recorded
    ]
    assert shown == [
        ("POST", "/queues", "create_queue", 200, True),
        ("GET", "/queues/a%2Fb/calls", "list_queue_calls", 200, False),
        ("POST", "/queues", "create_queue", 422, False),
    ]
    assert (recorded[0]["body"], recorded[1]["query"]) == ({"queue_name": "a/b"}, {"page[size]": "5"})
    await telnyx.send("DELETE", "/sandbox/requests")
    assert await telnyx.get("/sandbox/requests") == []


async def test_state_and_events_are_those_of_the_sandbox(telnyx: Telnyx) -> None:
    await telnyx.conference("agent")
    arrived = await telnyx.arrival()
    assert await telnyx.get("/sandbox/state") == telnyx.sandbox.snapshot()
    assert await telnyx.get("/sandbox/events") == list(telnyx.sandbox.events)
    places = {leg["call_control_id"]: leg["place"]["kind"] for leg in telnyx.sandbox.snapshot()["legs"]}
    assert places[telnyx.part("agent")] == "conference"
    assert places[telnyx.part("caller 1")] == "queue"
    assert places[arrived] == "parked"


async def test_a_control_request_for_an_impossible_action_is_refused(telnyx: Telnyx) -> None:
    agent = telnyx.part("agent")
    assert (await telnyx.refusal("POST", f"/sandbox/calls/{agent}/press", {"digits": "x"}))[0] == 422
    assert (await telnyx.refusal("POST", "/sandbox/calls/v3:x/hangup"))[0] == 422
    assert (await telnyx.refusal("POST", "/sandbox/calls", {"from": "nobody"}))[0] == 422
    await telnyx.post(f"/sandbox/calls/{agent}/press", {"digits": "1"})
    await telnyx.post(f"/sandbox/calls/{agent}/hangup")
    assert (await telnyx.refusal("POST", f"/sandbox/calls/{agent}/press", {"digits": "1"}))[0] == 422
    arrived = await telnyx.post("/sandbox/calls", {"from": "+12025550140", "to": "+12025550100"})
    assert telnyx.events()[-1]["payload"]["from"] == "+12025550140"
    assert arrived["is_alive"] is True


async def test_a_sandbox_starts_with_a_scene_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "scene.yaml"
    file.write_text(
        """
queues: [{name: vip, max_size: 5}]
calls:
  - {part: boss, from: "+12025550190", queue: vip, waiting_secs: 30}
  - {part: new caller, from: "+12025550191"}
"""
    )
    telnyx = Telnyx(Sandbox(ManualClock(), scene=find_scene(str(file))))
    [queue] = await telnyx.get("/queues")
    assert (queue["name"], queue["max_size"], queue["average_wait_time_secs"]) == ("vip", 5, 30)
    ringing = await telnyx.get(f"/calls/{telnyx.part('new caller')}")
    assert ringing["is_alive"]
    await telnyx.post(f"/calls/{telnyx.part('new caller')}/actions/answer")
    assert await Telnyx(Sandbox(scene=find_scene("none"))).get("/queues") == []


def test_a_scene_in_json_may_escape_its_names(tmp_path: Path) -> None:
    file = tmp_path / "scene.json"
    file.write_text(json.dumps({"calls": [{"part": "🎧 Jörg", "from": "+12025550190"}]}))
    [call] = find_scene(str(file)).calls
    assert call.part == "🎧 Jörg"
    file.write_text("{")
    with pytest.raises(SceneError, match="is not YAML or JSON"):
        find_scene(str(file))


def test_a_scene_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    cases = {"{": "not YAML", "calls: [{part: x}]": "calls.0.from", "people: 3": "people", "": None}
    for text, reason in cases.items():
        file = tmp_path / "scene.yaml"
        file.write_text(text)
        if reason is None:
            assert find_scene(str(file)) == EMPTY
        else:
            with pytest.raises(SceneError, match=reason):
                find_scene(str(file))
    with pytest.raises(SceneError, match="cannot be read"):
        find_scene(str(tmp_path / "none.yaml"))
