"""Skips tests where a program or package is missing."""

import os

import pytest


def skip_without(why: str) -> None:
    """Skip the test, or fail it in CI, where nothing may be missing. `why`: what is missing, and how to install it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
