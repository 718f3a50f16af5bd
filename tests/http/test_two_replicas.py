"""Two replicas on one PostgreSQL behind nginx, through restarts, kills and outages."""

from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from support.examples import DEFAULTS, EXAMPLES
from support.guarded_server import code_in
from support.load import Load
from support.mcp import ERAS, call, refusal, yes
from support.operator_visitor import Visitor
from support.postgres import Cluster, cluster
from support.replicas import Caller, Calls, Team, keep_calling, team
from support.telnyx import open_room
from support.webhooks import PATIENCE, body_of, eventually, post, signed_headers, stored_in
from telnyx_conferencing.server.guard import Ledger
from telnyx_conferencing.server.sandbox.webhooks import Signer
from telnyx_conferencing.server.web.operator.sign_in import create_code

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("needs_nginx")]

MANY = 25
"""Calls that are waited for in each stretch of a load."""
POLICY = """
[approval]
level = "never"
tool.delete_queue = "ask"

[limits.tool.update_queue]
calls_per_minute = 5
"""
signer = Signer()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def own(needs_postgresql: None) -> Generator[Cluster]:
    """A PostgreSQL that a test may stop."""
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def database(own: Cluster) -> str:
    return own.store()


@pytest.fixture(scope="module")
async def replicas(database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Team]:
    """A team without sessions, which tests leave as they found it: both replicas run."""
    home = tmp_path_factory.mktemp("team")
    (home / "policy.toml").write_text(POLICY)
    arguments = ("--stateless", "--toolsets", "all", "--policy", str(home / "policy.toml"), "--operator-page", "0")
    env = {**DEFAULTS, "TELNYX_PUBLIC_KEY": signer.public_key}
    async with team(*arguments, home=home, database=database, env=env) as made:
        yield made


@asynccontextmanager
async def load(replicas: Team, database: str) -> AsyncGenerator[tuple[Calls, Load]]:
    """Clients of both eras that call, and events that come; afterwards nothing is lost and nothing doubled."""
    async with keep_calling(replicas.proxy.url) as calls:
        with Load(replicas.proxy.port, signer) as events:
            await calls.until(MANY)
            yield calls, events
            await calls.until(MANY)
            await anyio.to_thread.run_sync(events.until, len(events.answered) + MANY)
    calls.judge(replicas.phone)
    there = Counter(event.id for event in await stored_in(database))
    assert set(events.answered) <= set(there)
    assert set(there.values()) == {1}
    async with Ledger.open(database) as ledger:
        await ledger.verify()


async def test_a_call_approved_at_the_other_replica_runs_once(replicas: Team, database: str) -> None:
    site = replicas.second.site
    async with Ledger.open(database) as ledger:
        sign_in_code = await create_code(ledger, "anna@desk")
    async with httpx2.AsyncClient(base_url=site.url, trust_env=False, timeout=PATIENCE) as http:
        visitor = Visitor(http)
        assert (await visitor.sign_in(sign_in_code)).status_code == 200
        for era in ERAS:
            queue = f"old queue of {era}"
            async with Caller(replicas.first.site.url, era) as first, Caller(site.url, era) as second:
                assert (await first.call("create_queue", queue_name=queue)).is_done
                code = code_in((await first.call("delete_queue", queue_name=queue)).text)
                await visitor.post("decide", {"code": code, "yes": True})
                assert await at_once(first, second, queue) == [False, True]
    assert [request.split()[0] for request in replicas.phone.commands()] == ["POST", "DELETE"] * len(ERAS)


async def at_once(first: Caller, second: Caller, queue: str) -> list[bool]:
    """Whether the same call was done, of two at the same time."""
    done: list[bool] = []

    async def delete(caller: Caller) -> None:
        done.append((await caller.call("delete_queue", queue_name=queue)).is_done)

    async with anyio.create_task_group() as tasks:
        for caller in (first, second):
            tasks.start_soon(delete, caller)
    return sorted(done)


async def test_replicas_and_protocol_versions_share_one_rate_limit(replicas: Team) -> None:
    said: list[str] = []

    async def resize(url: str, era: str) -> None:
        async with Caller(url, era) as caller:
            answer = await caller.call("update_queue", queue_name="support", max_size=7)
        said.append("" if answer.is_done else answer.text)

    async with anyio.create_task_group() as tasks:
        for replica in replicas.both * 3:
            for era in ERAS:
                tasks.start_soon(resize, replica.site.url, era)
    assert said.count("") == 5
    assert all("allows 5 calls by update_queue" in words for words in said if words), said
    assert replicas.phone.commands().count("POST /queues/support") == 5


async def test_a_webhook_to_one_replica_wakes_a_wait_at_the_other(replicas: Team, era: str) -> None:
    body = body_of(f"news of {era}", "call.answered", call_control_id=f"v3:{era}")

    async def wait() -> None:
        async with Caller(replicas.first.site.url, era) as caller:
            answer = await caller.call("wait_for_event", types=["call.*"], call_control_id=f"v3:{era}")
        assert f"news of {era}" in answer.text

    async def waiting() -> bool:
        return "open_waits 1.0" in (await replicas.first.site.get("/metrics")).text

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await eventually(waiting)
        there = replicas.second.site.port
        assert await anyio.to_thread.run_sync(post, there, body, signed_headers(signer, body)) == 200


async def test_a_stateless_client_can_use_either_replica(replicas: Team) -> None:
    before = [await replica.called() for replica in replicas.both]
    async with replicas.proxy.client(answering=yes) as client:
        for _ in range(4):
            assert "waits as" in await refusal(client, "delete_queue", queue_name="support")
    assert all([await replica.called() > called for replica, called in zip(replicas.both, before, strict=True)])


async def test_every_tool_answers_and_a_rolling_restart_loses_nothing(replicas: Team, database: str) -> None:
    async with load(replicas, database) as (calls, events):
        for era in ERAS:
            async with Caller(replicas.proxy.url, era) as caller:
                for example in EXAMPLES:
                    answer = await caller.call(example.tool, **example.minimal)
                    assert answer.is_done or '"isError": true' in answer.text, answer
                    assert "fault in this server" not in answer.text
        for replica in replicas.both:
            await replica.restart()
            await replica.until_called()
    assert calls.refusals() == set()
    assert events.statuses == {200}


async def test_killing_a_replica_loses_no_call_or_webhook(replicas: Team, database: str) -> None:
    async with load(replicas, database) as (calls, events):
        await replicas.first.killed()
        await calls.until(MANY)
        await replicas.first.start()
        await replicas.first.until_called()
    assert all(answer.is_done or answer.is_lost for answer in calls.answers.values())
    assert events.statuses == {200}


async def test_a_postgresql_restart_is_reported_and_survived(own: Cluster, replicas: Team, database: str) -> None:
    async with load(replicas, database) as (calls, events):
        await anyio.to_thread.run_sync(own.stop)
        await calls.until(MANY, done=False)
        await anyio.to_thread.run_sync(events.until_repeated, events.repeated + MANY)
        await anyio.to_thread.run_sync(own.start)
    assert {said for said in calls.refusals() if "cannot record what it does" not in said} == set()
    assert events.statuses == {200, 503}


async def test_after_a_replica_restarts_its_clients_open_a_new_session(
    own: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("sticky")
    async with team(home=home, database=own.store(), sticky=True) as replicas:
        async with replicas.proxy.client(answering=yes) as client:
            room = await open_room(client, *replicas.phone.waiting())
            await call(client, "end_conference", conference_id=room)
            [holder] = [replica for replica in replicas.both if await replica.called()]
            await holder.restart()
            with pytest.raises(MCPError, match=r"[Ss]ession"):
                await client.call_tool("list_queues", {})

        async def is_back() -> bool:
            """Whether the proxy sends to this replica again. Until then it would move a new session."""
            before = await holder.called()
            async with replicas.proxy.client("2026-07-28") as client:
                await call(client, "list_queues")
            return await holder.called() > before

        await eventually(is_back)
        async with replicas.proxy.client(answering=yes) as client:
            await call(client, "delete_queue", queue_name="support")
