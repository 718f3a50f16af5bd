"""Runs one example of docs/frameworks.md with a scripted model; `frameworks.py` runs it in an environment of its own.

`framework_probe.py NAME DOCUMENT`: the name stands beside the language of the example. It prints the versions and the
answer, and fails if the answer does not come from the tool that the model calls.
"""

# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false
import asyncio
import builtins
import re
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

PACKAGES = {
    "mcp": ("mcp",),
    "http": ("mcp",),
    "http-token": ("mcp",),
    "openai-agents": ("openai-agents", "mcp"),
    "pydantic-ai": ("pydantic-ai-slim", "mcp"),
    "langgraph": ("langgraph", "langchain-mcp-adapters", "mcp"),
    "google-adk": ("google-adk", "mcp"),
}
"""The packages whose versions decide each result."""
TOOL, ARGUMENTS = "list_queue_calls", {"queue_name": "support"}
EXPECTED = "3 calls: 1. '+12025550111'"
STARTING_S = 60


def openai_agents():
    import json

    from agents import Model, ModelResponse, Usage, set_tracing_disabled
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    set_tracing_disabled(True)

    class Scripted(Model):
        async def get_response(self, *args, **given):
            last = given["input"][-1] if isinstance(given["input"], list) else {}
            if last.get("type") != "function_call_output":
                call = ResponseFunctionToolCall(
                    arguments=json.dumps(ARGUMENTS), call_id="1", name=TOOL, type="function_call"
                )
                return ModelResponse([call], Usage(), None)
            text = ResponseOutputText(text=str(last["output"]), type="output_text", annotations=[])
            message = ResponseOutputMessage(
                id="1", content=[text], role="assistant", status="completed", type="message"
            )
            return ModelResponse([message], Usage(), None)

        def stream_response(self, *args, **given):
            raise NotImplementedError

    return Scripted()


def pydantic_ai():
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    def respond(messages, info):
        last = messages[-1].parts[-1]
        if isinstance(last, ToolReturnPart):
            return ModelResponse([TextPart(str(last.content))])
        return ModelResponse([ToolCallPart(TOOL, ARGUMENTS)])

    return FunctionModel(respond)


def langgraph():
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self):
            return "scripted"

        def bind_tools(self, tools, **given):
            return self

        def _generate(self, messages, stop=None, run_manager=None, **given):
            last = messages[-1]
            if isinstance(last, ToolMessage):
                message = AIMessage(content=last.text)
            else:
                message = AIMessage(content="", tool_calls=[{"name": TOOL, "args": ARGUMENTS, "id": "1"}])
            return ChatResult(generations=[ChatGeneration(message=message)])

    return Scripted()


def google_adk():
    from google.adk.models import BaseLlm, LlmResponse
    from google.genai import types

    class Scripted(BaseLlm):
        async def generate_content_async(self, llm_request, stream=False):
            response = llm_request.contents[-1].parts[-1].function_response
            if response is not None:
                part = types.Part(text=str(response.response))
            else:
                part = types.Part(function_call=types.FunctionCall(name=TOOL, args=ARGUMENTS))
            yield LlmResponse(content=types.Content(role="model", parts=[part]))

    return Scripted(model="scripted")


MODELS = {
    "openai-agents": openai_agents,
    "pydantic-ai": pydantic_ai,
    "langgraph": langgraph,
    "google-adk": google_adk,
}


def with_token(main):
    """The answer of an example that connects with a token to a server that requires one."""
    with tempfile.TemporaryDirectory() as directory:
        store = ("--database", f"sqlite:///{directory}/events.db")
        create = ("telnyx-conferencing", "tokens", "create", "anna", "--scope", "conferences:read", *store)
        token = subprocess.run(create, capture_output=True, text=True, check=True).stdout.strip()
        return over_http(partial(main, token), "--require-tokens", *store)


def over_http(main, *options):
    """The answer of an example that connects to a server over HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["telnyx-conferencing", "serve", "--sandbox", "--transport", "http", "--port", str(port), *options],
        stderr=subprocess.DEVNULL,
    )
    try:
        give_up = time.monotonic() + STARTING_S
        while time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        return asyncio.run(main(f"http://127.0.0.1:{port}/mcp"))
    finally:
        server.terminate()
        server.wait()


OVER_HTTP = {"http": over_http, "http-token": with_token}


def run():
    name, document = sys.argv[1], Path(sys.argv[2])
    [example] = re.findall(rf"^```python {name}\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)
    asked = []
    builtins.input = lambda question="": asked.append(question) or "approve"
    names = {}
    exec(compile(example, f"{document.name}: {name}", "exec"), names)
    if name in OVER_HTTP:
        answer = OVER_HTTP[name](names["main"])
    else:
        answer = asyncio.run(names["main"](*([MODELS[name]()] if name in MODELS else [])))
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES[name])
    print(f"{versions}: {answer[:60]!r}{', asked a person' if asked else ''}")
    return int(EXPECTED.replace("'", "") not in answer.replace("'", "").replace("\\", ""))


if __name__ == "__main__":
    sys.exit(run())
