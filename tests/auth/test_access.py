"""Tries every tool, resource, prompt and page with every set of scopes, and compares the table in docs/access.md."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from support.examples import EXAMPLES
from support.http import recording_server
from support.mcp import text
from support.mcp_apps import RENDERS
from support.mcp_http import Site, site
from support.tokens import APPROVE, CONTROL, READ, create_token
from telnyx_conferencing.tools import TOOLS

pytestmark = pytest.mark.anyio

TABLE = Path(__file__).parents[2] / "docs" / "access.md"
WHO = {
    "no token": (),
    "read": (READ,),
    "control": (CONTROL,),
    "approve": (APPROVE,),
    "read, approve": (READ, APPROVE),
    "control, approve": (CONTROL, APPROVE),
}
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {one.tool: one.minimal for one in EXAMPLES}
PAGES = (
    "GET /metrics",
    "GET /operator",
    "GET /operator/history",
    "GET /healthz",
    "GET /readyz",
    "POST /webhooks/telnyx",
)
API = {"/operator": "/operator/api/events", "/operator/history": "/operator/api/conferences"}
"""What the page's script asks for, by view."""
HEAD = """\
# Who may do what over HTTP

Made by `UPDATE_SNAPSHOTS=1 make test`, which tries each row on a server with `--require-tokens` and no policy. The
columns are the scopes of a token, without `conferences:`. A token lists and calls the tools with ✓, and no others.
At `/operator` a person enters the token on the page; calls and past conferences also need `read`. Health checks need no
token; a webhook needs only its signature.
"""


@asynccontextmanager
async def a_site(home: Path, base_url: str) -> AsyncGenerator[Site]:
    env = {"TELNYX_API_KEY": "KEYtest", "TELNYX_BASE_URL": base_url, "TELNYX_CONFERENCING_INSECURE_WEBHOOKS": "1"}
    options = (
        "--require-tokens",
        "--operator-page",
        "0",
        "--approval",
        "never",
        "--catch-up",
        "1h",
        "--toolsets",
        "all",
    )
    async with site(*options, home=home, env=env) as served:
        yield served


async def may_connect(server: Site, token: str, era: str, stack: AsyncExitStack) -> Client | None:
    """A client, if it is let in."""
    answer = await server.request("POST", "/mcp", {"authorization": f"Bearer {token}"} if token else {})
    if answer.status_code in (401, 403):
        return None
    return await stack.enter_async_context(server.client(era, token=token, extensions=RENDERS))


async def tools_of(client: Client) -> set[str]:
    """Those that can be called, which must be those that are listed."""
    listed = {tool.name for tool in (await client.list_tools()).tools}
    called: set[str] = set()
    for tool in TOOLS:
        name = tool.tool_name()
        arguments = dict(ARGUMENTS.get(name, {}))
        if name == "wait_for_event":
            arguments["timeout_seconds"] = 1
        try:
            result = await client.call_tool(name, arguments)
        except MCPError as unknown:
            if "may only read" in unknown.message:
                continue
            raise
        assert "only read" not in text(result)
        called.add(name)
    assert called == listed
    return called


async def resources_of(client: Client) -> set[str]:
    resources = (await client.list_resources()).resources
    for resource in resources:
        assert (await client.read_resource(str(resource.uri))).contents
    # An open conference is listed by its id; the table has its template.
    fixed = [str(resource.uri) for resource in resources if not resource.name.startswith("conference ")]
    return {
        *fixed,
        *(template.uri_template for template in (await client.list_resource_templates()).resource_templates),
    }


async def prompts_of(client: Client) -> set[str]:
    names = {prompt.name for prompt in (await client.list_prompts()).prompts}
    for name in names:
        try:
            await client.get_prompt(name)
        except MCPError as wrong:
            if "needs" not in wrong.message:  # an argument, and not a right
                raise
    return names


async def pages_of(server: Site, token: str) -> set[str]:
    found: set[str] = set()
    for page in PAGES:
        method, path = page.split()
        if path in API:
            found |= {page} if await is_shown(server, token, path) else set()
            continue
        answer = await server.request(method, path, {"authorization": f"Bearer {token}"} if token else {})
        found |= {page} if answer.status_code not in (401, 403) else set()
    return found


async def is_shown(server: Site, token: str, path: str) -> bool:
    """Whether a person who signs in with a token sees what the page shows."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {"origin": server.url, "content-type": "application/json"}
        answer = await http.post(f"{server.url}/operator/api/sign-in", json={"token": token}, headers=headers)
        if answer.status_code != 200:
            return False
        headers = {"x-operator-key": answer.json()["key"]}
        async with http.stream("GET", f"{server.url}{API[path]}", headers=headers) as response:
            return response.status_code == 200


def rows(title: str, may: Mapping[str, set[str]], names: list[str]) -> list[str]:
    head = [f"## {title}", "", f"| | {' | '.join(may)} |", "|---|" + ":-:|" * len(may)]
    return [
        *head,
        *(f"| `{name}` | {' | '.join('✓' if name in of else ' ' for of in may.values())} |" for name in names),
        "",
    ]


async def test_docs_access_lists_what_each_scope_allows(era: str, tmp_path: Path) -> None:
    tools: dict[str, set[str]] = {}
    resources: dict[str, set[str]] = {}
    prompts: dict[str, set[str]] = {}
    pages: dict[str, set[str]] = {}
    tokens = {
        who: await create_token(tmp_path, who.replace(", ", "-"), *scopes) for who, scopes in WHO.items() if scopes
    }
    with recording_server() as (base_url, _):
        async with a_site(tmp_path, base_url) as server:
            for who in WHO:
                token = tokens.get(who, "")
                async with AsyncExitStack() as stack:
                    client = await may_connect(server, token, era, stack)
                    tools[who] = await tools_of(client) if client else set()
                    resources[who] = await resources_of(client) if client else set()
                    prompts[who] = await prompts_of(client) if client else set()
                pages[who] = await pages_of(server, token)
    made = "\n".join(
        [
            HEAD,
            *rows("Tools", tools, [tool.tool_name() for tool in TOOLS]),
            *rows("Resources", resources, sorted(set[str]().union(*resources.values()))),
            *rows("Prompts", prompts, sorted(set[str]().union(*prompts.values()))),
            *rows("Pages", pages, list(PAGES)),
        ]
    )
    if os.environ.get("UPDATE_SNAPSHOTS"):
        TABLE.write_text(made)
    assert TABLE.read_text() == made, "run UPDATE_SNAPSHOTS=1 make test"
    reads = {tool.tool_name() for tool in TOOLS if tool.is_read()}
    assert tools["no token"] == tools["approve"] == set()
    assert tools["read"] == tools["read, approve"] == reads
    assert tools["control"] == tools["control, approve"] == {tool.tool_name() for tool in TOOLS}
    shown = {page: {who for who, found in pages.items() if f"GET {page}" in found} for page in API}
    assert shown["/operator"] == {who for who in WHO if "approve" in who}
    assert shown["/operator/history"] == shown["/operator"] - {"approve"}
