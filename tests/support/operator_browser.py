"""A real browser at the page, which notes what must not happen in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Page as Tab
from playwright.async_api import Route, async_playwright

from support.browser_pages import ARGUMENTS, CHROMIUM, Scheme, findings, note_problems
from support.webhooks import body_of, url_of
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.guard.ledger import ApprovalRequest, Ledger
from telnyx_conferencing.server.web.operator import LiveCalls, serve_operator_page
from telnyx_conferencing.server.web.operator.server import open_stored_calls
from telnyx_conferencing.server.web.operator.sign_in import create_code


@dataclass
class Desk:
    """An operator before the page."""

    ledger: Ledger
    tab: Tab
    live: LiveCalls
    url: str
    """Without a path."""
    wrong: list[str] = field(default_factory=list[str])
    """What the browser complained of, and requests to anywhere else."""

    def __post_init__(self) -> None:
        note_problems(self.tab, self.wrong, f"{self.url}/")

    async def sign_in(self, view: str = "/operator") -> None:
        await self.tab.goto(f"{self.url}{view}")
        await self.tab.get_by_label("Sign-in code").fill(await create_code(self.ledger, "anna@desk"))
        await self.tab.keyboard.press("Enter")
        await self.tab.get_by_text("Live", exact=True).wait_for()

    async def happens(self, name: str, event_type: str, *, via: Via = Via.WEBHOOK, **payload: Any) -> None:
        """Store an event, as a server would."""
        store = await self.live.events.store()
        body = body_of(name, event_type, **payload)
        now = datetime.now(UTC)
        await store.add(parse_event(body, via=via, verified=True, received_at=now), body)

    async def findings(self, axe: str) -> list[str]:
        return await findings(self.tab, axe)

    async def ready(self) -> None:
        """Wait until buttons may be pressed: not in the moment in which a card came."""
        await self.tab.locator(".cards[data-armed]").wait_for()

    async def focused(self) -> str:
        """What has the focus, by its text, its label or its tag."""
        return await self.tab.evaluate(
            "(at => at.labels?.[0]?.textContent || at.id || at.textContent.trim().slice(0, 40))(document.activeElement)"
        )

    async def tab_to(self, name: str) -> list[str]:
        """Press Tab until this has the focus. Returns everything that had the focus on the way."""
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
    async with open_stored_calls(url_of(directory / "store.db")) as (ledger, live), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = await browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce", locale="en-GB"
        )
        try:
            async with serve_operator_page(ledger, live, 0) as address:
                await context.route(lambda url: not url.startswith("http://127.0.0.1:"), _abort)
                desk = Desk(ledger, await context.new_page(), live, address.removesuffix("/operator"))
                await desk.sign_in()
                yield desk
        finally:
            await browser.close()


async def _abort(route: Route) -> None:
    await route.abort()
