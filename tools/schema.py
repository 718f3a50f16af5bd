"""JSON schemas of tools, in the subset of JSON Schema that every host and converter understands.

Google's SDK fails on `additionalProperties`, LiteLLM loses an `enum` without `type`, others fail on a node without a
type. The server itself checks arguments by the classes, which say more than these schemas.
"""

import copy
from functools import cache
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .base import Tool

KEYWORDS = frozenset(
    {"type", "description", "enum", "items", "properties", "required", "anyOf", "default", "format", "pattern"}
    | {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
)
"""The only keywords in a listed schema; the only `format` is date-time."""
DATE_TIME = "date-time"


class _CommonSubset(GenerateJsonSchema):
    """Generates schemas without titles, nulls, null defaults, references and uncommon keywords."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if (default := schema.get("default")) is None or default is False:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:
        rendered = super().generate(schema, mode)
        return _simplified(rendered, rendered.pop("$defs", {}))


def _simplified(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A node with every `$ref` inlined (none is recursive), and with common keywords only."""
    if "$ref" in node:
        referenced = copy.deepcopy(definitions[node["$ref"].rpartition("/")[2]])
        node = referenced | {key: value for key, value in node.items() if key != "$ref"}
    if "const" in node:
        node = node | {"enum": [node["const"]]}
    result = {key: value for key, value in node.items() if key in KEYWORDS}
    if result.get("format") not in (None, DATE_TIME):
        del result["format"]
    if "items" in result:
        result["items"] = _simplified(result["items"], definitions)
    if "anyOf" in result:
        result["anyOf"] = [_simplified(choice, definitions) for choice in result["anyOf"]]
    if "properties" in result:
        properties = cast("dict[str, dict[str, Any]]", result["properties"])
        result["properties"] = {name: _simplified(value, definitions) for name, value in properties.items()}
    return result


def input_schema(tool: type[Tool]) -> dict[str, Any]:
    """The arguments of a tool."""
    schema = tool.model_json_schema(schema_generator=_CommonSubset)
    del schema["description"]
    return schema


@cache
def output_schema(result: type[BaseModel]) -> dict[str, Any]:
    """The result of a tool; the same object for all tools with the same result."""
    schema = result.model_json_schema(schema_generator=_CommonSubset, mode="serialization")
    schema.pop("description", None)
    return schema
