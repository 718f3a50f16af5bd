"""Tells a client where a person answers a pending question, without showing how to reach the store."""

import shlex
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ..settings import Settings

_PROGRAM = "telnyx-conferencing"
OPERATOR_PATH = "/operator"


def program() -> list[str]:
    """The command that starts this program: its script by full path, or this Python with the module."""
    suffix = ".exe" if sys.platform == "win32" else ""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        script = folder / f"{_PROGRAM}{suffix}"
        if script.is_file():
            return [str(script)]
    return [sys.executable, "-m", "telnyx_conferencing.server"]


def approval_help(
    settings: Settings, database: str | None, page: Callable[[], str | None] = lambda: None
) -> Callable[[str], str]:
    """Returns a function from a pending question's code to a clause that says where a person answers it.

    `page` returns the address of the running operator page.

    A client over HTTP may be on another machine: it gets the operator page's address, no path and no command of this
    machine. A client on stdio gets the command with its full path. The URL of a database server is never part of it:
    it may hold a password, and its user could approve their own requests.
    """
    is_http = settings.transport == "http"
    option = f" --database {shlex.quote(database)}" if database and database.startswith("sqlite") else ""
    command = shlex.join([*program(), "approvals"])

    def where(code: str) -> str:
        on_page = f"on the operator page, {page()}" if page() is not None else ""
        if is_http:
            return on_page or _by_operator(code)
        return f"{on_page}{', or ' if on_page else ''}with `{command} approve {code}{option}` (or `reject`)"

    return where


def _by_operator(code: str) -> str:
    return f"on this server's machine with `{_PROGRAM} approvals approve {code}` (or `reject`)"


def operator_address(settings: Settings) -> str:
    """The address of the operator page of a server over HTTP, as a browser reaches it."""
    if settings.oauth_audience is not None:
        audience = urlsplit(settings.oauth_audience)
        return f"{audience.scheme}://{audience.netloc}{OPERATOR_PATH}"
    if settings.allowed_hosts:
        return f"https://{min(settings.allowed_hosts)}{OPERATOR_PATH}"
    return f"http://127.0.0.1:{settings.port}{OPERATOR_PATH}"
