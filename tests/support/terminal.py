"""A command at a pseudo-terminal, with input as a person types it."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from support.commands import COMMAND
from support.mcp_stdio import PATIENCE, environment

ENTER = "\r"
CTRL_C = "\x03"
CTRL_D = "\x04"
SIZE = (50, 120)
"""Rows and columns."""

# The command must own the terminal: only then does Ctrl-C reach it as a signal.
_OWN_IT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """What a person sees of a command, and types."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process = process
        self._ours = ours
        self._unseen = ""

    def until(self, text: str) -> str:
        """The output from the last such text up to this one."""
        while text not in self._unseen:
            more = self._more()
            assert more, f"{text!r} never appeared, but {self._unseen!r}"
            self._unseen += more
        seen, self._unseen = self._unseen.split(text, 1)
        return seen + text

    def type(self, text: str) -> None:
        """Type this once the command waits for it: Python would not notice a Ctrl-C that came just before."""
        give_up = time.monotonic() + PATIENCE
        while _is_busy(self.process.pid) and time.monotonic() < give_up:
            time.sleep(0.001)
        os.write(self._ours, text.encode())

    def ended(self) -> tuple[int, str]:
        """The exit code, and the rest of the output."""
        while more := self._more():
            self._unseen += more
        return self.process.wait(PATIENCE), self._unseen

    def _more(self) -> str:
        """The next output; empty once the command has ended."""
        give_up = time.monotonic() + PATIENCE
        while not select.select([self._ours], [], [], max(0, give_up - time.monotonic()))[0]:
            assert time.monotonic() < give_up, f"nothing more appeared than {self._unseen!r}"
        with suppress(OSError):  # a terminal reports this way that no process has it open
            return os.read(self._ours, 65536).decode(errors="replace")
        return ""


def _is_busy(pid: int) -> bool:
    """Whether a process runs; false on a system that does not say."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "R"
    return False


@contextmanager
def at_terminal(
    *arguments: str, typed_before: str = "", env: Mapping[str, str] | None = None, program: str = COMMAND
) -> Generator[Terminal]:
    """`telnyx-conferencing ARGUMENTS` at a terminal, on which something was typed before already.

    `program` is another one with these arguments.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, SIZE)
    os.write(ours, typed_before.encode())
    command = [sys.executable, "-c", _OWN_IT, program, *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(env or {}), start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)
