"""Skills over MCP: listed, looked up, and read as resources."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import mcp
import mcp_types
import pytest
import yaml
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PaginatedRequestParams, Request, TextResourceContents

from support.manifests import ROOT
from support.mcp_in_process import World, in_process
from telnyx_conferencing.server.mcp.skills import GetSkillParams, GetSkillResult, ListSkillsResult, Skill

pytestmark = pytest.mark.anyio

MAIN = "skill://telnyx-conferencing/SKILL.md"


class ListRequest(Request[PaginatedRequestParams, Literal["skills/list"]]):
    method: Literal["skills/list"] = "skills/list"
    params: PaginatedRequestParams


class GetRequest(Request[GetSkillParams, Literal["skills/get"]]):
    method: Literal["skills/get"] = "skills/get"
    params: GetSkillParams


async def list_skills(client: Client) -> list[Skill]:
    request: Any = ListRequest(params=PaginatedRequestParams())
    return (await client.session.send_request(request, ListSkillsResult)).skills


async def get_skill(client: Client, uri: str) -> Skill:
    request: Any = GetRequest(params=GetSkillParams(uri=uri))
    return (await client.session.send_request(request, GetSkillResult)).skill


async def read(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_every_skill_can_be_looked_up_and_read_as_its_entry_says() -> None:
    async with in_process(World()) as client:
        skills = await list_skills(client)
        for skill in skills:
            assert await get_skill(client, skill.uri) == skill
            [file] = skill.resources
            text = await read(client, file.uri)
            assert file.size == len(text.encode())
            assert file.digest == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
            assert yaml.safe_load(text.split("---\n")[1]) == skill.frontmatter
            assert skill.uri == f"skill://{skill.frontmatter['name']}/SKILL.md"


async def test_the_servers_own_skill_and_the_recipe_of_each_prompt_are_skills() -> None:
    async with in_process(World()) as client:
        skills = {skill.uri for skill in await list_skills(client)}
        prompts = {prompt.name.replace("_", "-") for prompt in (await client.list_prompts()).prompts}
        main, recipe = await read(client, MAIN), await read(client, "skill://work-the-queue/SKILL.md")
        capabilities = client.server_capabilities
    assert skills == {MAIN} | {f"skill://{name}/SKILL.md" for name in prompts}
    assert main == (ROOT / "SKILL.md").read_text()
    assert "Serve queue '<queue>' for me" in recipe
    assert "io.modelcontextprotocol/skills" in (capabilities.extensions or {})


async def test_a_policy_hides_the_recipes_whose_tools_it_does_not_allow() -> None:
    async with in_process(World(), toolsets=frozenset({"conferences"})) as client:
        assert "skill://work-the-queue/SKILL.md" not in {skill.uri for skill in await list_skills(client)}
        with pytest.raises(MCPError, match="no such skill"):
            await client.read_resource("skill://work-the-queue/SKILL.md")
        with pytest.raises(MCPError, match="no such skill"):
            await get_skill(client, "skill://work-the-queue/SKILL.md")


def test_the_sdk_has_no_skills_of_its_own() -> None:
    """When this fails, replace `server/mcp/skills.py` by what the SDK brings."""
    modules = [
        path.name for package in (mcp, mcp_types) for path in Path(str(package.__file__)).parent.rglob("*skill*")
    ]
    assert modules == []
    assert [name for name in dir(mcp_types) if "skill" in name.lower()] == []
