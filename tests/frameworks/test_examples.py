"""The examples of docs/frameworks.md whose frameworks are installed here work as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import COMMAND
from support.manifests import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["mcp", "http", "http-token", "openai-agents", "pydantic-ai"])
def test_an_example_answers_from_the_tool_that_its_model_calls(name: str) -> None:
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    probe = [sys.executable, str(ROOT / "bench" / "framework_probe.py"), name, str(ROOT / "docs" / "frameworks.md")]
    ended = subprocess.run(
        probe, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert "3 calls" in ended.stdout
    assert ("asked a person" in ended.stdout) is (name == "mcp")
