"""How to start the command line: as it is, or forked from a process that has loaded what it needs.

Loading is nearly all of the time that a start takes. What a command loads by itself, and when, is not seen in a fork;
tests of that start it as it is.
"""

import atexit
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("telnyx-conferencing"))

_HERE = Path(__file__).parent


def installed(*arguments: str) -> list[str]:
    """What starts `telnyx-conferencing ARGUMENTS`, as it is."""
    return [COMMAND, *arguments]


def forked(*arguments: str) -> list[str]:
    """The command that starts the same as a fork. It takes signals and can be killed, but has another process id."""
    return [sys.executable, "-IS", str(_HERE / "launcher.py"), _socket(), COMMAND, *arguments]


@cache
def _socket() -> str:
    """Where to ask for one."""
    directory = tempfile.TemporaryDirectory(prefix="forks-")
    path = Path(directory.name) / "socket"
    command = [sys.executable, "-I", str(_HERE / "forker.py"), str(path)]
    forker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end() -> None:
        forker.communicate()
        directory.cleanup()

    atexit.register(end)
    assert forker.stdout
    if not forker.stdout.readline():
        raise RuntimeError("There is no process to fork from.")
    return str(path)
