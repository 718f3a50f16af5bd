"""What is sent to Telnyx, and what is sent again."""

from collections.abc import Callable

import httpx2
import pytest

from support.mcp_in_process import World
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.sandbox import Fault
from telnyx_conferencing.server.telnyx import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable
from telnyx_conferencing.tools.audio import PlayAudio
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.conferences import CreateConference, GetConference
from telnyx_conferencing.tools.participants import MuteParticipants
from telnyx_conferencing.tools.queues import CreateQueue, DeleteQueue, ListQueueCalls, ListQueues

pytestmark = pytest.mark.anyio

READ = ListQueues()
DEDUPED = "create"
IDEMPOTENT = MuteParticipants(conference_id="c", call_control_ids="everyone")
ONCE = CreateQueue(queue_name="sales")


async def command_with_id(world: World) -> Command:
    async with world.http() as http:
        page = (await world.telnyx(http).send(ListQueueCalls(queue_name="support"))).body
    world.sandbox.requests.clear()
    return CreateConference(call_control_id=page["data"][0]["call_control_id"], name="Standup", command_id="once")


async def send(world: World, command: Command, transport: httpx2.AsyncBaseTransport | None = None) -> object:
    async with world.http(transport) as http:
        return (await world.telnyx(http).send(command)).body


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=429, times=2),
        Fault(kind="status", status=503, times=2),
        Fault(kind="drop", times=2),
        Fault(kind="drop", after=True, times=2),
    ],
    ids=["429", "503", "dropped before", "dropped after"],
)
async def test_a_deduped_command_is_repeated_and_takes_effect_once(fault: Fault) -> None:
    world = World()
    command = await command_with_id(world)
    world.sandbox.faults.add(fault)
    await send(world, command)
    assert [request.applied for request in world.sandbox.requests].count(True) == 1
    assert len(world.sandbox.requests) == 3
    assert {request.command_id for request in world.sandbox.requests} == {"once"}


@pytest.mark.parametrize(
    "fault", [Fault(kind="status", status=500), Fault(kind="drop"), Fault(kind="drop", after=True)]
)
async def test_a_command_that_must_run_once_is_not_repeated_after_it_was_sent(fault: Fault) -> None:
    world = World()
    world.sandbox.faults.add(fault)
    with pytest.raises(OutcomeUnknown, match="Do not repeat it blindly"):
        await send(world, ONCE)
    assert len(world.sandbox.requests) == 1


async def test_a_rate_limited_command_that_must_run_once_is_reported_as_not_done() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="status", status=429, retry_after=7))
    with pytest.raises(RateLimited, match=r"nothing was done\. Repeat the call in 7 s"):
        await send(world, ONCE)
    assert len(world.sandbox.requests) == 1


class Unplugged(httpx2.AsyncBaseTransport):
    """No connection for a number of attempts, then the sandbox."""

    def __init__(self, world: World, attempts: int, error: Callable[[str], Exception]) -> None:
        self._inner = SandboxTransport(world.sandbox.app)
        self._left = attempts
        self._error = error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._left:
            self._left -= 1
            raise self._error("no route")
        return await self._inner.handle_async_request(request)


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout])
async def test_while_nothing_was_sent_everything_is_repeated(error: Callable[[str], Exception]) -> None:
    world = World()
    await send(world, ONCE, Unplugged(world, 3, error))
    assert [request.applied for request in world.sandbox.requests] == [True]


async def test_no_connection_until_the_deadline_is_reported_as_nothing_sent() -> None:
    world = World()
    with pytest.raises(Unreachable, match="nothing was sent"):
        await send(world, ONCE, Unplugged(world, 10_000, httpx2.ConnectError))
    assert sum(world.waited) < 60


@pytest.mark.parametrize(("seconds", "error"), [(0.0, httpx2.ConnectError), (3.0, httpx2.ConnectTimeout)])
async def test_a_read_reports_an_unreachable_telnyx_within_8_seconds(
    seconds: float, error: Callable[[str], Exception]
) -> None:
    world = World()
    begun = world.now()

    async def unplugged(request: httpx2.Request) -> httpx2.Response:
        await world.sandbox.advance(seconds)
        raise error("no route")

    with pytest.raises(Unreachable, match="nothing was sent"):
        await send(world, READ, httpx2.MockTransport(unplugged))
    assert world.now() - begun <= 8
    assert len(world.waited) > 0


async def test_attempts_end_well_before_telnyx_forgets_the_command_id() -> None:
    world = World()
    command = await command_with_id(world)
    world.sandbox.faults.add(Fault(kind="drop", after=True))
    with pytest.raises(OutcomeUnknown, match=r"repeat the call within 60 s with command_id once"):
        await send(world, command)
    assert sum(world.waited) <= 30
    assert [request.applied for request in world.sandbox.requests].count(True) == 1


async def test_pauses_grow_and_follow_retry_after() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="status", status=429, retry_after=3, times=1))
    world.sandbox.faults.add(Fault(kind="status", status=503, times=3))
    await send(world, READ)
    asked, *backoff = world.waited
    assert 3 <= asked <= 3.25
    assert backoff == sorted(backoff)
    assert 0.25 <= backoff[0] < backoff[-1] <= 2


async def test_a_wait_longer_than_the_deadline_is_left_to_the_model() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="status", status=429, retry_after=120))
    with pytest.raises(RateLimited, match="in 120 s"):
        await send(world, READ)
    assert world.waited == []


async def test_a_delete_that_finds_nothing_on_its_repeat_has_succeeded() -> None:
    world = World()
    await send(world, ONCE)
    world.sandbox.faults.add(Fault(kind="drop", after=True, times=1, method="DELETE"))
    await send(world, DeleteQueue(queue_name="sales"))
    assert [request.status for request in world.sandbox.requests][-1] == 404


async def test_a_delete_that_finds_nothing_at_first_is_refused() -> None:
    world = World()
    with pytest.raises(TelnyxRefused, match="404"):
        await send(world, DeleteQueue(queue_name="sales"))


async def test_after_a_rate_limit_a_delete_that_finds_nothing_is_refused_too() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="status", status=429, times=1))
    with pytest.raises(TelnyxRefused, match="404"):
        await send(world, DeleteQueue(queue_name="sales"))


async def test_a_refusal_after_a_lost_answer_is_not_passed_off_as_nothing_done() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="drop", times=1))
    with pytest.raises(OutcomeUnknown, match="a repeat was refused with 404"):
        await send(world, IDEMPOTENT)


async def test_a_read_without_an_answer_has_no_outcome_to_doubt() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="status", status=500))
    with pytest.raises(TelnyxFailed, match="It only reads"):
        await send(world, READ)


@pytest.mark.parametrize(
    ("key", "status", "advice"),
    [
        ("wrong", 401, "the operator must set TELNYX_API_KEY"),
        ("KEYreadonly", 403, "the operator must give it the permission"),
    ],
)
async def test_a_refused_api_key_is_reported_without_showing_it(key: str, status: int, advice: str) -> None:
    world = World()
    async with world.http() as http:
        http.headers["Authorization"] = f"Bearer {key}"
        with pytest.raises(TelnyxRefused, match=advice) as refused:
            await world.telnyx(http).send(ONCE)
    assert refused.value.status == status
    assert key not in str(refused.value)


async def test_a_response_that_is_not_json_is_an_answer_too() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=b"<html>"))
    assert await send(World(), GetConference(conference_id="c"), transport) is None


async def test_an_error_without_telnyx_json_is_reported_plainly() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(418, json={"errors": "teapot"}))
    with pytest.raises(TelnyxRefused, match="418: no reason given"):
        await send(World(), GetConference(conference_id="c"), transport)


async def test_a_name_with_a_slash_stays_one_segment_of_the_path() -> None:
    world = World()
    await send(world, CreateQueue(queue_name="a/b ?#%"))
    await send(world, DeleteQueue(queue_name="a/b ?#%"))
    assert [request.status for request in world.sandbox.requests] == [200, 204]


async def test_play_is_sent_once() -> None:
    world = World()
    world.sandbox.faults.add(Fault(kind="hang"))
    command = PlayAudio(conference_id="c", call_control_ids="everyone", media_name="m")
    transport = httpx2.MockTransport(_never_answers)
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await send(world, command, transport)


def _never_answers(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("waited", request=request)
