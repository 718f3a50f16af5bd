"""Tells a client where a person answers a pending question, without showing how to reach the store."""

import shlex
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ..settings import Settings

_PROGRAM = "telnyx-conferencing"
_OPERATOR_PATH = "/operator"


def program() -> list[str]:
    """The command that starts this program: its script by full path, or this Python with the module."""
    suffix = ".exe" if sys.platform == "win32" else ""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        script = folder / f"{_PROGRAM}{suffix}"
        if script.is_file():
            return [str(script)]
    return [sys.executable, "-m", "telnyx_conferencing.server"]


def approval_help(settings: Settings, database: str | None) -> Callable[[str], str]:
    """Returns a function from a pending question's code to a clause that says where a person answers it.

    A client over HTTP may be on another machine: it gets the operator page's address, no path and no command of this
    machine. A client on stdio gets the command with its full path. The URL of a database server is never part of it:
    it may hold a password, and its user could approve their own requests.
    """
    if settings.transport == "http":
        return _on_page(settings) if settings.operator_page is not None else _by_operator
    option = f" --database {shlex.quote(database)}" if database and database.startswith("sqlite") else ""
    command = shlex.join([*program(), "approvals"])
    return lambda code: f"with `{command} approve {code}{option}` (or `reject`)"


def _on_page(settings: Settings) -> Callable[[str], str]:
    address = operator_address(settings)
    return lambda code: f"on the operator page, {address}"


def _by_operator(code: str) -> str:
    return f"on this server's machine with `{_PROGRAM} approvals approve {code}` (or `reject`)"


def operator_address(settings: Settings) -> str:
    """The address of the operator page of a server over HTTP, as a browser reaches it."""
    if settings.oauth_audience is not None:
        audience = urlsplit(settings.oauth_audience)
        return f"{audience.scheme}://{audience.netloc}{_OPERATOR_PATH}"
    if settings.allowed_hosts:
        return f"https://{min(settings.allowed_hosts)}{_OPERATOR_PATH}"
    return f"http://127.0.0.1:{settings.port}{_OPERATOR_PATH}"
