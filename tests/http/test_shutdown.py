"""Graceful shutdown over HTTP: requests in flight finish, and waits end."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from support.mcp import call
from support.mcp_http import Site, site
from support.telnyx import telnyx
from support.webhooks import body_of, eventually, signed_headers, stored_in
from telnyx_conferencing.server.sandbox import Fault
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = pytest.mark.anyio


async def until_waiting(server: Site) -> None:
    """Return once a call waits for an event."""

    async def look() -> bool:
        return "telnyx_conferencing_open_waits 1.0" in (await server.get("/metrics")).text

    await eventually(look)


async def test_a_waiting_call_returns_and_open_streams_end(era: str, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    with telnyx() as phone:
        async with site(home=tmp_path, env=phone.env) as server, server.client(era) as client:
            await client.list_tools()  # by which the client judges the result, when nobody is left to ask

            async def wait() -> None:
                seen.append(await call(client, "wait_for_event", types=["conference.ended"], timeout_secs=600))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await until_waiting(server)
                server.told_to_end()
            code = await server.ended()
    assert "The server is shutting down." in seen[0]["summary"]
    assert code == 0


async def test_a_call_in_flight_finishes(era: str, tmp_path: Path) -> None:
    done: list[dict[str, Any]] = []
    with telnyx() as phone:
        phone.sandbox.faults.add(Fault(kind="delay", seconds=2, path="queues"))
        async with site("--approval", "never", home=tmp_path, env=phone.env) as server, server.client(era) as client:
            await client.list_tools()

            async def create() -> None:
                done.append(await call(client, "create_queue", queue_name="late"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(create)
                await eventually(lambda: arrived(phone))
                server.told_to_end()
            assert await server.ended() == 0
    assert done[0]["summary"].startswith("Telnyx accepted")


async def arrived(phone: Any) -> bool:
    return bool(phone.commands())


async def test_a_webhook_in_flight_is_stored_before_its_socket_closes(tmp_path: Path) -> None:
    signer = Signer()
    body = body_of("the last one")
    headers = signed_headers(signer, body)
    with telnyx() as phone:
        env = {**phone.env, "TELNYX_PUBLIC_KEY": signer.public_key}
        async with site(home=tmp_path, env=env) as server:

            async def slowly() -> AsyncGenerator[bytes]:
                yield body[:10]
                server.told_to_end()
                await eventually(lambda: refuses(server))
                yield body[10:]

            async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
                answer = await http.post(f"{server.url}/webhooks/telnyx", content=slowly(), headers=headers)
            assert await server.ended() == 0
    assert answer.status_code == 200
    assert "the last one" in [event.id for event in await stored_in(tmp_path / "events.db")]


async def test_a_connection_made_before_the_shutdown_is_still_answered(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with (
            site(home=tmp_path, env=phone.env) as server,
            await anyio.connect_tcp("127.0.0.1", server.port) as connection,
        ):
            server.told_to_end()
            await eventually(lambda: refuses(server))
            await connection.send(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert (await connection.receive()).startswith(b"HTTP/1.1 200")
            assert await server.ended() == 0


async def refuses(server: Site) -> bool:
    """Whether it takes no further connections."""
    try:
        await server.get("/healthz")
    except httpx2.TransportError:
        return True
    return False
