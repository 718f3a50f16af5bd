"""A page for every test that wants one."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.operator_visitor import Page, opened


@pytest.fixture
async def page(tmp_path: Path) -> AsyncGenerator[Page]:
    async with opened(tmp_path) as page:
        yield page
