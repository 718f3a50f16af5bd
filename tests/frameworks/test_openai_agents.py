"""The OpenAI Agents SDK runs the story: its own agent loop and MCP client, and a scripted model.

It has no way to ask a person: they answer where the refusal sends them, and the model repeats its call.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage
from agents.mcp import MCPServerStdio
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from support.commands import COMMAND
from support.guarded_server import code_in, decided
from support.webhooks import url_of

from .script import AGAIN, Script, Step

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ALONE = RunConfig(tracing_disabled=True)
"""Nothing is told to anybody outside."""


class Scripted(Model):
    """The script as a model of this framework. A person answers what it is refused for want of a yes."""

    def __init__(self, script: Script, database: Path, *, yes: bool) -> None:
        self._script = script
        self._database = database
        self._yes = yes

    async def get_response(self, *_: Any, **given: Any) -> ModelResponse:
        last: dict[str, Any] = given["input"][-1]
        if last.get("type") == "function_call_output":
            await self._hear(last["output"])
        step = self._script.next
        return ModelResponse([_said() if step is None else self._calling(step)], Usage(), None)

    async def _hear(self, output: Any) -> None:
        """What a tool answered: text, or a list with one text."""
        text = output if isinstance(output, str) else output[0]["text"]
        self._script.heard(text)
        if "The question waits as" in text:
            await decided(self._database, code_in(text), yes=self._yes)

    def _calling(self, step: Step) -> ResponseFunctionToolCall:
        number = len(self._script.answers)
        arguments = json.dumps(dict(step.arguments(self._script)))
        return ResponseFunctionToolCall(
            arguments=arguments, call_id=f"call {number}", name=step.tool, type="function_call"
        )

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is streamed here")


def _said() -> ResponseOutputMessage:
    text = ResponseOutputText(text="Done.", type="output_text", annotations=[])
    return ResponseOutputMessage(id="end", content=[text], role="assistant", status="completed", type="message")


@asynccontextmanager
async def practising(database: Path) -> AsyncGenerator[MCPServerStdio]:
    arguments = ["serve", "--sandbox", "--database", url_of(database)]
    async with MCPServerStdio({"command": COMMAND, "args": arguments}, client_session_timeout_seconds=60) as server:
        yield server


async def run(database: Path, *, yes: bool) -> Script:
    script = Script(AGAIN)
    async with practising(database) as server:
        agent = Agent(name="operator", mcp_servers=[server], model=Scripted(script, database, yes=yes))
        done = await Runner.run(agent, "Bring the first two together, then end it.", max_turns=20, run_config=ALONE)
    assert done.final_output == "Done."
    return script


async def test_it_runs_a_conference_from_beginning_to_end(tmp_path: Path) -> None:
    script = await run(tmp_path / "events.db", yes=True)
    assert "needs a person's yes, and nobody could be asked here" in script.answer("end_conference", 0)
    assert script.answer("end_conference", 1)["summary"].startswith("Telnyx accepted: end conference")
    assert script.answer("conference_summary")["conference"]["status"] == "ended"


async def test_a_rejection_outside_the_conversation_is_final(tmp_path: Path) -> None:
    script = await run(tmp_path / "events.db", yes=False)
    assert "said no" in script.answer("end_conference", 1)
    assert script.answer("conference_summary")["conference"]["status"] == "open"


async def test_the_framework_reads_resources(tmp_path: Path) -> None:
    async with practising(tmp_path / "events.db") as server:
        listed = {str(resource.uri) for resource in (await server.list_resources()).resources}
        [content] = (await server.read_resource("telnyx://queues")).contents
    assert "telnyx://queues" in listed
    assert '"support"' in getattr(content, "text", "")


async def test_the_framework_gets_a_prompt_that_shows_who_waits(tmp_path: Path) -> None:
    async with practising(tmp_path / "events.db") as server:
        names = {prompt.name for prompt in (await server.list_prompts()).prompts}
        prompt = await server.get_prompt("work_the_queue", {"queue": "support"})
    assert {"start_conference", "work_the_queue", "practise"} <= names
    assert "+12025550111" in str(prompt.messages)
