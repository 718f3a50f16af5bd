"""What a process that was forked does to be a command. Imports nothing that the command would not."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def become(command: Sequence[str], env: Mapping[str, str], files: Sequence[Path], directory: str) -> None:
    """Run a command line, with its stdin, stdout and stderr in these files."""
    for number, file in enumerate(files):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(directory)
    sys.argv = list(command)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    from telnyx_conferencing.server.cli import main  # noqa: PLC0415 - loaded where this was forked from

    main()
