"""Validates the arguments of a tool call, and refuses wrong ones in plain sentences."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ...tools.base import Tool
from ...tools.schema import input_schema
from ...tools.text import quoted
from ...tools.voices import PROVIDER_FIELDS
from ..errors import CallRefused
from .argument_repair import repair_arguments


class InvalidArguments(CallRefused):
    """The arguments are not valid."""

    outcome = "invalid arguments"


def parse(command: type[Tool], arguments: Mapping[str, Any]) -> Tool:
    """The command with these arguments.

    Raises `InvalidArguments` with one plain sentence for each argument that is wrong. The sentences do not repeat the
    values, which may be digits or words that must not be logged.
    """
    try:
        return command.model_validate(repair_arguments(command, arguments), strict=True)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        precise = {error["loc"][0] for error in errors if error["loc"] and not _is_alternative(error)}
        errors = [error for error in errors if not (_is_alternative(error) and error["loc"][0] in precise)]
        sentences = dict.fromkeys(_sentence(command, error) for error in errors)
        raise InvalidArguments(f"{command.tool_name()} was not called: {' '.join(sentences)}") from None


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
        return _say_unknown_argument(command, name)
    if name == "voice_settings":
        return _say_wrong_voice_settings(error)
    return _SENTENCES.get(error["type"], _say_wrong_value)(error, schema)


def _say_missing(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    return f"{_path(error, schema)} is missing: {_expected_value(error, schema)}."


def _say_unknown_field(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    fields = _fields(_schema_at(schema, _steps(error, schema)[:-1]))
    return f"There is no {quoted(_path(error, schema))}; it takes {', '.join(fields)}."


def _say_broken_rule(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    message = _message(error)
    return f"{_path(error, schema)}{' ' if message.startswith('must ') else ': '}{message}."


def _say_wrong_value(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    return f"{_path(error, schema)} must be {_expected_value(error, schema)}."


def _say_too_short(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    is_list = _schema_at(schema, _steps(error, schema)).get("type") == "array"
    return f"{_path(error, schema)} must not be an empty list." if is_list else _say_wrong_value(error, schema)


def _expected_value(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """The expected value, with the argument's description."""
    node = _schema_at(schema, _steps(error, schema))
    description = str(node.get("description", "")).rstrip(".")
    return f"{expectation(node)} ({description})" if description else expectation(node)


_SENTENCES = {
    "missing": _say_missing,
    "extra_forbidden": _say_unknown_field,
    "too_short": _say_too_short,
    "value_error": _say_broken_rule,
}
"""The sentence for a type of pydantic error; others say what was expected."""


def _message(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _say_unknown_argument(command: type[Tool], name: str) -> str:
    properties = _properties(command)
    near = difflib.get_close_matches(name, properties, n=1, cutoff=0.6)
    suggestion = f" Did you mean {near[0]}?" if near else ""
    return f"There is no argument {quoted(name, 60)}.{suggestion} It takes {', '.join(properties) or 'none'}."


def _steps(error: ErrorDetails, schema: Mapping[str, Any]) -> list[str | int]:
    """The path to what is wrong, without pydantic's names for the branches of a union."""
    name, *rest = error["loc"]
    steps: list[str | int] = [name]
    for step in rest:
        node = _schema_at(schema, steps)
        if isinstance(step, int) or step in node.get("properties", ()) or (node.get("type") == "object"):
            steps.append(step)
    return steps


def _path(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    steps = _steps(error, schema)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _schema_at(schema: Mapping[str, Any], steps: Sequence[str | int]) -> Mapping[str, Any]:
    """The part of an argument's schema that the path leads to."""
    for step in steps[1:]:
        schema = (
            schema.get("items", schema) if isinstance(step, int) else schema.get("properties", {}).get(step, schema)
        )
    return schema


def _fields(schema: Mapping[str, Any]) -> Sequence[str]:
    """The fields of an object."""
    return list(schema.get("properties", ()))


def _say_wrong_voice_settings(error: ErrorDetails) -> str:
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
