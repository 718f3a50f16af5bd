"""Patterns of names in a policy."""

from fnmatch import fnmatchcase


def is_like(name: str, pattern: str) -> bool:
    """Whether a name that anyone may choose matches a pattern, in which only `*` stands for other text."""
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))
