"""Reads the front matter of a Markdown file: YAML between two lines of three dashes, before the text."""

from typing import Any, cast

import yaml

_DELIMITER = "---\n"


class PromptError(ValueError):
    """A file is not valid; the message says which and why."""


def split_front_matter(text: str, name: str) -> tuple[dict[str, Any], str]:
    """The front matter (empty if there is none) and the text of the file `name`. Raises `PromptError`."""
    if not text.startswith(_DELIMITER):
        return {}, text
    head, delimiter, body = text.removeprefix(_DELIMITER).partition(f"\n{_DELIMITER}")
    if not delimiter:
        raise PromptError(f"{name}: its front matter does not end with a line of three dashes")
    try:
        fields: Any = yaml.safe_load(head)
    except yaml.YAMLError as problem:
        raise PromptError(f"{name}: its front matter is not valid YAML: {problem}") from None
    if not isinstance(fields, dict):
        raise PromptError(f"{name}: its front matter must be a mapping")
    return cast("dict[str, Any]", fields), body.strip("\n")
