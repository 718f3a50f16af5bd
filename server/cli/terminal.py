"""The person at the terminal: whether there is one, their name, and what they type."""

import getpass
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from ...tools.text import clean
from ..adapters.approval_help import program as full_command

try:
    import termios
except ImportError:  # Windows does not have it
    termios = None

_ANSWERS: dict[str, bool | None] = {"y": True, "yes": True, "n": False, "no": False, "": None}


def program() -> str:
    """What a person types to run this program: its name if the shell finds it, else its full path."""
    command = full_command()
    installed = shutil.which("telnyx-conferencing")
    is_on_path = installed is not None and Path(installed).resolve() == Path(command[0]).resolve()
    return "telnyx-conferencing" if is_on_path else shlex.join(command)


class CommandFailed(click.ClickException):
    """The command did not do its work; the message says why. The exit code is 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        print_error(self.message)


def print_error(message: str) -> None:
    """Print an error on stderr. Nothing in it, such as the name of a file, can control the terminal."""
    text = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in message)
    click.echo(f"telnyx-conferencing: {text}", err=True)


def is_terminal() -> bool:
    """Whether a person can read what is printed and type an answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def require_terminal(action: str) -> None:
    """Raise `CommandFailed` unless stdin and stdout are a terminal. `action`: such as `Approving`.

    This stops honest programs, such as an agent that runs commands through pipes. It does not stop a program that
    creates a terminal of its own: an agent must not run as the user who answers its requests.
    """
    if not is_terminal():
        raise CommandFailed(
            f"{action} needs a person at a terminal, and stdin or stdout is not one: an agent that can run commands "
            "must not do it. Nothing was changed."
        )


@contextmanager
def progress(text: str) -> Generator[None]:
    """Show on stderr, if it is a terminal, that something takes a while. `text`: such as `checking`."""
    visible = sys.stderr.isatty()
    if visible:
        click.echo(f"{text} ...", nl=False, err=True)
    try:
        yield
    finally:
        if visible:
            click.echo(f"\r{'':{len(text) + 4}}\r", nl=False, err=True)


def current_user() -> str:
    """The user who runs this command, as the audit names them: `anna@desk at a terminal`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # this user has no name, as in a container
        user = f"user {os.getuid()}"
    place = " at a terminal" if is_terminal() else ""
    return clean(f"{user}@{socket.gethostname()}", 200) + place


def confirm(question: str) -> bool:
    """Whether the person types yes; Enter means no. Raises `click.Abort` for Ctrl-C or Ctrl-D."""
    _discard_typed_ahead()
    return click.confirm(question, default=False)


def ask_yes_no(question: str) -> bool | None:
    """True for yes, False for no, None for Enter. Raises `click.Abort` for Ctrl-C or Ctrl-D."""
    _discard_typed_ahead()
    while (answer := _prompt(question).lower()) not in _ANSWERS:
        pass
    return _ANSWERS[answer]


def ask_text(question: str) -> str | None:
    """The text that the person types; None for Enter. Raises `click.Abort` for Ctrl-C or Ctrl-D."""
    return _prompt(question) or None


def _prompt(question: str) -> str:
    answer: str = click.prompt(question, default="", show_default=False)
    return answer.strip()


def _discard_typed_ahead() -> None:
    """What was typed before a question appeared does not answer it."""
    if termios is not None:
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
