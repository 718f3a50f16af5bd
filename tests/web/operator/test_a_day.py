"""A team lead's day before the operator page, in a real browser: only the test moves the clocks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from mcp.client import Client
from playwright.async_api import Page
from starlette.routing import Router

from support.browser_pages import Viewer, needs_chromium, tab
from support.guarded_server import Clock, code_in
from support.mcp import call, refusal
from support.mcp_in_process import World, run_server_parts
from support.webhooks import eventually, free_port, url_of
from telnyx_conferencing.server.alerts.engine import AlertEngine
from telnyx_conferencing.server.asgi_server import listen, serving
from telnyx_conferencing.server.guard.ledger import Ledger
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox
from telnyx_conferencing.server.web.operator import LiveCalls, OperatorPage
from telnyx_conferencing.server.web.operator.sign_in import create_code

pytestmark = [pytest.mark.slow, pytest.mark.anyio, needs_chromium]

CALLERS = ("+12025550111", "+12025550122", "+12025550133")
POLICY = '[[alerts]]\nname = "long-wait"\nwhen = "queue_wait"\nafter = "2m"\n'


@dataclass
class Running:
    """A server with its page, and the agent."""

    agent: Client
    engine: AlertEngine
    ledger: Ledger


@dataclass
class Office:
    """A store and a Telnyx that outlast the server."""

    home: Path
    world: World
    clock: Clock
    port: int

    @asynccontextmanager
    async def server(self) -> AsyncGenerator[Running]:
        policy = self.home / "policy.toml"
        policy.write_text(POLICY)
        given = {"approval": None, "policy": policy, "database": url_of(self.home / "day.db")}
        async with (
            self.world.http() as http,
            run_server_parts(self.world, http, with_events=True, **given) as (parts, events, guard),
        ):
            guard.ledger.now = self.clock
            live = LiveCalls(parts.board, events, parts.tool_calls.answer)
            page = OperatorPage(guard.ledger, live, self.port, now=self.clock, interval_s=0.05)
            async with serving(Router(page.routes), listen(self.port)), Client(parts.server) as agent:
                try:
                    engine = AlertEngine(events, guard.ledger, lambda: guard.policy().alerts, parts.alerts)
                    yield Running(agent, engine, guard.ledger)
                finally:
                    page.close()

    def arrive(self, number: str) -> str:
        """A new call; its call_control_id."""
        return self.world.sandbox.state.legs.arrive(number, "+12025550100").call_control_id


async def approve(page: Page, question: str) -> None:
    card = page.get_by_role("article", name=question)
    await page.locator(".cards[data-armed]").wait_for()
    await card.get_by_role("button", name="Approve").click()
    await card.get_by_text("Approved. Until").wait_for()


async def test_a_team_lead_works_a_day_with_the_operator_page(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    office = Office(tmp_path, World(Sandbox(clock=ManualClock(now), scene=EMPTY)), Clock(now), free_port())
    async with tab(width=1280) as page:
        lead = Viewer(page)
        async with office.server() as running:
            agent = running.agent

            # In the morning they sign in, with the code that the command prints.
            await page.goto(f"http://127.0.0.1:{office.port}/operator")
            await page.get_by_label("Sign-in code").fill(await create_code(running.ledger, "lea@desk"))
            await page.keyboard.press("Enter")
            await page.get_by_text("Live", exact=True).wait_for()

            # Three people call and wait; one of them for too long.
            legs = [office.arrive(number) for number in CALLERS]
            for leg in legs:
                await call(agent, "enqueue_call", call_control_id=leg, queue_name="support")
            await page.get_by_text("3 waiting", exact=True).first.wait_for()
            await office.world.sandbox.advance(130)
            office.clock.move(seconds=130)

            async def raised() -> bool:
                await running.engine.evaluate()
                return await page.get_by_role("heading", name="Alerts").count() > 0

            await eventually(raised)
            await (
                page.locator(".alerts")
                .get_by_text(f"{CALLERS[0]} has waited in queue 'support' for more than 2 min.")
                .wait_for()
            )

            # The agent brings two of them together, records them, and asks to end the conference.
            opened = await call(agent, "create_conference", call_control_id=legs[0], name="Order 4711")
            room = {"conference_id": opened["conference"]["id"]}
            await call(agent, "join_conference", **room, call_control_id=legs[1])
            await page.get_by_role("heading", name="Order 4711").wait_for()
            assert code_in(await refusal(agent, "start_recording", **room, format="mp3"))
            await approve(page, "Record conference 'Order 4711'")
            await call(agent, "start_recording", **room, format="mp3")
            first = code_in(await refusal(agent, "end_conference", **room))
            card = page.locator(f'.room [data-code="{first}"]')
            await card.get_by_role("button", name="Approve").wait_for()

            # A third person joins: the request is outdated, and says why. The new one is approved.
            await call(agent, "join_conference", **room, call_control_id=legs[2])
            second = code_in(await refusal(agent, "end_conference", **room))
            await card.get_by_text("Outdated: since it was asked").wait_for()
            assert CALLERS[2] in await card.inner_text()
            await card.wait_for(state="detached")
            await approve(page, "End conference 'Order 4711'? 3 people")

            # Something is odd: the lead pauses the agent, looks, and lets it go on.
            await page.get_by_role("button", name="Pause the agent").click()
            await page.get_by_text("The agent is paused, by lea@desk").wait_for()
            assert "stopped all writes" in await refusal(agent, "end_conference", **room)
            await page.locator(".switch:not([data-settling])").wait_for()
            await page.get_by_role("button", name="Resume the agent").click()
            await page.get_by_role("button", name="Pause the agent").wait_for()
            await call(agent, "end_conference", **room)

            # In the history stands what happened, found by a caller's number.
            await page.get_by_role("link", name="History").click()
            await page.get_by_label("Name or number").fill("0133")
            await page.get_by_role("link", name="Order 4711").click()
            await page.get_by_role("img", name="Who was in Order 4711").wait_for()
            await page.get_by_role("heading", name="Approvals").wait_for()
            assert "by lea@desk" in await page.locator(".conference").inner_text()

            # The lead listens to the recording, and keeps an archive of the conference.
            await page.get_by_role("button", name="Get the link").press("Enter")
            await page.locator("a:focus", has_text="Download mp3").wait_for()
            assert "X-Amz-Signature=" in (await page.locator("a:focus").get_attribute("href") or "")
            async with page.expect_download() as started:
                await page.get_by_role("button", name="Export").click()
            with ZipFile(await (await started.value).path()) as archive:
                assert "manifest.json" in archive.namelist()
            await page.get_by_text("The archive was saved.").wait_for()

            # The audit is checked and saved.
            await page.get_by_role("link", name="Audit").click()
            await page.get_by_role("button", name="Verify").click()
            await page.get_by_text("unchanged, none missing").wait_for()
            async with page.expect_download() as started:
                await page.get_by_role("button", name="Export").click()
            saved = await (await started.value).path()
            before = len(saved.read_text().splitlines())
            assert second in saved.read_text()
            assert lead.wrong == []

        # The server restarts, and the page finds it again: nothing is lost, and what failed meanwhile is not left over.
        await page.get_by_text("The server does not answer. Trying again …").wait_for()
        await page.get_by_role("button", name="Pause the agent").click()
        await page.get_by_text("Not paused: The server did not answer.").wait_for()
        tops = "['.switch', '.menu'].map(name => document.querySelector(name).getBoundingClientRect().top)"
        assert len(set(await page.evaluate(tops))) == 1, "the menu stands below the switch"
        await page.get_by_role("link", name="History").click()
        await page.get_by_text("The server did not answer.", exact=True).wait_for()
        async with office.server() as running:
            await page.get_by_text("Live", exact=True).wait_for()
            await page.get_by_role("link", name="Order 4711").wait_for()
            assert await page.get_by_role("alert").count() == 0
            assert (await running.ledger.verify()).records >= before

            # Eight hours later they are still signed in, also in a page that is opened again.
            office.clock.move(hours=8)
            await page.reload()
            await page.get_by_role("link", name="Order 4711").wait_for()
            await page.locator("summary").click()
            await page.get_by_text("Signed in as lea@desk").wait_for()
