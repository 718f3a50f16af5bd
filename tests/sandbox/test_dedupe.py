"""A command_id is carried out once."""

import pytest

from support.sandbox_client import Json, Telnyx

pytestmark = pytest.mark.anyio


async def test_a_repeat_is_answered_alike_and_does_nothing(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    body = {"payload": "Hello", "voice": "male", "command_id": "c1"}
    first = await telnyx.act(room, "speak", **body)
    assert await telnyx.act(room, "speak", **body) == first
    assert len(telnyx.events("conference.speak.started")) == 1
    assert [request.applied for request in telnyx.sandbox.requests][-2:] == [True, False]
    assert telnyx.sandbox.requests[-1].command_id == "c1"


async def test_a_repeat_comes_before_any_rule_of_state(telnyx: Telnyx) -> None:
    body = {"call_control_id": telnyx.part("agent"), "name": "Room", "command_id": "c1"}
    opened = await telnyx.post("/conferences", body)
    assert await telnyx.post("/conferences", body) == opened
    await telnyx.act(opened["id"], "end", command_id="c2")
    assert await telnyx.act(opened["id"], "end", command_id="c2") == {"result": "ok"}
    assert len(telnyx.events("conference.ended")) == 1


async def test_a_command_id_is_forgotten_after_a_minute(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    body = {"payload": "Hello", "voice": "male", "command_id": "c1"}
    for wait, spoken in ((59.9, 1), (0.1, 2), (1, 2)):
        await telnyx.act(room, "speak", **body)
        await telnyx.sandbox.advance(wait)
        await telnyx.act(room, "speak", **body)
        assert len(telnyx.events("conference.speak.started")) == spoken


async def test_a_command_id_counts_for_one_call_or_conference(telnyx: Telnyx) -> None:
    for name in ("agent", "supervisor"):
        await telnyx.post(f"/calls/{telnyx.part(name)}/actions/enqueue", {"queue_name": "support", "command_id": "c1"})
    assert (await telnyx.get("/queues/support"))["current_size"] == 5
    room = await telnyx.conference("agent")
    for name in ("supervisor", "caller 1"):
        await telnyx.act(room, "join", call_control_id=telnyx.part(name), command_id="c1")
    assert len(await telnyx.people(room)) == 2, "both joins are about the same conference"


async def test_the_command_id_of_a_refused_command_can_be_used_again(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    stop = {"command_id": "c1"}
    assert (await telnyx.refuses(room, "record_stop", **stop))[0] == 422
    await telnyx.act(room, "record_start", format="wav")
    await telnyx.act(room, "record_stop", **stop)
    assert len(telnyx.events("conference.recording.saved")) == 1


async def test_dialling_twice_with_one_id_dials_once(telnyx: Telnyx) -> None:
    body: Json = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150", "command_id": "c1"}
    assert await telnyx.post("/calls", body) == await telnyx.post("/calls", body)
    assert len(telnyx.sandbox.snapshot()["legs"]) == 6
