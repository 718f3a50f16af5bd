"""Compact JSON: no spaces, and characters as they are instead of escaped."""

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json


def compact_json(value: Any, unknown: Callable[[Any], Any] = str) -> str:
    """A value as JSON. `unknown` converts what JSON has no form for.

    A lone surrogate stays in the text, which then cannot be encoded as UTF-8. Raises `RecursionError`, `TypeError` or
    `ValueError` for a value that cannot be written.
    """
    try:
        return to_json(value, fallback=unknown, inf_nan_mode="constants").decode()
    except ValueError:  # the standard library is slower and takes more, such as lone surrogates
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=unknown)
