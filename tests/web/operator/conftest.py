"""A page for every test that wants one."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.operator_visitor import Page, open_page


@pytest.fixture
async def page(tmp_path: Path) -> AsyncGenerator[Page]:
    async with open_page(tmp_path) as page:
        yield page
