"""Notifications to clients that read slowly or not at all."""

import anyio
import pytest

from telnyx_conferencing.server.mcp.outbox import Outbox

pytestmark = pytest.mark.anyio


async def test_a_client_that_does_not_read_delays_no_other_and_keeps_a_bounded_number() -> None:
    stuck, quick = Outbox(), Outbox()
    sent: list[int] = []

    async def never() -> None:
        await anyio.sleep_forever()

    async def send() -> None:
        sent.append(1)
        if len(sent) == 3:
            stuck.close()
            quick.close()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stuck.run)
            tasks.start_soon(quick.run)
            for number in range(5_000):
                stuck.put(never, f"resource {number}")
            assert len(stuck) < 2_000
            for _ in range(3):
                quick.put(send)


async def test_a_later_notification_replaces_an_earlier_one_of_the_same_resource() -> None:
    outbox = Outbox()
    sent: list[str] = []

    async def first() -> None:
        sent.append("first")

    async def last() -> None:
        sent.append("last")
        outbox.close()

    outbox.put(first, "telnyx://conferences")
    outbox.put(last, "telnyx://conferences")
    with anyio.fail_after(30):
        await outbox.run()
    assert sent == ["last"]
