"""FastMCP's client reads the server's skills, and verifies each file against its entry."""

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.skills import SkillsClientExtension

from support.commands import COMMAND

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_it_reads_and_verifies_every_skill() -> None:
    transport = StdioTransport(COMMAND, ["serve", "--sandbox"])
    async with Client(transport, extensions=[SkillsClientExtension()]) as client:
        entries = await client.list_skills()
        skills = [await client.read_skill(entry.uri) for entry in entries]
    assert len(entries) > 5
    assert [skill.description for skill in skills] == [entry.frontmatter.description for entry in entries]
