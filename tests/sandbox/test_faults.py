"""Faults on demand."""

import socket
from urllib.parse import urlsplit

import anyio
import pytest

from support.sandbox_client import Telnyx
from support.sandbox_http_server import serve_sandbox
from telnyx_conferencing.server.sandbox import ConnectionDropped, Fault, Sandbox, SystemClock

pytestmark = pytest.mark.anyio


def applied_requests(telnyx: Telnyx) -> list[bool]:
    return [request.applied for request in telnyx.sandbox.requests]


async def test_an_error_before_the_effect_leaves_nothing_done(telnyx: Telnyx) -> None:
    telnyx.sandbox.faults.add(Fault("status", status=429, retry_after=7, times=1))
    response = await telnyx.send("POST", "/queues", {"queue_name": "x", "command_id": "c1"})
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["errors"][0]["code"] == "10011"
    record = telnyx.sandbox.requests[-1]
    assert (record.status, record.command, record.command_id, record.applied) == (429, "create_queue", "c1", False)
    assert (await telnyx.refusal("GET", "/queues/x"))[0] == 404


async def test_an_error_after_the_effect_hides_the_effect(telnyx: Telnyx) -> None:
    telnyx.sandbox.faults.add(Fault("status", status=503, after=True, method="POST", path="^/queues$", times=1))
    assert (await telnyx.send("POST", "/queues", {"queue_name": "x"})).status_code == 503
    assert telnyx.sandbox.requests[-1].applied is True
    assert (await telnyx.get("/queues/x"))["name"] == "x"


@pytest.mark.parametrize("path", ["^/queues$", "^/v2/queues$"])
async def test_the_path_of_a_rule_may_begin_with_v2(telnyx: Telnyx, path: str) -> None:
    telnyx.sandbox.faults.add(Fault("status", path=path))
    assert (await telnyx.send("GET", "/queues")).status_code == 500
    assert (await telnyx.send("GET", "/conferences")).status_code == 200


@pytest.mark.parametrize("after", [False, True])
async def test_a_connection_breaks_before_or_after_the_effect(telnyx: Telnyx, after: bool) -> None:
    telnyx.sandbox.faults.add(Fault("drop", method="POST", after=after, times=1))
    with pytest.raises(ConnectionDropped):
        await telnyx.send("POST", "/queues", {"queue_name": "x"})
    record = telnyx.sandbox.requests[-1]
    assert (record.status, record.applied) == (None, after)
    assert (await telnyx.send("GET", "/queues/x")).status_code == (200 if after else 404)


async def test_a_lost_answer_is_repeated_without_a_second_effect(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    telnyx.sandbox.faults.add(Fault("drop", after=True, path="speak", times=1))
    body = {"payload": "Hi", "voice": "male", "command_id": "c1"}
    with pytest.raises(ConnectionDropped):
        await telnyx.act(room, "speak", **body)
    assert await telnyx.act(room, "speak", **body) == {"result": "ok"}
    assert len(telnyx.events("conference.speak.started")) == 1


@pytest.mark.parametrize("after", [False, True])
async def test_a_delay_lasts_on_the_sandbox_s_clock(telnyx: Telnyx, after: bool) -> None:
    telnyx.sandbox.faults.add(Fault("delay", seconds=30, method="POST", after=after))
    answers: list[int] = []

    async def ask() -> None:
        answers.append((await telnyx.send("POST", "/queues", {"queue_name": "x"})).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert telnyx.sandbox.requests[-1].applied is after
        await telnyx.sandbox.advance(29)
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        await telnyx.sandbox.advance(1)
    assert answers == [200]


async def test_a_delay_also_ends_when_nothing_drives_the_system_clock() -> None:
    telnyx = Telnyx(Sandbox(SystemClock()))
    telnyx.sandbox.faults.add(Fault("delay", seconds=0.01))
    with anyio.fail_after(5):
        await telnyx.get("/queues")


async def test_a_hanging_request_ends_only_when_the_client_gives_up(telnyx: Telnyx) -> None:
    telnyx.sandbox.faults.add(Fault("hang", after=True, times=1))
    with anyio.move_on_after(0.05) as gave_up:
        await telnyx.send("POST", "/queues", {"queue_name": "x"})
    assert gave_up.cancelled_caught
    assert telnyx.sandbox.requests[-1].status is None
    assert await telnyx.get("/queues/x")


async def test_a_fault_happens_so_often_and_by_a_chance_that_repeats() -> None:
    async def statuses_of(seed: int) -> list[int]:
        telnyx = Telnyx(Sandbox(seed=seed))
        telnyx.sandbox.faults.add(Fault("status", probability=0.5, times=20))
        return [(await telnyx.send("GET", "/queues")).status_code for _ in range(60)]

    statuses = await statuses_of(1)
    assert statuses.count(500) == 20
    assert 200 in statuses[:10]
    assert await statuses_of(1) == statuses
    assert await statuses_of(2) != statuses


async def test_only_the_api_is_faulted_and_rules_can_be_seen_and_cleared(telnyx: Telnyx) -> None:
    rule = await telnyx.post("/sandbox/faults", {"kind": "status", "status": 500})
    assert (await telnyx.send("GET", "/queues")).status_code == 500
    assert await telnyx.get("/sandbox/faults") == [rule | {"happened": 1}]
    await telnyx.send("DELETE", "/sandbox/faults")
    assert (await telnyx.send("GET", "/queues")).status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "flood"},
        {"kind": "status", "status": 200},
        {"kind": "drop", "path": "("},
        {"kind": "drop", "unheard_of": 1},
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(telnyx: Telnyx, rule: dict[str, object]) -> None:
    assert (await telnyx.refusal("POST", "/sandbox/faults", rule))[0] == 422
    assert telnyx.sandbox.faults.rules == []


async def test_a_refused_request_is_not_applied(telnyx: Telnyx) -> None:
    await telnyx.send("POST", "/queues", {"queue_name": "support"})
    await telnyx.http.get("/v2/queues", headers={"authorization": "none"})
    assert applied_requests(telnyx) == [False, False]


@pytest.mark.parametrize("after", [False, True])
def test_over_http_a_dropped_connection_breaks_without_a_status_line(after: bool) -> None:
    sandbox = Sandbox(SystemClock())
    sandbox.faults.add(Fault("drop", method="POST", after=after, times=1))
    body = b'{"queue_name": "x"}'
    head = f"POST /v2/queues HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Length: {len(body)}\r\n\r\n"
    with serve_sandbox(sandbox) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
            connection.sendall(head.encode() + body)
            try:
                answer = connection.recv(1000)
            except ConnectionResetError:
                answer = b""
    assert answer == b""
    assert [request.applied for request in sandbox.requests] == [after]
