"""After any commands in any order, the sandbox is in a state that a phone system can be in."""

import random
from collections import Counter

import pytest

from support.sandbox_client import Json, Telnyx
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox

pytestmark = pytest.mark.anyio

FILE = {"audio_url": "https://example.com/a.mp3"}


class Chaos:
    """Random commands, people who come and go, and time that passes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.telnyx = Telnyx(Sandbox(ManualClock(), seed=seed))

    def leg(self) -> str:
        return self.random.choice(self.telnyx.sandbox.snapshot()["legs"])["call_control_id"]

    def room(self) -> str:
        rooms = self.telnyx.sandbox.snapshot()["conferences"]
        return self.random.choice(rooms)["id"] if rooms else "none"

    async def step(self) -> None:
        flip = self.random.random
        leg, room = self.leg(), self.room()
        some: Json = {} if flip() < 0.5 else {"call_control_ids": [leg]}
        exits = {"end_conference_on_exit": flip() < 0.2, "soft_end_conference_on_exit": flip() < 0.1}
        role = {"supervisor_role": "whisper", "whisper_call_control_ids": [self.leg()]} if flip() < 0.3 else {}
        dialled: Json = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150"}
        act = f"/conferences/{room}/actions"
        commands: list[tuple[str, Json]] = [
            ("/conferences", {"call_control_id": leg, "name": self.random.choice("ABC"), "duration_minutes": 5}),
            ("/conferences", {"call_control_id": leg, "name": "D", "start_conference_on_create": False}),
            *([(f"{act}/join", {"call_control_id": leg, **exits, **role})] * 6),
            (f"{act}/leave", {"call_control_id": leg}),
            (f"{act}/end", {}),
            (f"{act}/mute", some),
            (f"{act}/hold", some),
            (f"{act}/play", {**some, **FILE}),
            (f"{act}/speak", {**some, "payload": "Hello there", "voice": "male"}),
            (f"{act}/stop", some),
            (f"{act}/gather_using_audio", {"call_control_id": leg, "maximum_tries": 2}),
            (f"{act}/record_start", {"format": "wav"}),
            (f"{act}/record_pause", {}),
            (f"{act}/record_stop", {}),
            *([(f"/calls/{leg}/actions/enqueue", {"queue_name": self.random.choice(["support", "vip"])})] * 3),
            (f"/calls/{leg}/actions/enqueue", {"queue_name": "vip", "max_wait_time_secs": 20, "max_size": 4}),
            (f"/calls/{leg}/actions/enqueue", {"queue_name": "vip", "keep_after_hangup": True}),
            (f"/calls/{leg}/actions/leave_queue", {}),
            (f"/calls/{leg}/actions/bridge", {"call_control_id": self.leg()}),
            (f"/calls/{leg}/actions/bridge", {"queue": "support", "park_after_unbridge": "self"}),
            (f"/calls/{leg}/actions/hangup", {}),
            ("/calls", dialled | {"conference_config": {"conference_name": "A", **exits, **role}}),
            ("/sandbox/calls", {}),
            (f"/sandbox/calls/{leg}/hangup", {}),
            (f"/sandbox/calls/{leg}/press", {"digits": "12#"}),
            ("/sandbox/clock", {"advance_seconds": self.random.choice([0, 1, 7, 30, 400])}),
        ]
        path, body = self.random.choice(commands)
        response = await self.telnyx.send("POST", path, body)
        assert response.status_code < 500, (path, body)
        if flip() < 0.03:
            await self.telnyx.send("DELETE", f"/queues/{self.random.choice(['support', 'vip'])}")


def check(state: Json) -> None:
    alive = {leg["call_control_id"] for leg in state["legs"] if leg["is_alive"]}
    places: dict[str, Json] = {leg["call_control_id"]: leg["place"] for leg in state["legs"]}
    for room in state["conferences"]:
        joined = [who for who in room["participants"] if who["status"] == "joined"]
        assert bool(joined) == (room["status"] != "completed")
        assert ("end_reason" in room) == (room["status"] == "completed")
        ids = {who["call_control_id"] for who in joined}
        for who in joined:
            assert who["call_control_id"] in alive
            assert places[who["call_control_id"]] == {"kind": "conference", "id": room["id"], "name": room["name"]}
            assert set(who["whisper_call_control_ids"]) <= ids
            assert (who["role"] == "whisper") == bool(who["whisper_call_control_ids"])
    names = Counter(room["name"] for room in state["conferences"] if room["status"] != "completed")
    assert max(names.values(), default=1) == 1
    for queue in state["queues"]:
        assert [call["queue_position"] for call in queue["calls"]] == list(range(1, len(queue["calls"]) + 1))
        for call in queue["calls"]:
            assert call["is_alive"] or call["keep_after_hangup"]
            assert not call["is_alive"] or places[call["call_control_id"]]["id"] == queue["id"]
    for leg, place in places.items():
        assert (place["kind"] == "ended") == (leg not in alive)
        if place["kind"] == "bridge":
            assert places[place["call_control_id"]] == {"kind": "bridge", "call_control_id": leg}
    open_rooms = {room["id"] for room in state["conferences"] if room["status"] != "completed"}
    assert {sound["conference_id"] for sound in state["playing"]} <= open_rooms


def check_pairs(telnyx: Telnyx) -> None:
    """What begins ends at most once, and in the end exactly once."""
    kinds = Counter(telnyx.kinds())
    whose = ("conference.", "conference.participant.")
    pairs = [(f"{who}{kind}.started", f"{who}{kind}.ended") for who in whose for kind in ("playback", "speak")]
    pairs += [
        ("conference.created", "conference.ended"),
        ("conference.participant.joined", "conference.participant.left"),
        ("call.initiated", "call.hangup"),
        ("call.enqueued", "call.dequeued"),
    ]
    for begun, over in pairs:
        assert kinds[begun] == kinds[over], begun
    assert kinds["conference.recording.saved"] == len(telnyx.sandbox.snapshot()["recordings"])


@pytest.mark.parametrize("seed", range(5))
async def test_no_order_of_things_leads_to_an_impossible_state(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(250):
        await chaos.step()
        check(chaos.telnyx.sandbox.snapshot())
    telnyx = chaos.telnyx
    for room in telnyx.sandbox.snapshot()["conferences"]:
        await telnyx.send("POST", f"/conferences/{room['id']}/actions/end", {})
    await telnyx.sandbox.advance(60)
    for leg in telnyx.sandbox.snapshot()["legs"]:
        await telnyx.send("POST", f"/calls/{leg['call_control_id']}/actions/hangup", {})
    for queue in telnyx.sandbox.snapshot()["queues"]:
        for call in queue["calls"]:
            await telnyx.send("DELETE", f"/queues/{queue['name']}/calls/{call['call_control_id']}")
    check(telnyx.sandbox.snapshot())
    check_pairs(telnyx)
