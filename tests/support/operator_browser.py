"""A real browser at the page, which notes what must not happen in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import ConsoleMessage, Request, Route, async_playwright
from playwright.async_api import Page as Tab

from support.browser_pages import ARGUMENTS, CHROMIUM, Scheme
from support.webhooks import PATIENCE, url_of
from telnyx_conferencing.server.guard.ledger import ApprovalRequest, Ledger
from telnyx_conferencing.server.web.operator import serve_operator_page


@dataclass
class Desk:
    """An operator before the page."""

    ledger: Ledger
    tab: Tab
    url: str
    terminal: list[str]
    """The links that the server has printed."""
    wrong: list[str] = field(default_factory=list[str])
    """What the browser complained of, and requests to anywhere else."""

    def __post_init__(self) -> None:
        self.tab.on("console", self._said)
        self.tab.on("pageerror", lambda error: self.wrong.append(f"page: {error}"))
        self.tab.on("request", self._asked)
        self.tab.set_default_timeout(PATIENCE * 1000)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(f"{self.url}/"):
            self.wrong.append(f"request: {request.url}")

    async def sign_in(self, link: str) -> None:
        await self.tab.goto(link)
        await self.tab.locator("#sign-in:enabled").press("Enter")
        await self.tab.get_by_text("Live", exact=True).wait_for()

    async def ready(self) -> None:
        """Wait until buttons may be pressed: not in the moment in which a card came."""
        await self.tab.locator(".cards[data-armed]").wait_for()

    async def focused(self) -> str:
        """What has the focus, by its text, its label or its tag."""
        return await self.tab.evaluate(
            "(at => at.labels?.[0]?.textContent || at.id || at.textContent.trim().slice(0, 40))(document.activeElement)"
        )

    async def tab_to(self, name: str) -> list[str]:
        """Press Tab until this has the focus; all that had it on the way."""
        met: list[str] = []
        while len(met) < 20 and (not met or met[-1] != name):
            await self.tab.keyboard.press("Tab")
            met.append(await self.focused())
        assert met[-1] == name, met
        return met


def asked(
    binding: str = "1", question: str = "End conference 'Standup'? 3 people are in it.", **more: str
) -> ApprovalRequest:
    given = {"tool": "end_conference", "risk": "destructive", "asked_by": "Claude Code 2.1", **more}
    return ApprovalRequest(binding, binding, question=question, **given)


@asynccontextmanager
async def at_desk(directory: Path, scheme: Scheme = "light", width: int = 1100) -> AsyncGenerator[Desk]:
    """A signed-in operator before the page of a new store."""
    terminal: list[str] = []
    async with Ledger.open(url_of(directory / "store.db")) as ledger, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = await browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce", locale="en-GB"
        )
        try:
            async with serve_operator_page(ledger, 0, terminal.append) as link:
                await context.route(lambda url: not url.startswith("http://127.0.0.1:"), _abort)
                desk = Desk(ledger, await context.new_page(), link.partition("/operator")[0], terminal)
                await desk.sign_in(link)
                yield desk
        finally:
            await browser.close()


async def _abort(route: Route) -> None:
    await route.abort()


CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (part) => ((part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const found = numbers(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const low = [];
  while (texts.nextNode()) {
    const at = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !at.checkVisibility({ visibilityProperty: true })) continue;
    const [one, other] = [luminance(numbers(getComputedStyle(at).color)), luminance(ground(at))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${texts.currentNode.textContent.trim()}`);
  }
  return low;
}"""
"""The visible texts whose contrast with what is behind them is below 4.5."""

NAMELESS = """() => [...document.querySelectorAll("button, input, a, [role=timer]")]
  .filter((at) => at.checkVisibility() && !(at.textContent.trim() || at.labels?.length || at.ariaLabel))
  .map((at) => at.outerHTML)"""
"""Controls that a screen reader could not name."""
