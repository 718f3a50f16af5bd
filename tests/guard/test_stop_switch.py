"""The stop switch stops every write at once, in every process on the store, approved writes too."""

from pathlib import Path

import pytest
from mcp_types import ElicitResult

from support.examples import COMMAND_OF, EXAMPLES
from support.guarded_server import changes, code_in, decided, guarded, room
from support.http import recording_server
from support.mcp import call, connected, refusal, text, yes
from support.mcp_in_process import World
from support.telnyx import telnyx
from support.webhooks import url_of
from telnyx_conferencing.server.guard import Ledger

pytestmark = pytest.mark.anyio

QUEUE = {"queue_name": "support", "max_size": 7}
SENT = "POST /queues/support"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


async def stop(database: Path | str, reason: str | None = None) -> None:
    """Stop writes by another connection to the store, as the command line and the operator page do."""
    async with Ledger.open(url_of(database)) as ledger:
        await ledger.stop("anna at a terminal", reason)


async def resume(database: Path | str) -> None:
    async with Ledger.open(url_of(database)) as ledger:
        await ledger.resume("anna at a terminal")


async def test_a_stop_holds_in_every_process_until_writes_may_go_on(address: str) -> None:
    arguments = ("--approval", "never", "--database", address)
    with telnyx() as phone:
        async with (
            connected(*arguments, env=phone.env) as one,
            connected(*arguments, env=phone.env) as other,
        ):
            for client in (one, other):
                await call(client, "update_queue", **QUEUE)
            await stop(address)
            for client in (one, other):
                assert "a person has stopped all writes" in await refusal(client, "update_queue", **QUEUE)
            assert phone.commands() == [SENT] * 2
            await resume(address)
            for client in (one, other):
                await call(client, "update_queue", **QUEUE)
        assert phone.commands() == [SENT] * 4


async def test_a_server_that_is_started_later_is_stopped_too(database: Path) -> None:
    await stop(database)
    with telnyx() as phone:
        async with connected("--approval", "never", "--database", url_of(database), env=phone.env) as client:
            await refusal(client, "update_queue", **QUEUE)
        assert phone.commands() == []


async def test_a_stop_lets_no_tool_write_and_every_tool_read(database: Path) -> None:
    await stop(database)
    answer: dict[str, object] = {}
    with recording_server(answer=answer) as (base_url, received):
        env = {"TELNYX_API_KEY": "KEYtests", "TELNYX_BASE_URL": base_url}
        options = ("--toolsets", "all", "--approval", "never", "--database", url_of(database))
        async with connected(*options, env=env) as client:
            for example in EXAMPLES:
                answer.clear()
                answer.update(example.answer)
                result = await client.call_tool(example.tool, dict(example.minimal))
                assert bool(result.is_error) is not COMMAND_OF[example.tool].is_read(), text(result)
    assert {request.method for request in received} == {"GET"}


async def test_a_read_that_has_a_limit_goes_on_too(database: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("limits.tool.list_queues.calls_per_minute = 5")
    await stop(database)
    async with guarded(World(), policy=policy, database=url_of(database)) as client:
        await call(client, "list_queues")


async def test_a_stop_during_a_question_overrides_the_approval(era: str, database: Path) -> None:
    world = World()

    async def stops_and_says_yes(question: str) -> ElicitResult:
        await stop(database)
        return yes(question)

    async with guarded(world, era=era, answering=stops_and_says_yes, database=url_of(database)) as client:
        message = await refusal(client, "end_conference", conference_id=room(world.sandbox))
    assert "a person has stopped all writes" in message
    assert changes(world.sandbox) == []


async def test_a_stopped_call_is_not_asked_about_and_an_earlier_approval_stays_valid(database: Path) -> None:
    world = World()
    async with guarded(world, approval="all", database=url_of(database)) as client:
        await decided(database, code_in(await refusal(client, "update_queue", **QUEUE)))
        await stop(database)
        assert "waits as" not in await refusal(client, "update_queue", **QUEUE)
        assert changes(world.sandbox) == []
        await resume(database)
        await call(client, "update_queue", **QUEUE)
    assert changes(world.sandbox) == [SENT]


async def test_the_refusal_says_why_and_who_can_let_writes_go_on(database: Path) -> None:
    await stop(database, "the agent rings people back twice")
    async with guarded(World(), approval="never", database=url_of(database)) as client:
        message = await refusal(client, "update_queue", **QUEUE)
    assert "(the agent rings people back twice)" in message
    assert "Reading still works" in message
    assert "Only they can allow writes again" in message
