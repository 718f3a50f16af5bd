"""What a configuration's text supports: read, set and remove one server, and leave every other byte unchanged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]
"""A server as a configuration holds it."""


class Unreadable(Exception):
    """A configuration that its host could not read. The message says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How to edit a configuration in one format.

    `section` is the name of the table of servers, `name` the name of one server in it. All raise `Unreadable`.
    """

    read: Callable[[str, str, str], Entry | None]
    """Text, section, name: the server, or None if it is not there."""
    put: Callable[[str, str, str, Entry], str]
    """Text, section, name, server: the text with the server added or replaced."""
    take: Callable[[str, str, str], str]
    """Text, section, name: the text without the server."""
