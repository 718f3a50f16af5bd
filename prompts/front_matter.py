"""The front matter of a Markdown file: YAML between two lines of three dashes, then the text."""

from typing import Any, cast

import yaml

_LINE = "---\n"


class PromptError(ValueError):
    """A file is not as it should be; the message says which and why, for whoever writes it."""


def parted(text: str, name: str) -> tuple[dict[str, Any], str]:
    """The front matter, empty if there is none, and the text of the file `name`. Raises `PromptError`."""
    if not text.startswith(_LINE):
        return {}, text
    head, line, body = text.removeprefix(_LINE).partition(f"\n{_LINE}")
    if not line:
        raise PromptError(f"{name}: its front matter has no end: a line of three dashes")
    try:
        given: Any = yaml.safe_load(head)
    except yaml.YAMLError as problem:
        raise PromptError(f"{name}: its front matter is not YAML: {problem}") from None
    if not isinstance(given, dict):
        raise PromptError(f"{name}: its front matter must be names and values")
    return cast("dict[str, Any]", given), body.strip("\n")
