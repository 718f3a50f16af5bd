"""A sandbox whose clock stands still, and a client for it."""

from collections.abc import AsyncIterator

import pytest

from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(ManualClock())


@pytest.fixture
async def telnyx(sandbox: Sandbox) -> AsyncIterator[Telnyx]:
    client = Telnyx(sandbox)
    yield client
    await client.http.aclose()
