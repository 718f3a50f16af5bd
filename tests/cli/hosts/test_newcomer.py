"""The newcomer's path works, step by step."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "bench" / "newcomer.py"


@pytest.mark.slow
def test_a_newcomer_gets_from_an_empty_home_to_the_first_event_and_back() -> None:
    ended = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    steps = [line[3:] for line in ended.stdout.splitlines() if line.startswith("== ")]
    assert steps == [
        "Install",
        "Check the setup",
        "The host starts it",
        "First conference",
        "First event",
        "The board",
        "The same conference from another terminal",
        "A request for a person",
        "Install with a key that is not there",
        "Uninstall",
    ]
