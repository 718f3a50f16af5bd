"""Pydantic AI runs the story: its own agent loop and MCP client, a scripted model, and a person who is asked."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from support.commands import COMMAND

from .script import STORY, Script

pytestmark = [
    pytest.mark.slow,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:`elicitation_handler` will never be called"),  # it is, by a repeated call
]


def scripted(script: Script) -> FunctionModel:
    """The script as a model of this framework."""

    def respond(messages: Sequence[ModelMessage], info: AgentInfo) -> ModelResponse:
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart):
                script.heard(part.content)
        step = script.next
        if step is None:
            return ModelResponse([TextPart("Done.")])
        assert step.tool in {tool.name for tool in info.function_tools}
        return ModelResponse([ToolCallPart(step.tool, dict(step.arguments(script)))])

    return FunctionModel(respond)


class Person:
    """A person at the framework, who gives every question the same answer."""

    def __init__(self, *, says: bool) -> None:
        self.questions: list[str] = []
        self._says = says

    async def answer(self, message: str, response_type: Any, params: Any, context: Any) -> dict[str, str]:
        self.questions.append(message)
        return {"decision": "approve" if self._says else "reject"}


@asynccontextmanager
async def practising(person: Person) -> AsyncGenerator[MCPToolset[object]]:
    server = StdioTransport(COMMAND, ["serve", "--sandbox"])
    toolset = MCPToolset[object](
        server, elicitation_handler=person.answer, tool_error_behavior="failed", init_timeout=60, read_timeout=60
    )
    async with toolset:
        yield toolset


async def test_it_runs_a_conference_from_beginning_to_end() -> None:
    script, person = Script(STORY), Person(says=True)
    async with practising(person) as toolset:
        done = await Agent(scripted(script), toolsets=[toolset]).run("Bring the first two together, then end it.")
    assert done.output == "Done."
    [question] = person.questions
    assert question.startswith("End conference 'Delivery'? 2 people are in it")
    assert script.answer("wait_for_event")["timed_out"] is False
    assert script.answer("conference_summary")["conference"]["status"] == "ended"


async def test_a_rejection_reaches_the_model_as_text() -> None:
    script, person = Script(STORY), Person(says=False)
    async with practising(person) as toolset:
        await Agent(scripted(script), toolsets=[toolset]).run("Bring the first two together, then end it.")
    assert "A person was asked and said no to end_conference" in script.answer("end_conference")
    assert script.answer("conference_summary")["conference"]["status"] == "open"


async def test_the_framework_reads_resources() -> None:
    async with practising(Person(says=True)) as toolset:
        listed = {resource.uri for resource in await toolset.list_resources()}
        templates = {template.uri_template for template in await toolset.list_resource_templates()}
        queues = await toolset.read_resource("telnyx://queues")
    assert "telnyx://queues" in listed
    assert "telnyx://conferences/{conference_id}/timeline" in templates
    assert '"support"' in str(queues)


async def test_it_gets_a_prompt_that_shows_who_waits() -> None:
    async with practising(Person(says=True)) as toolset:
        names = {prompt.name for prompt in await toolset.list_prompts()}
        prompt = await toolset.get_prompt("work_the_queue", {"queue": "support"})
    assert {"start_conference", "work_the_queue", "practise"} <= names
    assert "+12025550111" in str(prompt)
