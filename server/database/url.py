"""Where the store is kept: its URL, and for a file its directory, and who may read it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import platformdirs

from .errors import StoreError

_SQLITE = ("sqlite", "sqlite+aiosqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_TOLD = ("host", "hostaddr", "port", "dbname", "options")
"""What of a URL's query says which store it is. The rest may hold a secret."""
_UNREADABLE = "postgresql:"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def default_url() -> str:
    """The URL of `events.db` in the user's data directory, which is made, for this user alone, if it is not there.

    Raises `StoreError` when the directory cannot be made.
    """
    directory = platformdirs.user_data_path("telnyx-conferencing", appauthor=False)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & _OTHERS:
            directory.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"The data directory {directory} cannot be made ({_reason(error)}). Name another place with --database, "
            "such as sqlite:////var/lib/telnyx-conferencing/events.db."
        ) from None
    return f"sqlite:///{directory / 'events.db'}"


def is_readable(url: str) -> bool:
    """Whether it is plain where in a database server's URL its parts begin and end."""
    return redacted_url(url) != _UNREADABLE


def is_on_a_server(url: str) -> bool:
    """Whether this is the URL of a PostgreSQL database."""
    return url.partition(":")[0] in _POSTGRESQL


def redacted_url(url: str) -> str:
    """The URL as it may be shown and compared: without user and password, wherever in it they stand.

    Of one that is not written as it should be, so that a password may stand anywhere in it, only the kind is shown.
    """
    if not is_on_a_server(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return _UNREADABLE
    if parts.fragment or url.count("@") > parts.netloc.count("@") or parts.netloc.count("@") > 1:
        return _UNREADABLE
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name in _TOLD])
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}{'?' if query else ''}{query}"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A file that holds a store."""

    path: Path

    @classmethod
    def of(cls, url: str) -> "DatabaseUrl":
        """Read a URL such as `sqlite:///events.db` (relative) or `sqlite:////var/lib/events.db` (absolute).

        Raises `StoreError` for any other kind.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SQLITE:
            kind = f"{parts.scheme}: addresses are" if "://" in url else "That is"
            raise StoreError(
                f"{kind} not a kind of database this version can keep events in. Use sqlite:///PATH "
                "or postgresql://USER@HOST/NAME."
            )
        name = unquote(parts.path[1:])
        if parts.netloc or parts.query or parts.fragment or not name or name == ":memory:" or "\0" in name:
            raise StoreError(
                "The database URL must name one file: sqlite:///events.db beside where the server is started, or "
                "sqlite:////var/lib/events.db (four slashes) anywhere."
            )
        return cls(Path(name))

    def prepare(self) -> None:
        """Make the file if it is not there, readable by this user alone. Raises `StoreError` when it cannot be used."""
        if self.path.is_dir():
            raise StoreError(f"{self.path} is a directory. Name a file in it: {self.path / 'events.db'}.")
        if not self.path.parent.is_dir():
            raise StoreError(f"The directory {self.path.parent} does not exist. Make it, or name another file.")
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
        except OSError as error:
            raise StoreError(
                f"The store {self.path} cannot be opened for writing ({_reason(error)}). Give this user the "
                "right to write the file and its directory, or name another file with --database."
            ) from None


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
