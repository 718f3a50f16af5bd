"""The server as an ASGI application, under another ASGI server with several workers."""

import signal
import sys
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from support.mcp import ERAS, call
from support.mcp_stdio import PATIENCE, environment
from support.telnyx import telnyx
from support.webhooks import free_port, url_of, wait_until_listening

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


async def test_two_uvicorn_workers_share_a_store(tmp_path: Path) -> None:
    port = free_port()
    factory = ("--factory", "telnyx_conferencing.server.http.asgi:create_app", "--workers", "2", "--port", str(port))
    with telnyx() as phone:
        own = {
            "TELNYX_CONFERENCING_APPROVAL": "never",
            "TELNYX_CONFERENCING_PORT": str(port),
            "TELNYX_CONFERENCING_DATABASE": url_of(tmp_path / "events.db"),
        }
        env = environment({**phone.env, **own})
        async with await anyio.open_process(
            [sys.executable, "-m", "uvicorn", *factory], env=env, stderr=None
        ) as served:
            await wait_until_listening(port)
            url = f"http://127.0.0.1:{port}/mcp"
            async with Client(streamable_http_client(url), mode=ERAS["2026-07-28"]) as client:
                for number in range(6):
                    await call(client, "create_queue", queue_name=f"queue {number}")
                content = await client.read_resource("telnyx://audit")
            served.send_signal(signal.SIGTERM)
            with anyio.fail_after(PATIENCE):
                await served.wait()
    assert content.model_dump_json().count("create_queue") == 6
