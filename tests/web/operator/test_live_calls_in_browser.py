"""The calls on the operator page, in a real browser."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import anyio
import httpx2
import pytest
from playwright.async_api import expect

from support.browser_pages import Scheme, Viewer, findings, needs_chromium, tab
from support.guarded_server import room_at
from support.mcp_http import Site, site
from support.operator_browser import asked
from support.telnyx import telnyx
from support.webhooks import NOWHERE, body_of, free_port, signed_headers, url_of
from telnyx_conferencing.server.guard.ledger import Ledger
from telnyx_conferencing.server.sandbox.webhooks import Signer

from .test_live_calls import code_for

pytestmark = [pytest.mark.slow, pytest.mark.anyio, needs_chromium]


@asynccontextmanager
async def at_page(served: Site, home: Path, scheme: Scheme = "light") -> AsyncGenerator[Viewer]:
    """A person who has signed in on the operator page."""
    async with tab(scheme) as page:
        viewer = Viewer(page)
        await page.goto(f"{served.url}/operator")
        await page.get_by_label("Sign-in code").fill(await code_for(home))
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Now").wait_for()
        yield viewer
        assert viewer.wrong == []


async def test_a_signed_in_person_opens_the_board_and_mutes_a_room(tmp_path: Path) -> None:
    with telnyx() as phone:
        conference_id = room_at(phone, "Standup", 2)
        async with (
            site("--operator-page", "0", home=tmp_path, env=phone.env) as served,
            at_page(served, tmp_path) as viewer,
        ):
            await viewer.tab.get_by_role("heading", name="Standup").wait_for()
            await viewer.tab.get_by_role("button", name="Mute all", exact=True).press("Enter")
            await viewer.tab.locator(".badge.muted").nth(1).wait_for()
        people = phone.request("GET", f"/v2/conferences/{conference_id}/participants")["data"]
    assert [person["muted"] for person in people] == [True, True]


async def test_a_button_that_needs_approval_is_approved_in_place(tmp_path: Path) -> None:
    with telnyx() as phone:
        room_at(phone, "Standup", 2)
        arguments = ("--operator-page", "0", "--approval", "disruptive")
        async with site(*arguments, home=tmp_path, env=phone.env) as served, at_page(served, tmp_path) as viewer:
            await viewer.tab.get_by_role("button", name="Hold all", exact=True).click()
            await viewer.tab.get_by_text("The policy asks for an approval").wait_for()
            card = viewer.tab.locator(".room").get_by_role("article")
            await card.get_by_text("2 people").wait_for()
            await viewer.tab.locator(".cards[data-armed]").wait_for()
            await card.get_by_role("button", name="Approve").click()
            await card.get_by_text("Approved.", exact=True).wait_for()
            await viewer.tab.get_by_text("2 on hold").wait_for()


async def test_what_came_of_a_button_is_seen_far_down_the_page(tmp_path: Path) -> None:
    with telnyx() as phone:
        room_at(phone, "Standup", 12)
        async with (
            site("--operator-page", "0", home=tmp_path, env=phone.env) as served,
            at_page(served, tmp_path) as viewer,
        ):
            last = viewer.tab.locator(".person").nth(11)
            await last.wait_for()
            await viewer.tab.set_viewport_size({"width": 360, "height": 500})
            async with Ledger.open(url_of(tmp_path / "events.db")) as ledger:
                await ledger.stop("Anna", None)
            await last.get_by_role("button", name="Hold").click()
            await expect(viewer.tab.locator(".say .trouble")).to_be_in_viewport(ratio=1)


async def test_calls_last_by_the_clock_of_the_sandbox_and_approvals_by_that_of_the_server(tmp_path: Path) -> None:
    port = free_port()
    arguments = ("--sandbox", "--sandbox-port", str(port), "--operator-page", "0")
    async with site(*arguments, home=tmp_path, env={}) as served, at_page(served, tmp_path) as viewer:
        async with Ledger.open(url_of(tmp_path / "events.db")) as ledger:
            await ledger.add_pending(asked())
        await viewer.tab.locator(".left .lasting").get_by_text("4:5").wait_for()
        key = {"authorization": "Bearer KEYtests"}
        async with httpx2.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}", headers=key) as http:
            await http.post("/sandbox/clock", json={"advance_seconds": 3 * 3600})
            await http.post("/sandbox/calls", json={"from": "+12025550155", "to": "+12025550100"})
        await expect(viewer.tab.locator(".queue .wait").first).to_have_text(re.compile("^3:[0-9]+:"))
        await expect(viewer.tab.locator(".left .lasting")).to_have_text(re.compile("^4:[0-9]+$"))


@pytest.mark.parametrize("scheme", get_args(Scheme))
async def test_axe_finds_nothing_while_people_are_on_the_line(scheme: Scheme, axe: str, tmp_path: Path) -> None:
    with telnyx() as phone:
        room_at(phone, "Standup", 3)
        async with (
            site("--operator-page", "0", home=tmp_path, env=phone.env) as served,
            at_page(served, tmp_path, scheme) as viewer,
        ):
            await viewer.tab.locator(".person").nth(2).wait_for()
            assert await findings(viewer.tab, axe) == []


async def test_250_participants_with_ten_changes_a_second_are_shown_promptly(tmp_path: Path) -> None:
    signer = Signer()
    env = {**NOWHERE, "TELNYX_PUBLIC_KEY": signer.public_key}
    async with (
        site("--operator-page", "0", home=tmp_path, env=env) as served,
        httpx2.AsyncClient(trust_env=False, base_url=served.url) as http,
        at_page(served, tmp_path) as viewer,
    ):

        async def happens(name: str, event_type: str, number: int) -> None:
            body = body_of(name, event_type, call_control_id=f"v3:{number}")
            answer = await http.post("/webhooks/telnyx", content=body, headers=signed_headers(signer, body))
            assert answer.status_code == 200

        for number in range(250):
            await happens(f"joined {number}", "conference.participant.joined", number)
        await viewer.tab.locator(".person").nth(249).wait_for()
        await viewer.tab.evaluate(_NOTE_WHO_TALKS)
        for number in range(30):
            await happens(f"talks {number}", "conference.floor.changed", number)
            await viewer.tab.evaluate("leg => window.told.push([leg, Date.now()])", f"v3:{number}")
            await anyio.sleep(0.1)  # ten a second
        await viewer.tab.locator('[data-leg="v3:29"][data-talking]').wait_for()
        stream, seen = await viewer.tab.evaluate("[window.told, [...window.seen]]")
    moments = dict(stream)
    lags = sorted(moment - moments[leg] for leg, moment in seen)
    assert len(lags) > 10, json.dumps(seen)
    assert lags[len(lags) // 2] < 500
    assert dict(seen)["v3:29"] - moments["v3:29"] < 1_500


_NOTE_WHO_TALKS = """() => {
  [window.told, window.seen] = [[], new Map()];
  new MutationObserver(() => {
    const leg = document.querySelector(".person[data-talking]")?.dataset.leg;
    if (leg && !window.seen.has(leg)) window.seen.set(leg, Date.now());
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""
