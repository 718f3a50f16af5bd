"""Limits hold in every window, for several processes and while the clock moves."""

from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client

from support.guarded_server import Clock, Person, changes, guarded, room
from support.mcp import call, closes, connected, no, refusal
from support.mcp_in_process import World
from support.telnyx import telnyx
from support.webhooks import url_of
from telnyx_conferencing.server.guard import Ledger
from telnyx_conferencing.server.guard.policy import Limit
from telnyx_conferencing.server.sandbox import Fault

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SENT = "POST /queues/support"
in_a_loop = pytest.mark.anyio


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


Limited = Callable[[str], dict[str, Any]]


@pytest.fixture
def limited(tmp_path: Path) -> Limited:
    """The settings of a server with this policy, that asks nobody."""

    def write(policy: str) -> dict[str, Any]:
        path = tmp_path / "policy.toml"
        path.write_text(policy)
        return {"policy": path, "approval": "never"}

    return write


async def resize(client: Client) -> None:
    await call(client, "update_queue", queue_name="support", max_size=7)


async def full(client: Client) -> str:
    """How the same is refused."""
    return await refusal(client, "update_queue", queue_name="support", max_size=7)


# Calls a minute

MOST = 10


@pytest.mark.slow
@in_a_loop
async def test_two_servers_together_send_as_much_as_one_may(address: str) -> None:
    arguments = ("--approval", "never", "--calls-per-minute", str(MOST), "--database", address)
    ended: list[bool] = []
    with telnyx() as phone:
        async with (
            connected(*arguments, env=phone.env) as one,
            connected(*arguments, env=phone.env) as other,
        ):

            async def send(client: Client) -> None:
                result = await client.call_tool("update_queue", {"queue_name": "support", "max_size": 7})
                ended.append(not result.is_error)

            async with anyio.create_task_group() as calls:
                for number in range(4 * MOST):
                    calls.start_soon(send, (one, other)[number % 2])
        assert phone.commands() == [SENT] * MOST
    assert (len(ended), sum(ended)) == (4 * MOST, MOST)


@in_a_loop
async def test_a_refusal_says_when_there_is_room_and_then_there_is(
    world: World, clock: Clock, limited: Limited
) -> None:
    async with guarded(world, clock=clock, **limited("limits.calls_per_minute = 2")) as client:
        await resize(client)
        clock.move(seconds=20)
        await resize(client)
        clock.move(seconds=10)
        message = await full(client)
        assert "allows 2 calls a minute" in message
        assert "in 30 s, at 12:01:00 UTC" in message
        clock.move(seconds=29.9)
        await full(client)
        clock.move(seconds=0.1)
        await resize(client)
        assert "at 12:01:20 UTC" in await full(client)
    assert changes(world.sandbox) == [SENT] * 3


@in_a_loop
async def test_limits_outlive_the_server(world: World, clock: Clock, limited: Limited, tmp_path: Path) -> None:
    server: dict[str, Any] = {**limited("limits.calls_per_minute = 1"), "database": url_of(tmp_path / "events.db")}
    async with guarded(world, clock=clock, **server) as client:
        await resize(client)
    async with guarded(world, clock=clock, **server) as client:
        await full(client)
    assert changes(world.sandbox) == [SENT]


@in_a_loop
async def test_each_risk_and_each_tool_has_its_own_window(world: World, clock: Clock, limited: Limited) -> None:
    policy = "limits.risk.disruptive.calls_per_minute = 1\nlimits.tool.update_queue.calls_per_minute = 2"
    conference = room(world.sandbox)
    everyone = {"conference_id": conference, "call_control_ids": "everyone"}
    async with guarded(world, clock=clock, **limited(policy)) as client:
        await call(client, "mute_participants", **everyone)
        for _ in range(2):
            await resize(client)
        assert "2 calls by update_queue a minute" in await full(client)
        message = await refusal(client, "hold_participants", **everyone)
        assert "1 call of disruptive risk a minute" in message
        await call(client, "create_queue", queue_name="sales")


@in_a_loop
async def test_a_limit_on_a_tool_that_reads_holds_too(world: World, clock: Clock, limited: Limited) -> None:
    policy = "limits.tool.list_queues.calls_per_minute = 1\nlimits.tool.list_events.calls_per_minute = 1"
    async with guarded(world, clock=clock, **limited(policy)) as client:
        for tool in ("list_queues", "list_events"):
            await call(client, tool)
            assert f"1 call by {tool} a minute" in await refusal(client, tool)


# A clock that jumps


@in_a_loop
async def test_a_clock_that_is_set_back_makes_no_room(world: World, clock: Clock, limited: Limited) -> None:
    async with guarded(world, clock=clock, **limited("limits.calls_per_minute = 1")) as client:
        await resize(client)
        for hours in (1, 24):
            clock.move(hours=-hours)
            await full(client)
        clock.moment = NOON + timedelta(seconds=60)
        await resize(client)
    assert changes(world.sandbox) == [SENT] * 2


@in_a_loop
async def test_a_clock_that_is_put_forward_and_back_makes_no_room_twice(
    world: World, clock: Clock, limited: Limited
) -> None:
    async with guarded(world, clock=clock, **limited("limits.calls_per_minute = 1")) as client:
        await resize(client)
        clock.move(hours=1)
        await resize(client)
        clock.move(hours=-1)
        await full(client)
    assert changes(world.sandbox) == [SENT] * 2


# What a call takes


@in_a_loop
async def test_one_action_touches_no_more_people_than_it_may(world: World, limited: Limited) -> None:
    few, many = room(world.sandbox, "few", people=2), room(world.sandbox, "many", people=3)
    legs = list(world.sandbox.state.legs.by_id)[-3:]
    async with guarded(world, **limited("limits.most_people = 2")) as client:
        for tool, given in {"mute_participants": {"call_control_ids": "everyone"}, "end_conference": {}}.items():
            assert "would touch 3 people" in await refusal(client, tool, conference_id=many, **given)
        for those in (legs, [*legs, *legs]):
            await refusal(client, "mute_participants", conference_id=many, call_control_ids=those)
        assert changes(world.sandbox) == []
        await call(client, "mute_participants", conference_id=many, call_control_ids=legs[:2])
        await call(client, "end_conference", conference_id=few)
    assert len(changes(world.sandbox)) == 2


@in_a_loop
async def test_actions_for_the_whole_room_are_counted_by_the_hour(world: World, clock: Clock, limited: Limited) -> None:
    conference = room(world.sandbox)
    [leg] = list(world.sandbox.state.legs.by_id)[-1:]
    everyone = {"conference_id": conference, "call_control_ids": "everyone"}
    async with guarded(world, clock=clock, **limited("limits.whole_room_per_hour = 2")) as client:
        await call(client, "hold_participants", **everyone)
        await call(client, "unhold_participants", **everyone)
        clock.move(minutes=59)
        for tool in ("mute_participants", "stop_audio"):
            assert "2 whole-room actions an hour" in await refusal(client, tool, **everyone)
        await refusal(client, "end_conference", conference_id=conference)
        await call(client, "mute_participants", conference_id=conference, call_control_ids=[leg])
        clock.move(minutes=1)
        await call(client, "mute_participants", **everyone)


@in_a_loop
async def test_speech_is_counted_by_its_characters(world: World, clock: Clock, limited: Limited) -> None:
    conference = room(world.sandbox)

    def say(letters: int) -> dict[str, Any]:
        text = "Good day. " * (letters // 10)
        return {"conference_id": conference, "call_control_ids": "everyone", "payload": text, "voice": "female"}

    async with guarded(world, clock=clock, **limited("limits.speech_characters_per_hour = 100")) as client:
        assert "would use 110, which is never allowed" in await refusal(client, "speak_text", **say(110))
        await call(client, "speak_text", **say(60))
        assert "in 3600 s" in await refusal(client, "speak_text", **say(50))
        await call(client, "speak_text", **say(40))
        clock.move(hours=1)
        await call(client, "speak_text", **say(100))


# What is not counted


@in_a_loop
async def test_a_call_that_is_refused_takes_nothing(world: World, limited: Limited, clock: Clock) -> None:
    policy = 'limits.calls_per_minute = 2\nscope.queues = ["support"]\napproval.tool.delete_queue = "ask"'
    person = Person(no)
    async with guarded(world, clock=clock, answering=person.slowly, **limited(policy)) as client:
        for _ in range(3):
            await refusal(client, "update_queue", queue_name="agents", max_size=7)
            await refusal(client, "update_queue", queue_name="support", max_size="seven")
            for person.answering in (no, closes):
                await refusal(client, "delete_queue", queue_name="support")
        await resize(client)
        await resize(client)
        await full(client)
        clock.move(minutes=1)
        for _ in range(2):
            await resize(client)
    assert changes(world.sandbox) == [SENT] * 4


@in_a_loop
async def test_a_call_that_telnyx_refused_was_sent_and_counts(world: World, limited: Limited, clock: Clock) -> None:
    world.sandbox.faults.add(Fault(kind="status", status=422, method="POST"))
    async with guarded(world, clock=clock, **limited("limits.calls_per_minute = 1")) as client:
        await refusal(client, "update_queue", queue_name="support", max_size=7)
        assert "1 call a minute" in await full(client)


# Any sequence

WINDOW = timedelta(minutes=1)
Steps = Sequence[tuple[float, int]]
"""Seconds until a call, and what it takes."""


class Tried(NamedTuple):
    """A call, and its outcome."""

    at: datetime
    amount: int
    is_sent: bool


class Books:
    """A ledger used from a thread."""

    def __init__(self, admit: Callable[[Limit], object], clock: Clock) -> None:
        self._admit = admit
        self._clock = clock
        self._used = 0

    def tried(self, steps: Steps, most: int) -> list[Tried]:
        """Calls that fall into one window of their own."""
        self._used += 1
        found: list[Tried] = []
        for seconds, amount in steps:
            self._clock.move(seconds=seconds)
            limit = Limit(f"example {self._used}", most, WINDOW.total_seconds(), amount, "any")
            found.append(Tried(self._clock.moment, amount, self._admit(limit) is None))
        return found


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Generator[Books]:
    clock = Clock(NOON)
    url = url_of(tmp_path_factory.mktemp("limits") / "events.db")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Ledger.open(url, now=clock)) as ledger:
        yield Books(lambda limit: portal.call(ledger.admit, [limit], {"outcome": "sends"}), clock)


def used(sent: Iterable[Tried], begin: datetime) -> int:
    """What was taken in the window that begins then."""
    return sum(command.amount for command in sent if begin <= command.at < begin + WINDOW)


_GAPS = st.sampled_from([0.0, 15.0, 30.0, 60.0, 59.999_999]) | st.floats(0, 90)
_AMOUNTS = st.integers(1, 5)
_STEPS = st.lists(st.tuples(_GAPS, _AMOUNTS), min_size=5, max_size=40)
_SMALL_JUMPS = st.lists(st.tuples(_GAPS | st.floats(-60, 90), _AMOUNTS), min_size=5, max_size=40)
_JUMPS = st.lists(st.tuples(_GAPS | st.floats(-3600, 3600), _AMOUNTS), min_size=5, max_size=40)
MOST_OF_ALL = st.integers(0, 12)


@given(_STEPS | _JUMPS, MOST_OF_ALL)
def test_no_window_ever_holds_more_than_the_limit_wherever_the_clock_jumps(
    books: Books, steps: Steps, most: int
) -> None:
    sent = [attempt for attempt in books.tried(steps, most) if attempt.is_sent]
    assert max((used(sent, attempt.at) for attempt in sent), default=0) <= most


@given(_STEPS | _SMALL_JUMPS, MOST_OF_ALL)
def test_a_command_is_refused_exactly_when_its_window_is_full(books: Books, steps: Steps, most: int) -> None:
    tried = books.tried(steps, most)
    for place, attempt in enumerate(tried):
        counted = (other for other in tried[:place] if other.is_sent and other.at > attempt.at - WINDOW)
        assert attempt.is_sent is (sum(other.amount for other in counted) + attempt.amount <= most)
