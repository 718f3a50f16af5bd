"""Fixtures for every test."""

import pytest
from hypothesis import HealthCheck, settings

from support.mcp import ERAS

# How long a machine takes decides nothing: not on an example, nor on making it.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Each protocol version in turn."""
    return request.param
