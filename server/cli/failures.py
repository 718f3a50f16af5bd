"""What a failed command prints, and its exit code."""

import os
import sys
import traceback
from typing import cast

import click

from ..database import StoreError
from ..settings import PREFIX, SettingsError
from .terminal import print_error

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells: 128 plus the number of SIGINT."""


def report(error: BaseException) -> int:
    """Print an error as one sentence on stderr, and return the exit code.

    1: the command failed. 2: an option, a setting, a policy or the store is wrong. 130: interrupted.
    """
    original, error = error, _cause(error)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing at exit does not fail too
        return 1
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, SettingsError | StoreError):
        print_error(str(error))
        return 2
    _report_unexpected(error, original)
    return 1


def _cause(error: BaseException) -> BaseException:
    """The error itself, or the first one in an exception group, an expected one first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [_cause(inner) for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions]
    expected = (KeyboardInterrupt, click.ClickException, SettingsError, StoreError, BrokenPipeError)
    return next((cause for cause in causes if isinstance(cause, expected)), causes[0])


def _report_unexpected(error: BaseException, original: BaseException) -> None:
    if os.environ.get(f"{PREFIX}LOG_LEVEL") == "debug":
        traceback.print_exception(original)
        return
    message = " ".join(str(error).split())[:500].rstrip(".") or "no further details"
    print_error(f"Unexpected error: {type(error).__name__}: {message}. Set {PREFIX}LOG_LEVEL=debug to see where.")
