"""JSON schemas of tools, in the subset of JSON Schema that every host and converter understands.

Google's SDK fails on `additionalProperties`, LiteLLM loses an `enum` without `type`, others fail on a node without a
type. The server itself checks arguments by the classes, which say more than these schemas.

They are read from the fields of the classes. To generate them, pydantic would first build the validators of all tools,
most of which are never called, and the first `tools/list` would wait for that.
"""

from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from .base import Tool

KEYWORDS = frozenset(
    {"type", "description", "enum", "items", "properties", "required", "default", "pattern"}
    | {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
)
"""The only keywords in a listed schema."""

_TYPES: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object"}
_LIMITS = {"ge": "minimum", "le": "maximum", "pattern": "pattern", "min_length": "minLength", "max_length": "maxLength"}
"""Keywords by pydantic's names of limits."""
_OF_LISTS = {"minLength": "minItems", "maxLength": "maxItems"}


@cache
def input_schema(tool: type[Tool]) -> dict[str, Any]:
    """The arguments of a tool; the same object each time."""
    return _object(tool, is_output=False)


@cache
def output_schema(result: type[BaseModel]) -> dict[str, Any]:
    """The result of a tool; the same object for all tools with the same result."""
    return _object(result, is_output=True)


def _object(model: type[BaseModel], *, is_output: bool) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    listed = {name: field for name, field in fields.items() if not (is_output and field.exclude)}
    schema: dict[str, Any] = {
        "properties": {name: _schema(field.annotation, field, is_output=is_output) for name, field in listed.items()}
    }
    if required := [name for name, field in listed.items() if field.is_required()]:
        schema["required"] = required
    return schema | {"type": "object"}


def _schema(kind: Any, *notes: Any, is_output: bool) -> dict[str, Any]:
    """The schema of a type with notes, which it has in `Annotated`. None is left out: it is no value, but its lack."""
    origin, arguments = get_origin(kind), [argument for argument in get_args(kind) if argument is not NoneType]
    if origin is Annotated or (origin in (Union, UnionType) and len(arguments) == 1):
        return _schema(*arguments, *notes, is_output=is_output)
    flat = [note for outer in notes for note in (*getattr(outer, "metadata", ()), outer)]
    written = next((dict(note.json_schema or {}) for note in flat if isinstance(note, WithJsonSchema)), None)
    schema = _of_type(kind, is_output=is_output) if written is None else written
    for note in flat:
        if isinstance(note, FieldInfo):
            schema |= _described(note)
        else:
            limits = {keyword: getattr(note, name) for name, keyword in _LIMITS.items() if hasattr(note, name)}
            schema |= {_OF_LISTS[key] if origin is list else key: limit for key, limit in limits.items()}
    return dict(sorted(schema.items()))


def _of_type(kind: Any, *, is_output: bool) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments), "type": "string"}
    if origin is list:
        return {"items": _schema(arguments[0], is_output=is_output), "type": "array"}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        doc = {"description": kind.__doc__} if kind.__doc__ else {}
        return doc | _object(kind, is_output=is_output)
    return {"type": _TYPES[origin or kind]}


def _described(field: FieldInfo) -> dict[str, Any]:
    described = {"description": field.description} if field.description else {}
    has_default = not (field.is_required() or field.default is None or field.default is False)
    return described | ({"default": field.default} if has_default else {})
