"""Converts the server's tools with one framework and prints what is left; `converters.py` runs it."""

# pyright: basic, reportMissingImports=false, reportArgumentType=false
import json
import sys
from pathlib import Path
from types import SimpleNamespace


def google_genai(tool):
    from google.genai import types
    from google.genai._mcp_utils import mcp_to_gemini_tool
    from mcp.types import Tool

    declaration = mcp_to_gemini_tool(Tool.model_validate(tool)).function_declarations[0]
    assert isinstance(declaration, types.FunctionDeclaration)
    return declaration.model_dump(mode="json", exclude_none=True)


def litellm(tool):
    from litellm.llms.vertex_ai.common_utils import _build_vertex_schema

    return _build_vertex_schema(json.loads(json.dumps(tool["inputSchema"])))


def smolagents(tool):
    from mcp.types import Tool
    from mcpadapt.smolagents_adapter import SmolAgentsAdapter

    adapted = SmolAgentsAdapter().adapt(lambda arguments: None, Tool.model_validate(tool))
    return adapted.inputs


def langchain_google_genai(tool):
    from langchain_google_genai._function_utils import convert_to_genai_function_declarations

    function = {"name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"]}
    converted = convert_to_genai_function_declarations([function])
    return json.loads(type(converted).to_json(converted)) if hasattr(type(converted), "to_json") else str(converted)


def llama_index(tool):
    from llama_index.tools.mcp.tool_spec_mixins import TypeResolutionMixin  # noqa: F401
    from llama_index.tools.mcp.utils import McpToolSpec

    spec = McpToolSpec(client=SimpleNamespace())
    model = spec.create_model_from_json_schema(tool["inputSchema"], model_name=f"{tool['name']}_Schema")
    return model.model_json_schema()


def openai_agents(tool):
    from agents.mcp.util import MCPUtil
    from mcp.types import Tool

    server = SimpleNamespace(name="telnyx", _get_needs_approval_for_tool=lambda tool, agent: False)
    function = MCPUtil.to_function_tool(Tool.model_validate(tool), server, convert_schemas_to_strict=True)
    return function.params_json_schema


def pydantic_ai(tool):
    from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

    return OpenAIJsonSchemaTransformer(json.loads(json.dumps(tool["inputSchema"])), strict=None).walk()


def count(node, key):
    """How often a non-empty keyword occurs anywhere in a schema."""
    if isinstance(node, dict):
        here = sum(1 for name in {key, "any_of" if key == "anyOf" else key} if node.get(name))
        return here + sum(count(value, key) for value in node.values())
    return sum(count(value, key) for value in node) if isinstance(node, list) else 0


def main():
    name, file = sys.argv[1], Path(sys.argv[2])
    convert = globals()[name.replace("-", "_")]
    tools = json.loads(file.read_text())
    loaded, enums, alternatives, first = 0, 0, 0, ""
    for tool in tools:
        try:
            converted = convert(tool)
        except Exception as error:
            first = (
                first
                or f"{tool['name']}: {type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}"
            )
            continue
        loaded += 1
        enums += count(converted, "enum")
        alternatives += count(converted, "anyOf")
    had_enums, had_alternatives = (sum(count(tool["inputSchema"], key) for tool in tools) for key in ("enum", "anyOf"))
    print(f"{loaded:>4}/{len(tools):<4} {enums:>4}/{had_enums:<4} {alternatives:>3}/{had_alternatives:<3}  {first}")
    return int(loaded < len(tools))


if __name__ == "__main__":
    sys.exit(main())
