"""What npm has, for the tests that want it."""

from pathlib import Path

import pytest

from support.npm import installed


@pytest.fixture(scope="session")
def packages() -> Path:
    """The directory of the packages that the board is built and checked with."""
    return installed()


@pytest.fixture(scope="session")
def axe(packages: Path) -> str:
    """The accessibility check, as a script."""
    return (packages / "axe-core" / "axe.min.js").read_text("utf-8")
