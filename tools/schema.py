"""The JSON schemas of tools, without redundant bytes."""

import copy
from functools import cache
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .base import Tool


class _Lean(GenerateJsonSchema):
    """Without titles, nulls and null defaults: an argument that may be left out is one that is not required."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:
        rendered = super().generate(schema, mode)
        definitions = rendered.pop("$defs", {})
        return _inlined(rendered, definitions)


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema with every `$ref` replaced by what it names (none is recursive), without titles, and without
    types that an enumeration already says."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    fields = cast("dict[str, Any]", node)
    if "$ref" in fields:
        named = copy.deepcopy(definitions[fields["$ref"].rpartition("/")[2]])
        fields = named | {key: value for key, value in fields.items() if key != "$ref"}
    redundant = {"title", "type"} if fields.keys() & {"enum", "const"} else {"title"}
    return {
        key: _inlined(value, definitions)
        for key, value in fields.items()
        if key not in redundant or not isinstance(value, str)
    }


def input_schema(tool: type[Tool]) -> dict[str, Any]:
    """The arguments of a tool."""
    schema = tool.model_json_schema(schema_generator=_Lean)
    del schema["description"]
    if tool.exclusive:
        # Hosts refuse oneOf, anyOf and not at the top of a tool's schema; this says the same.
        schema["dependentSchemas"] = {first: {"properties": {other: False}} for first, other in tool.exclusive}
    return schema


@cache
def output_schema(result: type[BaseModel]) -> dict[str, Any]:
    """What a tool returns; made once for all the tools that return the same."""
    schema = result.model_json_schema(schema_generator=_Lean, mode="serialization")
    schema.pop("description", None)
    return schema
