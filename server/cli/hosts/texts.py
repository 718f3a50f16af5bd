"""What the text of a configuration can do: read, set and take out one server, and leave every other byte as it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]
"""A server as a configuration holds it."""


class Unreadable(Exception):
    """A configuration that is not what its host reads. The message says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a configuration is written.

    `section` is the name of the table of servers, `name` that of one server in it. All raise `Unreadable`.
    """

    read: Callable[[str, str, str], Entry | None]
    """Text, section, name: the server, or None if it is not there."""
    put: Callable[[str, str, str, Entry], str]
    """Text, section, name, server: the text with the server added or replaced."""
    take: Callable[[str, str, str], str]
    """Text, section, name: the text without the server."""
