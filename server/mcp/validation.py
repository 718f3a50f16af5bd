"""The arguments of a tool call: read exactly, and refused in plain sentences."""

import difflib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ...tools.base import Tool
from ...tools.schema import input_schema
from ...tools.text import quoted
from ...tools.voices import PROVIDER_FIELDS
from ..errors import CallRefused
from .instructions import GLOSSARY


class InvalidArguments(CallRefused):
    """The arguments are not what the schema says."""

    outcome = "invalid arguments"


def parse(command: type[Tool], arguments: Mapping[str, Any]) -> Tool:
    """The command with these arguments, exactly as the schema has them.

    Raises `InvalidArguments` with one plain sentence for each argument that is wrong. The values are not repeated: they
    may be digits or words that must not be kept.
    """
    try:
        return command.model_validate(_unwrapped(command, arguments), strict=True)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        lists = {error["loc"][0] for error in errors if len(error["loc"]) > 1 and isinstance(error["loc"][-1], int)}
        told = [error for error in errors if not (_is_word(error) and error["loc"][0] in lists)]
        sentences = dict.fromkeys(_sentence(command, error) for error in told)
        raise InvalidArguments(f"{command.tool_name()} was not called: {' '.join(sentences)}") from None


def _unwrapped(command: type[Tool], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Some hosts send lists and objects as JSON in a string: read them as what they are."""
    properties = _properties(command)
    return {name: _from_string(value, properties.get(name, {})) for name, value in arguments.items()}


def _from_string(value: Any, schema: Mapping[str, Any]) -> Any:
    structured = schema.get("type") in ("object", "array") or "anyOf" in schema
    if not structured or not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


@cache
def _properties(command: type[Tool]) -> dict[str, Any]:
    """The schemas of a command's arguments, by name."""
    return input_schema(command)["properties"]


def _is_word(error: ErrorDetails) -> bool:
    """Whether it says that an argument is not the word it could be: idle where it is a list with a wrong entry."""
    return error["type"] in ("literal_error", "string_type") and [*map(type, error["loc"])] == [str, str]


def _sentence(command: type[Tool], error: ErrorDetails) -> str:
    if not error["loc"]:  # a rule between arguments, in its own words
        return f"{_own_words(error)}."
    name = str(error["loc"][0])
    schema = _properties(command).get(name)
    if schema is None:
        return _unknown(command, name)
    if name == "voice_settings":
        return _voice_settings(error)
    if error["loc"][-1] == "[key]":
        return _foreign({**error, "loc": error["loc"][:-1]}, schema)
    return _WORDS.get(error["type"], _otherwise)(error, schema)


def _missing(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    return f"{_dotted(error, schema)} is missing: {_wanted(error, schema)}."


def _foreign(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    takes = _names(_at(schema, _steps(error, schema)[:-1]))
    return f"There is no {quoted(_dotted(error, schema))}; it takes {', '.join(takes)}."


def _ruled(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    said = _own_words(error)
    return f"{_dotted(error, schema)}{' ' if said.startswith('must ') else ': '}{said}."


def _otherwise(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    return f"{_dotted(error, schema)} must be {_wanted(error, schema)}."


def _wanted(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """What the argument is to be: by its schema, and in the words of the glossary."""
    meaning = GLOSSARY.get(_dotted(error, schema))
    expected = expectation(_at(schema, _steps(error, schema)))
    return f"{expected} ({meaning})" if meaning else expected


_WORDS = {"missing": _missing, "extra_forbidden": _foreign, "value_error": _ruled}
"""How each of pydantic's types of error is said; the rest by what is expected."""


def _own_words(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _unknown(command: type[Tool], name: str) -> str:
    properties = _properties(command)
    near = difflib.get_close_matches(name, properties, n=1, cutoff=0.6)
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"There is no argument {quoted(name, 60)}.{meant} It takes {', '.join(properties) or 'none'}."


def _steps(error: ErrorDetails, schema: Mapping[str, Any]) -> list[str | int]:
    """The path to what is wrong, without pydantic's name for the branch of a union."""
    name, *rest = error["loc"]
    return [name, *(rest[1:] if "anyOf" in schema else rest)]


def _dotted(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    steps = _steps(error, schema)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _at(schema: Mapping[str, Any], steps: Sequence[str | int]) -> Mapping[str, Any]:
    """The part of an argument's schema that the path leads to."""
    for step in steps[1:]:
        schema = _entry(schema) if isinstance(step, int) else _value(schema, step)
    return schema


def _entry(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    choices: list[Mapping[str, Any]] = [schema, *schema.get("anyOf", ())]
    return next((choice["items"] for choice in choices if "items" in choice), schema)


def _value(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return schema.get("properties", {}).get(name) or schema.get("additionalProperties") or schema


def _names(schema: Mapping[str, Any]) -> Sequence[str]:
    """The fields of an object."""
    return list(schema.get("properties", ())) or schema.get("propertyNames", {}).get("enum", ())


def _voice_settings(error: ErrorDetails) -> str:
    provider, *path = (str(step) for step in (*error["loc"][1:], ""))
    if provider not in PROVIDER_FIELDS:
        return f"voice_settings must be an object whose type is one of {', '.join(PROVIDER_FIELDS)}."
    fields = ", ".join(PROVIDER_FIELDS[provider]) or "no other field"
    return f"voice_settings.{path[0]} is not right: with type {provider} it takes {fields}."


def expectation(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: `one of US, Europe`, `a whole number from 2 to 800`."""
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        return " or ".join(expectation(choice) for choice in schema["anyOf"])
    return _EXPECTED.get(str(schema.get("type")), _expect_object)(schema)


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
    names = _names(schema)
    return f"an object with {', '.join(names)}" if names else "an object"


def _expect_flag(schema: Mapping[str, Any]) -> str:
    return "true or false"


_EXPECTED = {
    "integer": _expect_number,
    "number": _expect_number,
    "string": _expect_text,
    "array": _expect_list,
    "boolean": _expect_flag,
}
