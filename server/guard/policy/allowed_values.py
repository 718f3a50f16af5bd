"""Lists of allowed values, and how a value matches an entry."""

import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ....tools.text import clean, quoted
from .patterns import is_like

Matches = Callable[[str, str], bool]
"""Whether a value matches an entry of a list."""


def matches_name(value: str, pattern: str) -> bool:
    """Whether a name matches, exactly as Telnyx would compare it.

    Telnyx opens another conference for a name that looks the same: with another case, in full-width letters, with a
    dotless i or long s, or with invisible characters. Such names match only themselves and `*`.
    """
    return pattern == "*" or (is_like(value, pattern) and (value == pattern or _is_plain(value)))


def _is_plain(value: str) -> bool:
    return unicodedata.normalize("NFKC", value) == value and clean(value, len(value) + 1) == value


def equals(value: str, entry: str) -> bool:
    """Whether a value is the entry."""
    return value == entry


def has_prefix(value: str, prefix: str) -> bool:
    """Whether a value is an E.164 number that begins with the prefix."""
    digits = value.removeprefix("+")
    return digits != value and digits.isascii() and digits.isdecimal() and value.startswith(prefix)


@dataclass(frozen=True, slots=True)
class AllowedValues:
    """The allowed values of one kind: one list from each source that has one. A value must match every list."""

    kind: str
    """Describes the entries, as in "only conferences named"."""
    lists: tuple[Collection[str], ...]
    matches: Matches

    def problem(self, noun: str, value: str | None) -> str | None:
        """Why this value is not allowed, as a clause; None when it is allowed."""
        if value is None:
            return f"the {noun} is not known, and {self.rule}"
        if all(any(self.matches(value, entry) for entry in entries) for entries in self.lists):
            return None
        return f"the {noun} is {quoted(value)}, and {self.rule}"

    @property
    def rule(self) -> str:
        """What is allowed, as a clause."""
        return f"this server's policy lets only {self} be touched"

    def __str__(self) -> str:
        return f"{self.kind} {join_lists(self.lists)}"


def join_lists(lists: Sequence[Collection[str]]) -> str:
    """What all lists allow together, in words."""
    return ", and of those only ".join(" or ".join(entries) or "none" for entries in lists)
