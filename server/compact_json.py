"""JSON as it is kept and sent: without spaces, every character as it is."""

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json


def compact_json(value: Any, unknown: Callable[[Any], Any] = str) -> str:
    """A value as JSON. `unknown` makes something of what JSON has no form for.

    Half a surrogate pair stays one, which no encoding takes. Raises `RecursionError`, `TypeError` or `ValueError` for
    what cannot be written.
    """
    try:
        return to_json(value, fallback=unknown, inf_nan_mode="constants").decode()
    except ValueError:  # what is quicker takes less
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=unknown)
