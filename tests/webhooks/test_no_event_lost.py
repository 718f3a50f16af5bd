"""No event is lost: not when the server is killed at any moment, and not when a webhook never comes."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from support.commands import COMMAND
from support.load import SENDERS, Load
from support.mcp import call
from support.mcp_stdio import FIRST_WORDS, environment
from support.telnyx import open_room
from support.webhooks import (
    NOWHERE,
    eventually,
    free_port,
    has_all,
    ids,
    posting_telnyx,
    receiving_client,
    stored_in,
    url_of,
)
from telnyx_conferencing.server.sandbox import Fault
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TESTS = Path(__file__).parents[1]
ROUNDS = int(os.environ.get("NO_EVENT_LOST_ROUNDS", "20"))
WHOLE = 5
"""Every so many rounds it is the whole server that is killed, else only what takes webhooks in."""
SEED = 20260131


@contextmanager
def killed_at_the_end(command: list[str], env: dict[str, str]) -> Generator[None]:
    """A process that is killed with SIGKILL."""
    with subprocess.Popen(
        command, cwd=TESTS, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdin
            process.stdin.write(FIRST_WORDS)
            process.stdin.flush()
            yield
        finally:
            process.kill()


async def test_after_twenty_kills_each_event_answered_200_is_stored_once(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    signer, port, database = Signer(), free_port(), tmp_path / "events.db"
    env = environment({**NOWHERE, "TELNYX_PUBLIC_KEY": signer.public_key})
    light = [sys.executable, "-m", "support.webhook_receiver", str(port), url_of(database), signer.public_key]
    whole = [COMMAND, "serve", "--webhook-port", str(port), "--database", url_of(database)]
    with Load(port, signer) as load:
        for number in range(ROUNDS):
            with killed_at_the_end(whole if number % WHOLE == 0 else light, env):
                load.until(len(load.answered) + chance.randint(1, 150))
    there = [event.id for event in await stored_in(database)]
    assert len(load.answered) >= ROUNDS
    assert load.repeated >= ROUNDS
    assert len(there) == len(set(there))
    assert set(load.answered) <= set(there)
    assert len(there) <= len(load.answered) + SENDERS  # the last of each sender, never answered
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_when_webhooks_are_lost_a_backfill_fetches_every_event(tmp_path: Path) -> None:
    port, database = free_port(), tmp_path / "events.db"
    with posting_telnyx(port) as telnyx:
        telnyx.sandbox.faults.add(Fault(kind="lose", probability=0.5))
        telnyx.sandbox.faults.add(Fault(kind="duplicate", probability=0.5))
        async with receiving_client(telnyx, port, database) as client:
            room = await open_room(client, *telnyx.waiting())
            await call(client, "end_conference", conference_id=room)
            emitted = ids(telnyx.sandbox)
            await eventually(partial(has_all, client, emitted))
    came = {event.id: str(event.via) for event in await stored_in(database)}
    assert emitted <= set(came) <= ids(telnyx.sandbox)
    assert set(came.values()) == {"webhook", "catch-up"}
