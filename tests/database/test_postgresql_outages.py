"""PostgreSQL stops under two running servers and comes back: no acknowledged event is lost, and both servers go on."""

import os
import threading
from collections.abc import Generator

import anyio
import anyio.to_thread
import pytest
from mcp.client import Client

from support.guarded_server import audit_entries
from support.load import SENDERS, Load
from support.mcp import call, connected, refusal
from support.postgres import Cluster, cluster
from support.telnyx import telnyx
from support.webhooks import body_of, free_port, post, signed_headers, stored_in, wait_until_listening
from telnyx_conferencing.server.database import Transaction, open_database
from telnyx_conferencing.server.guard import Ledger
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

QUEUE = {"queue_name": "support", "max_size": 7}
SENT = "POST /queues/support"
REPEATS = int(os.environ.get("OUTAGE_REPEATS", "40"))
"""Webhooks that fail before PostgreSQL is started again. Each sender tries at most a hundred times a second."""


@pytest.fixture
def own(needs_postgresql: None) -> Generator[Cluster]:
    with cluster() as made:
        yield made


def post_answered_call(port: int, signer: Signer, name: str) -> None:
    """Post the webhook of an answered call. The server accepts it."""
    body = body_of(name, "call.answered", call_control_id=f"v3:{name}")
    assert post(port, body, signed_headers(signer, body)) == 200


async def wait_ends(client: Client, name: str) -> None:
    """A server's wait_for_event ends with this webhook, which any server may have received."""
    leg = f"v3:{name}"
    content = await call(client, "wait_for_event", types=["call.answered"], call_control_id=leg, timeout_secs=30)
    assert [event["id"] for event in content["events"]] == [name]


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_restart_of_postgresql_loses_no_acknowledged_event(own: Cluster, how: str) -> None:
    signer, port, url = Signer(), free_port(), own.store()
    arguments = ("--approval", "never", "--database", url)

    with telnyx() as phone:
        env = {**phone.env, "TELNYX_PUBLIC_KEY": signer.public_key}
        async with (
            connected(*arguments, "--webhook-port", str(port), env=env) as first_client,
            connected(*arguments, env=env) as other,
        ):
            await first_client.list_tools()
            await wait_until_listening(port)
            for client in (first_client, other):
                await call(client, "update_queue", **QUEUE)
            with Load(port, signer) as load:
                await anyio.to_thread.run_sync(load.until, 50)
                await anyio.to_thread.run_sync(own.stop, how)
                await anyio.to_thread.run_sync(load.until_repeated, load.repeated + REPEATS)
                for client in (first_client, other):
                    assert "cannot record what it does" in await refusal(client, "update_queue", **QUEUE)
                    assert own.url().partition("@")[2].partition("/")[0] in await refusal(client, "list_events")
                await anyio.to_thread.run_sync(own.start)
                await anyio.to_thread.run_sync(load.until, len(load.answered) + 50)
            assert load.statuses == {200, 503}

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait_ends, other, "after")
                await anyio.to_thread.run_sync(post_answered_call, port, signer, "after")
            for client in (first_client, other):
                await call(client, "update_queue", **QUEUE)
        assert phone.commands() == [SENT] * 4

    there = [event.id for event in await stored_in(url) if event.id.startswith("event ")]
    assert len(there) == len(set(there))
    assert set(load.answered) <= set(there)
    assert len(there) <= len(load.answered) + SENDERS
    async with Ledger.open(url) as ledger:
        await ledger.verify()
    assert [entry["outcome"] for entry in await audit_entries(url)].count("sends") == 4


async def test_a_read_goes_on_when_postgresql_has_closed_every_connection(own: Cluster) -> None:
    readers = 4
    all_read = threading.Barrier(readers, timeout=10)

    def read_together(transaction: Transaction) -> None:
        all_read.wait()
        transaction.rows("SELECT 1")

    async with open_database(own.store()) as database:
        async with anyio.create_task_group() as tasks:
            for _ in range(readers):
                tasks.start_soon(database.read, read_together)
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'telnyx-conferencing'"
        )
        for _ in range(readers):
            assert await database.read(lambda transaction: transaction.rows("SELECT 1")) == [(1,)]


async def test_a_server_that_starts_before_postgresql_works_once_postgresql_runs(own: Cluster) -> None:
    url, signer, port = own.store(), Signer(), free_port()
    own.stop()
    arguments = ("--webhook-port", str(port), "--approval", "never", "--database", url)
    with telnyx() as phone:
        async with connected(*arguments, env={**phone.env, "TELNYX_PUBLIC_KEY": signer.public_key}) as client:
            assert "nothing listens there" in await refusal(client, "list_events")
            assert "nothing listens there" in await refusal(client, "update_queue", **QUEUE)
            await anyio.to_thread.run_sync(own.start)
            await wait_until_listening(port)
            await anyio.to_thread.run_sync(post_answered_call, port, signer, "first")
            await wait_ends(client, "first")
            await call(client, "update_queue", **QUEUE)


async def test_no_event_is_missed_when_the_notification_connection_is_cut_repeatedly(own: Cluster) -> None:
    url, signer, port = own.store(), Signer(), free_port()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"
    arguments = ("--database", url)
    with telnyx() as phone:
        env = {**phone.env, "TELNYX_PUBLIC_KEY": signer.public_key}
        async with (
            connected(*arguments, "--webhook-port", str(port), env=env) as client,
            connected(*arguments, env=env) as other,
        ):
            await client.list_tools()
            await wait_until_listening(port)
            await call(other, "list_events")
            for number in range(10):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait_ends, other, f"call-{number}")
                    await anyio.to_thread.run_sync(own.execute, cut)
                    await anyio.to_thread.run_sync(post_answered_call, port, signer, f"call-{number}")
