"""The person at the terminal: whether there is one, who that is, and what they type."""

import getpass
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager

import click

from ...tools.words import clean

_ANSWERS: dict[str, bool | None] = {"y": True, "yes": True, "n": False, "no": False, "": None}


class CommandFailed(click.ClickException):
    """What was asked for was not done; the message says why. The exit code is 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"telnyx-conferencing: {self.message}", err=True)


def is_terminal() -> bool:
    """Whether a person can read what is printed and type an answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def must_be_terminal(doing: str) -> None:
    """Raises `NotDone`. `doing`: such as `Approving`.

    It keeps honest programs out, such as an agent that runs commands through pipes. One that makes a terminal of its
    own passes: an agent must not have the rights of the person who answers.
    """
    if not is_terminal():
        raise CommandFailed(
            f"{doing} is for a person at a terminal, and here stdin or stdout is none: otherwise an agent that can "
            "run commands could give itself leave for what it asked for. Nothing was changed."
        )


@contextmanager
def working(doing: str) -> Generator[None]:
    """Say at a terminal what takes a while, as long as it does. `doing`: such as `looking`."""
    shown = sys.stderr.isatty()
    if shown:
        click.echo(f"{doing} ...", nl=False, err=True)
    try:
        yield
    finally:
        if shown:
            click.echo(f"\r{'':{len(doing) + 4}}\r", nl=False, err=True)


def someone() -> str:
    """Who runs this, as the audit names them: `anna@desk at a terminal`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # this user has no name, as in a container
        user = f"user {os.getuid()}"
    where = " at a terminal" if is_terminal() else ""
    return clean(f"{user}@{socket.gethostname()}", 200) + where


def agrees(question: str) -> bool:
    """Whether a yes is typed now; Enter is none. Raises `click.Abort` for Ctrl-C or Ctrl-D."""
    _forget_what_was_typed()
    return click.confirm(question, default=False)


def answer(question: str) -> bool | None:
    """What is typed now: yes, no, or None for neither. Raises `click.Abort` for Ctrl-C or Ctrl-D."""
    _forget_what_was_typed()
    while (typed := _line(question).lower()) not in _ANSWERS:
        pass
    return _ANSWERS[typed]


def words(question: str) -> str | None:
    """What is typed, if anything. Raises `click.Abort` for Ctrl-C or Ctrl-D."""
    return _line(question) or None


def _line(question: str) -> str:
    typed: str = click.prompt(question, default="", show_default=False)
    return typed.strip()


def _forget_what_was_typed() -> None:
    """What was typed before a question was shown does not answer it."""
    try:
        import termios  # noqa: PLC0415 (only Unix has it)
    except ImportError:
        return
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
