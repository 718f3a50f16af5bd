"""Database URLs, and the files that SQLite URLs name."""

import os
import stat
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import platformdirs

from .errors import StoreError

_SQLITE = ("sqlite", "sqlite+aiosqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_SHOWN_PARAMETERS = ("host", "hostaddr", "port", "dbname", "options")
"""The parameters of a URL's query that are shown. The others may contain a secret."""
_UNREADABLE = "postgresql:"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def default_url() -> str:
    """The URL of `events.db` in the user's data directory.

    The directory is created, readable by this user alone. Raises `StoreError` when that fails.
    """
    directory = platformdirs.user_data_path("telnyx-conferencing", appauthor=False)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & _OTHERS:
            directory.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"The data directory {directory} cannot be created ({_reason(error)}). Name another place with --database, "
            "such as sqlite:////var/lib/telnyx-conferencing/events.db."
        ) from None
    return f"sqlite:///{directory / 'events.db'}"


def absolute_url(url: str) -> str:
    """The URL with the absolute path of its file, so that it means the same store in any folder. Opens nothing.

    Raises `StoreError` if this is not the URL of a file or of a PostgreSQL database.
    """
    if is_postgresql(url):
        return url
    path = sqlite_path(url)
    return url if path.is_absolute() else f"sqlite:///{quote(str(path.expanduser().absolute()))}"


def is_readable(url: str) -> bool:
    """Whether the parts of a PostgreSQL URL can be separated with certainty."""
    return redacted_url(url) != _UNREADABLE


def is_postgresql(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.partition(":")[0] in _POSTGRESQL


def redacted_url(url: str) -> str:
    """The URL without its user and password, for messages and comparisons.

    When a URL is malformed, a password may be anywhere in it. Then only the kind is returned.
    """
    if not is_postgresql(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return _UNREADABLE
    if parts.fragment or url.count("@") > parts.netloc.count("@") or parts.netloc.count("@") > 1:
        return _UNREADABLE
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name in _SHOWN_PARAMETERS])
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}{'?' if query else ''}{query}"


def sqlite_path(url: str) -> Path:
    """The file of a URL such as `sqlite:///events.db` (relative) or `sqlite:////var/lib/events.db` (absolute).

    Raises `StoreError` for any other kind.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SQLITE:
        problem = f"{parts.scheme} databases are not supported" if "://" in url else "This is not a database URL"
        raise StoreError(f"{problem}. Use sqlite:///PATH or postgresql://USER@HOST/NAME.")
    name = unquote(parts.path[1:])
    if parts.netloc or parts.query or parts.fragment or not name or name == ":memory:" or "\0" in name:
        raise StoreError(
            "A SQLite URL names a file: sqlite:///events.db (relative) or sqlite:////var/lib/events.db (absolute)."
        )
    return Path(name)


def is_new(url: str) -> bool:
    """Whether opening a URL creates its file."""
    if is_postgresql(url):
        return False
    path = sqlite_path(url)
    return path.parent.is_dir() and not path.exists()


def create_file(path: Path) -> None:
    """Create a file, readable by this user alone, unless it exists. Raises `StoreError` when it cannot be used."""
    if path.is_dir():
        raise StoreError(f"{path} is a directory. Name a file in it: {path / 'events.db'}.")
    if not path.parent.is_dir():
        raise StoreError(f"The directory {path.parent} does not exist. Create it, or name another file.")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be opened for writing ({_reason(error)}). Give this user the "
            "right to write the file and its directory, or name another file with --database."
        ) from None


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
