"""Fixtures for every test."""

import pytest

from support.mcp import ERAS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Each protocol version in turn."""
    return request.param
