"""Which servers of this user run now, and which store each uses, so that commands find the store.

Each server holds a lock on a small file in the user's state directory while it runs. A file without a lock belongs to a
server that has ended. The files contain no passwords.
"""

import json
import logging
import os
import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import platformdirs

from ..database import default_url, redacted_url

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, a server that was killed stays in the list
    fcntl = None

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """A running server, as commands see it."""

    pid: int
    started_at: str
    """ISO 8601, UTC."""
    transport: str
    sandbox: bool
    store: str
    """The URL of its store, without user and password."""
    store_needs_login: bool
    """Whether the URL had a user or a password, so that `store` alone may not open it."""
    page: str | None
    """The address of its operator page; None: it serves none."""
    page_needs_token: bool = False
    """Whether people sign in there with an access token, and not with a code."""
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    """A sentence for each background task that has failed and does not run again yet."""

    @property
    def title(self) -> str:
        """The server in a few words, such as `process 123 (stdio, sandbox, since 2026-01-31 12:00 UTC)`."""
        kind = f"{self.transport}, sandbox" if self.sandbox else self.transport
        return f"process {self.pid} ({kind}, since {self.started_at[:16].replace('T', ' ')} UTC)"


@contextmanager
def registered_server(
    *, transport: str, sandbox: bool, database: str | None, page: str | None, page_needs_token: bool = False
) -> Generator[Callable[[Mapping[str, str]], None]]:
    """Register this process as a running server until the context ends. Returns a function that sets its problems.

    `database`: the URL of its store; None: the default one. A server runs without this too: if the file cannot be
    written, that is only logged.
    """
    url = database or default_url()
    record = ServerRecord(
        pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        transport=transport,
        sandbox=sandbox,
        store=redacted_url(url),
        store_needs_login=redacted_url(url) != url,
        page=page,
        page_needs_token=page_needs_token,
    )
    path = _directory() / f"{record.pid}-{secrets.token_hex(4)}.json"
    try:
        file = _create(path, record)
    except OSError as error:
        logger.info("This server is not registered: commands need --database to find its store (%s)", error)
        yield lambda problems: None
        return
    try:
        yield lambda problems: _write(file, replace(record, problems=dict(problems)))
    finally:
        file.close()
        path.unlink(missing_ok=True)


def running_servers() -> list[ServerRecord]:
    """The servers of this user that run now, oldest first. Deletes the files of servers that have ended."""
    records = [record for path in _directory().glob("*.json") if (record := _read(path))]
    return sorted(records, key=lambda record: record.started_at)


def _directory() -> Path:
    return platformdirs.user_state_path("telnyx-conferencing", appauthor=False) / "servers"


def _create(path: Path, record: ServerRecord) -> IO[str]:
    """Write a record, and return its open, locked file. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
    _write(file, record)
    return file


def _write(file: IO[str], record: ServerRecord) -> None:
    file.seek(0)
    file.write(json.dumps(asdict(record)))
    file.truncate()
    file.flush()


def _read(path: Path) -> ServerRecord | None:
    """The record of a server that runs. None if it has ended, or has not written its record yet."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read()
            if text and not _is_locked(file):
                path.unlink()
                return None
        return ServerRecord(**json.loads(text))
    except (OSError, ValueError, TypeError):
        return None


def _is_locked(file: IO[str]) -> bool:
    """Whether the server that wrote the file still runs."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
