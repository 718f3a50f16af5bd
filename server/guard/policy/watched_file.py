"""Reads files that an operator edits while the server runs."""

import os
import stat
from pathlib import Path

MAX_BYTES = 2**20
Seen = tuple[int, ...]
"""A version of a file, by which a change is noticed."""


class FileUnreadable(Exception):
    """A file cannot be read; the message says why."""


def stat_of(path: Path) -> Seen:
    """The version of a file. Raises `FileUnreadable`."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as problem:
        raise FileUnreadable(f"It cannot be found ({_words(problem)}).") from None
    if not stat.S_ISREG(status.st_mode):
        raise FileUnreadable("It is not a file.")
    # ctime also changes when permissions change, so a file that became readable counts as changed.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file. Raises `FileUnreadable`."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as problem:
        raise FileUnreadable(f"It cannot be read ({_words(problem)}).") from None
    if len(content) > max_bytes:
        raise FileUnreadable(f"It is larger than {max_bytes // 2**20} MiB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise FileUnreadable(f"It is not UTF-8 at byte {problem.start}.") from None


def _words(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)
