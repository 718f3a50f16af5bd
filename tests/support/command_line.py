"""The command line as an operator runs it: in a process of its own, from its arguments to its exit code.

The processes are forked from one that has loaded the libraries, which would take most of the time of these tests. What
a command loads by itself is seen where a real start is tested: `serve`, and all that goes through a terminal or a pipe.
"""

import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support.forked import become
from support.mcp import COMMAND

_PACKAGE = "telnyx_conferencing.server"
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([f"{_PACKAGE}.cli", f"{_PACKAGE}.database.versioning", f"{_PACKAGE}.database.sqlite"])


def run(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run `telnyx-conferencing ARGUMENTS` to its end, with no Telnyx settings but those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELNYX")}
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(directory) / name for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(stdin)
        command = [COMMAND, *arguments]
        process = _forks.Process(target=become, args=(command, {**inherited, **(env or {})}, files, os.getcwd()))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        said, complained = (file.read_text() for file in files[1:])
        return subprocess.CompletedProcess(command, process.exitcode, said, complained)
