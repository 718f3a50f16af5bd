"""A minimal host that renders MCP Apps: a page with a sandboxed frame, and the protocol that both speak.

The host's half of the protocol is a script in a static page; calls go on to a real MCP client.
"""

import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextResourceContents
from playwright.async_api import Browser, ConsoleMessage, FrameLocator, Page, Request, async_playwright, expect

from support.mcp_apps import SWITCHBOARD
from support.webhooks import PATIENCE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
expect.set_options(timeout=PATIENCE * 1000)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: install one, such as Debian's package `chromium`"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
Scheme = Literal["light", "dark"]

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'none'"
)
"""What a host lets a page do that asks for nothing. Nor can a test wait for a script in the page; `expect` can wait."""

_HOST = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; background: Canvas; }
iframe { border: 0; width: 100%; display: block; }
</style>
<main><iframe title="App" sandbox="allow-scripts"></iframe></main>
<script>
const frame = document.querySelector("iframe");
window.sizes = []; window.said = []; window.calls = [];
const post = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
window.tell = (method, params) => post({ method, params });
const answers = {
  "ui/initialize": async () => ({
    protocolVersion: "2026-01-26",
    hostInfo: { name: "tests", version: "1" },
    hostCapabilities: { serverTools: {}, message: { text: {} } },
    hostContext: window.context,
  }),
  "tools/call": async ({ name, arguments: given }) => {
    window.calls.push(name);
    return JSON.parse(await window.callTool(name, JSON.stringify(given ?? {})));
  },
  "ui/message": async (params) => { window.said.push(params); return {}; },
};
const told = {
  "ui/notifications/initialized": () => {
    window.tell("ui/notifications/tool-input", { arguments: {} });
    window.ready = true;
  },
  "ui/notifications/size-changed": ({ height }) => { window.sizes.push(height); frame.style.height = `${height}px`; },
};
addEventListener("message", async ({ source, data }) => {
  if (source !== frame.contentWindow || data?.jsonrpc !== "2.0") return;
  if (data.method === undefined) return;
  if (data.id === undefined) return told[data.method]?.(data.params);
  try {
    const answer = answers[data.method];
    if (!answer) throw new Error(`${data.method} is unknown`);
    post({ id: data.id, result: await answer(data.params) });
  } catch (error) {
    post({ id: data.id, error: { code: -32000, message: error.message } });
  }
});
</script>"""


def note_problems(tab: Page, problems: list[str], allowed: str | tuple[str, ...]) -> None:
    """Note what the browser complains of, and requests to URLs that do not start as allowed."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith(allowed):
            problems.append(f"request: {request.url}")

    tab.set_default_timeout(PATIENCE * 1000)
    tab.on("console", on_console)
    tab.on("pageerror", lambda error: problems.append(f"page: {error}"))
    tab.on("request", on_request)


@dataclass
class Viewer:
    """A person at a browser. It notes errors and requests that must not happen."""

    tab: Page
    wrong: list[str] = field(default_factory=list[str])
    """What the browser complained of, and requests to anywhere else."""

    def __post_init__(self) -> None:
        note_problems(self.tab, self.wrong, ("http://127.0.0.1:", "blob:http://127.0.0.1:", "about:", "data:"))
        self.tab.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))


@dataclass
class Host(Viewer):
    """A host that shows a server's pages."""

    client: Client = field(kw_only=True)

    @property
    def page(self) -> FrameLocator:
        return self.tab.frame_locator("iframe")

    async def show(self, tool: str, **arguments: Any) -> CallToolResult:
        """Do what a host does when a model has called a tool with a page."""
        result = await self.client.call_tool(tool, arguments)
        await self.open()
        await self.tell("ui/notifications/tool-result", result.model_dump(mode="json", by_alias=True))
        return result

    async def open(self) -> None:
        [page] = (await self.client.read_resource(SWITCHBOARD)).contents
        assert isinstance(page, TextResourceContents)
        guarded = page.text.replace(
            "<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}">', 1
        )
        await self.tab.evaluate("html => { window.ready = false; frame.srcdoc = html; }", guarded)
        await self.tab.wait_for_function("window.ready")

    async def tell(self, method: str, params: Any) -> None:
        await self.tab.evaluate("([method, params]) => window.tell(method, params)", [method, params])

    async def _call(self, name: str, arguments: str) -> str:
        try:
            result = await self.client.call_tool(name, json.loads(arguments))
        except MCPError as error:
            return json.dumps({"isError": True, "content": [{"type": "text", "text": str(error)}]})
        return result.model_dump_json(by_alias=True, exclude_none=True)

    async def start(self, context: dict[str, Any]) -> None:
        tab: Any = self.tab  # the type of its callbacks is not said
        await tab.expose_function("callTool", self._call)
        await self.tab.set_content(_HOST)
        await self.tab.evaluate("context => { window.context = context; }", context)


@asynccontextmanager
async def browser() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def tab(scheme: Scheme = "light", width: int = 1000, height: int = 900) -> AsyncGenerator[Page]:
    """A tab of a new browser."""
    async with browser() as started:
        context = await started.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        yield await context.new_page()


@asynccontextmanager
async def host(client: Client, scheme: Scheme = "light", width: int = 1000) -> AsyncGenerator[Host]:
    """A host with a client of a server; what should not happen in it did not."""
    async with tab(scheme, width) as page:
        hosting = Host(page, client=client)
        await hosting.start({"theme": scheme, "displayMode": "inline", "locale": "en-GB", "platform": "web"})
        yield hosting
        assert hosting.wrong == []


FINDINGS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""
"""What axe finds, as lines."""


async def findings(page: Page, axe: str) -> list[str]:
    """What axe finds, run as the browser's own tools would: the page's policy lets in no script."""
    session: Any = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": axe})
    expression = {"expression": f"({FINDINGS})()", "awaitPromise": True, "returnByValue": True}
    found: list[str] = (await session.send("Runtime.evaluate", expression))["result"]["value"]
    return found
