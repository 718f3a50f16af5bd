"""Signing in to the operator page by a token, where the server lets in nobody without one."""

from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from support.browser_pages import ARGUMENTS, CHROMIUM, needs_chromium
from support.mcp_http import site
from support.tokens import APPROVE, READ, create_token, revoke_tokens

pytestmark = [pytest.mark.slow, pytest.mark.anyio, needs_chromium]


async def test_a_token_signs_in_by_keyboard_and_signs_out_when_it_is_revoked(tmp_path: Path) -> None:
    wrong, right = await create_token(tmp_path, "anna", READ), await create_token(tmp_path, "ben", APPROVE)
    async with (
        site("--sandbox", "--require-tokens", "--operator-page", "0", home=tmp_path, env={}) as server,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tab = await browser.new_page()
        await tab.goto(f"{server.url}/operator")
        field = tab.get_by_label("Your access token")
        await field.wait_for()
        assert await field.evaluate("field => field === document.activeElement")
        await field.fill(wrong)
        await field.press("Enter")
        await tab.get_by_role("alert").get_by_text("needs the scope conferences:approve").wait_for()
        await field.fill(right)
        await field.press("Enter")
        await tab.get_by_role("heading", name="Approvals").wait_for()
        assert await tab.get_by_role("link", name="History").count() == 0  # the token may not read calls
        assert right not in str(await tab.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])"))
        await revoke_tokens(tmp_path, "ben")
        await tab.get_by_text("your token is no longer valid").wait_for()
        assert "telnyx-conferencing operator" not in server.log.read_text()
        await browser.close()
