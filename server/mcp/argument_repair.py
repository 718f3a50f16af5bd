"""Repairs the types of arguments that hosts and models send in another form than the schema says."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from ...tools.base import Tool
from ...tools.schema import input_schema

_ADDED_BY_HOSTS = frozenset({"wait_for_previous"})
"""Arguments that hosts add to every tool: Gemini CLI's `wait_for_previous`."""
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
_WORDS = re.compile(r"[a-z][^@]*")
"""Ids or types. Not a phone number or SIP URI, in which commas are pauses."""
_BOOLEANS = {"true": True, "false": False}


def repair_arguments(command: type[Tool], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in the types of the tool's schema, where the meaning of what was sent is unambiguous.

    Hosts and models send numbers, booleans, lists and objects as strings, `10.0` for 10, a number for digits, one value
    (or several, with commas) instead of a list, and null or an empty string for an argument that they leave out.
    Everything else is left unchanged, for validation.
    """
    schema = input_schema(command)
    extra = _ADDED_BY_HOSTS - schema["properties"].keys()
    return _repair_object({name: value for name, value in arguments.items() if name not in extra}, schema)


def _repair_object(fields: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    return {
        name: _repair_value(value, properties.get(name, {}))
        for name, value in fields.items()
        if not (name in properties and name not in required and _is_left_out(value, properties[name]))
    }


def _is_left_out(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value means that an optional argument is left out. Some patterns make the empty string a value."""
    is_empty = value == "" and not ("pattern" in schema and re.search(schema["pattern"], ""))
    return value is None or is_empty


def _repair_value(value: Any, schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            value = _from_json(value, "{")
            return _repair_object(cast("dict[str, Any]", value), schema) if isinstance(value, dict) else value
        case "array":
            return _repair_list(_from_json(value, "["), schema)
        case "integer":
            text = str(value) if isinstance(value, str | float) else ""
            return int(text.partition(".")[0]) if _WHOLE_NUMBER.fullmatch(text) else value
        case "string":
            is_number = isinstance(value, int) and not isinstance(value, bool)
            return str(value) if is_number and re.search(schema.get("pattern", "$^"), str(value)) else value
        case "boolean":
            return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value
        case _:
            return value


def _repair_list(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value and not value.lstrip().startswith("["):  # a broken list is no single entry
        value = [part.strip() for part in value.split(",")] if _WORDS.fullmatch(value) else [value]
    if not isinstance(value, list):
        return value
    return [_repair_value(item, schema.get("items", {})) for item in cast("list[Any]", value)]


def _from_json(value: Any, start: str) -> Any:
    """The list or object in a string, else the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith(start):
        return value
    try:
        parsed = json.loads(value)
        json.dumps(parsed, ensure_ascii=False).encode()  # an escaped half of a pair is no character
    except (ValueError, RecursionError):
        return value
    return parsed
