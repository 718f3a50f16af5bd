"""JSON: how it is written, how deep values that come in may be nested, and how fields of any type are read."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from pydantic_core import to_json

MAX_NESTING = 64
"""Levels of objects and lists in a value that comes in. Telnyx uses six. Deeper values may fail when they are processed
or written, where Python limits recursion."""


def compact_json(value: Any, unknown: Callable[[Any], Any] = str) -> str:
    """A value as JSON, without spaces and with characters as they are. `unknown` converts what JSON has no form for.

    A lone surrogate stays in the text, which then cannot be encoded as UTF-8. Raises `RecursionError`, `TypeError` or
    `ValueError` for a value that cannot be written.
    """
    try:
        return to_json(value, fallback=unknown, inf_nan_mode="constants").decode()
    except ValueError:  # the standard library is slower and takes more, such as lone surrogates
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=unknown)


def is_too_deep(value: object) -> bool:
    """Whether a value is nested more than `MAX_NESTING` levels."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def children(value: object) -> Collection[object]:
    """The values in an object or a list. Other values have none."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def as_object(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object; an empty object for any other value."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def object_at(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object in a field; an empty object if the field is missing or has another type."""
    return as_object(fields.get(name))


def text_at(fields: Mapping[str, Any], name: str) -> str | None:
    """The text in a field; None if the field is missing or has another type."""
    value = fields.get(name)
    return value if isinstance(value, str) else None
