"""Validates the arguments of a tool call: accepts what was evidently meant, and refuses the rest in plain sentences."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ...tools.base import Tool
from ...tools.schema import input_schema
from ...tools.text import quoted
from ...tools.voices import PROVIDER_FIELDS
from ..errors import CallRefused

_ADDED_BY_HOSTS = frozenset({"wait_for_previous"})
"""Arguments that hosts add to every tool: Gemini CLI's `wait_for_previous`."""
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
_WORDS = re.compile(r"[a-z][^@]*")
"""Ids or types. Not a phone number or SIP URI, in which commas are pauses."""
_BOOLEANS = {"true": True, "false": False}


class InvalidArguments(CallRefused):
    """The arguments are not valid."""

    outcome = "invalid arguments"


def parse(command: type[Tool], arguments: Mapping[str, Any]) -> Tool:
    """The command with these arguments.

    Raises `InvalidArguments` with one plain sentence for each argument that is wrong. The sentences do not repeat the
    values, which may be digits or words that must not be logged.
    """
    try:
        return command.model_validate(intended(command, arguments), strict=True)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        precise = {error["loc"][0] for error in errors if error["loc"] and not _is_alternative(error)}
        errors = [error for error in errors if not (_is_alternative(error) and error["loc"][0] in precise)]
        sentences = dict.fromkeys(_sentence(command, error) for error in errors)
        raise InvalidArguments(f"{command.tool_name()} was not called: {' '.join(sentences)}") from None


def intended(command: type[Tool], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as they were meant, as far as that is unambiguous.

    Hosts and models send numbers, booleans, lists and objects as strings, `10.0` for 10, a number for digits, one value
    (or several, with commas) instead of a list, and null or an empty string for an argument that they leave out.
    Anything else stays as it is, for validation.
    """
    schema = input_schema(command)
    extra = _ADDED_BY_HOSTS - schema["properties"].keys()
    return _intended_object({name: value for name, value in arguments.items() if name not in extra}, schema)


def _intended_object(fields: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    return {
        name: _intended_value(value, properties.get(name, {}))
        for name, value in fields.items()
        if not (name in properties and name not in required and _is_left_out(value, properties[name]))
    }


def _is_left_out(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value means that an optional argument is left out. Some patterns make the empty string a value."""
    is_empty = value == "" and not ("pattern" in schema and re.search(schema["pattern"], ""))
    return value is None or is_empty


def _intended_value(value: Any, schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            value = _from_json(value, "{")
            return _intended_object(cast("dict[str, Any]", value), schema) if isinstance(value, dict) else value
        case "array":
            return _intended_list(_from_json(value, "["), schema)
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


def _intended_list(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value and not value.lstrip().startswith("["):  # a broken list is no single entry
        value = [part.strip() for part in value.split(",")] if _WORDS.fullmatch(value) else [value]
    if not isinstance(value, list):
        return value
    return [_intended_value(item, schema.get("items", {})) for item in cast("list[Any]", value)]


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


def _properties(command: type[Tool]) -> dict[str, Any]:
    """The schemas of a command's arguments, by name."""
    return input_schema(command)["properties"]


def _is_alternative(error: ErrorDetails) -> bool:
    """Whether the error only says that an argument is not the other type that it could be."""
    return error["type"] in ("list_type", "literal_error", "string_type") and [*map(type, error["loc"])] == [str, str]


def _sentence(command: type[Tool], error: ErrorDetails) -> str:
    if not error["loc"]:  # a rule between arguments
        return f"{_message(error)}."
    name = str(error["loc"][0])
    schema = _properties(command).get(name)
    if schema is None:
        return _unknown(command, name)
    if name == "voice_settings":
        return _voice_settings(error)
    return _SENTENCES.get(error["type"], _wrong_value)(error, schema)


def _missing(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    return f"{_path(error, schema)} is missing: {_expected(error, schema)}."


def _unknown_field(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    fields = _fields(_at(schema, _steps(error, schema)[:-1]))
    return f"There is no {quoted(_path(error, schema))}; it takes {', '.join(fields)}."


def _broken_rule(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    message = _message(error)
    return f"{_path(error, schema)}{' ' if message.startswith('must ') else ': '}{message}."


def _wrong_value(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    return f"{_path(error, schema)} must be {_expected(error, schema)}."


def _too_short(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    is_list = _at(schema, _steps(error, schema)).get("type") == "array"
    return f"{_path(error, schema)} must not be an empty list." if is_list else _wrong_value(error, schema)


def _expected(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """The expected value, with the argument's description."""
    node = _at(schema, _steps(error, schema))
    description = str(node.get("description", "")).rstrip(".")
    return f"{expectation(node)} ({description})" if description else expectation(node)


_SENTENCES = {
    "missing": _missing,
    "extra_forbidden": _unknown_field,
    "too_short": _too_short,
    "value_error": _broken_rule,
}
"""The sentence for a type of pydantic error; others say what was expected."""


def _message(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _unknown(command: type[Tool], name: str) -> str:
    properties = _properties(command)
    near = difflib.get_close_matches(name, properties, n=1, cutoff=0.6)
    suggestion = f" Did you mean {near[0]}?" if near else ""
    return f"There is no argument {quoted(name, 60)}.{suggestion} It takes {', '.join(properties) or 'none'}."


def _steps(error: ErrorDetails, schema: Mapping[str, Any]) -> list[str | int]:
    """The path to what is wrong, without pydantic's names for the branches of a union."""
    name, *rest = error["loc"]
    steps: list[str | int] = [name]
    for step in rest:
        node = _at(schema, steps)
        if isinstance(step, int) or step in node.get("properties", ()) or (node.get("type") == "object"):
            steps.append(step)
    return steps


def _path(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    steps = _steps(error, schema)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _at(schema: Mapping[str, Any], steps: Sequence[str | int]) -> Mapping[str, Any]:
    """The part of an argument's schema that the path leads to."""
    for step in steps[1:]:
        schema = (
            schema.get("items", schema) if isinstance(step, int) else schema.get("properties", {}).get(step, schema)
        )
    return schema


def _fields(schema: Mapping[str, Any]) -> Sequence[str]:
    """The fields of an object."""
    return list(schema.get("properties", ()))


def _voice_settings(error: ErrorDetails) -> str:
    provider, *path = (str(step) for step in (*error["loc"][1:], ""))
    if provider not in PROVIDER_FIELDS:
        return f"voice_settings must be an object whose type is one of {', '.join(PROVIDER_FIELDS)}."
    fields = PROVIDER_FIELDS[provider]
    if path[0] in fields:
        return f"voice_settings.{path[0]} {_message(error).replace('Input should', 'must')}."
    takes = ", ".join(fields) or "no other field"
    return f"voice_settings.{path[0]} is not right: with type {provider} it takes {takes}."


def expectation(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: `one of US, Europe`, `a whole number from 2 to 800`."""
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    return _EXPECTATIONS.get(str(schema.get("type")), _expect_object)(schema)


def _expect_number(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    if least is not None and most is not None:
        return f"{kind} from {least} to {most}"
    return f"{kind} of at most {most}" if most is not None else kind


def _expect_text(schema: Mapping[str, Any]) -> str:
    if "pattern" in schema:
        return f"text that matches {schema['pattern']}"
    least, most = schema.get("minLength"), schema.get("maxLength")
    if most is not None:
        return f"text of {f'{least} to' if least else 'at most'} {most} characters"
    return f"text of at least {least} characters" if least else "text"


def _expect_list(schema: Mapping[str, Any]) -> str:
    return "a list with at least one entry" if schema.get("minItems") else "a list"


def _expect_object(schema: Mapping[str, Any]) -> str:
    fields = _fields(schema)
    return f"an object with {', '.join(fields)}" if fields else "an object"


def _expect_flag(schema: Mapping[str, Any]) -> str:
    return "true or false"


_EXPECTATIONS = {
    "integer": _expect_number,
    "number": _expect_number,
    "string": _expect_text,
    "array": _expect_list,
    "boolean": _expect_flag,
}
