"""Converts the server's tools with one framework and prints what is left; `converters.py` runs it."""

# pyright: basic, reportMissingImports=false, reportArgumentType=false
import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

PACKAGES = {
    "google-genai": ("google-genai",),
    "litellm": ("litellm",),
    "smolagents": ("smolagents", "mcpadapt"),
    "langchain-google-genai": ("langchain-google-genai",),
    "llama-index": ("llama-index-core", "llama-index-tools-mcp"),
    "openai-agents": ("openai-agents",),
    "pydantic-ai": ("pydantic-ai-slim",),
}
"""The packages whose versions decide each result."""


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
    return [one.model_dump(mode="json", exclude_none=True) for one in converted]


def llama_index(tool):
    from llama_index.tools.mcp.tool_spec_mixins import TypeResolutionMixin  # noqa: F401
    from llama_index.tools.mcp.utils import McpToolSpec

    spec = McpToolSpec(client=SimpleNamespace())
    model = spec.create_model_from_json_schema(tool["inputSchema"], model_name=f"{tool['name']}_Schema")
    return model.model_json_schema()


def openai_agents(tool):
    from agents.mcp import MCPServerStdio
    from agents.mcp.util import MCPUtil
    from mcp.types import Tool

    server = MCPServerStdio({"command": "never started"})
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
            words = (str(error).splitlines() or [""])[0][:90]
            first = first or f"{tool['name']}: {type(error).__name__}: {words}"
            continue
        loaded += 1
        enums += count(converted, "enum")
        alternatives += count(converted, "anyOf")
    had_enums, had_alternatives = (sum(count(tool["inputSchema"], key) for tool in tools) for key in ("enum", "anyOf"))
    result = {
        "loaded": f"{loaded} of {len(tools)}",
        "enums": f"{enums} of {had_enums}",
        "lost": f"{max(0, had_alternatives - alternatives)} of {had_alternatives}",
        "error": first,
        "versions": ", ".join(version(package) for package in PACKAGES[name]),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
