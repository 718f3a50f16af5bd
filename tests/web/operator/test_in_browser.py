"""The page in a real browser: by keyboard alone, without a complaint of the browser's, and never off this machine."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from playwright.async_api import Route

from support.browser_pages import Scheme, needs_chromium
from support.operator_browser import CONTRASTS, NAMELESS, Desk, asked, at_desk
from telnyx_conferencing.server.guard.ledger import Decision, State

pytestmark = [pytest.mark.anyio, needs_chromium]

HOSTILE = "End '<img src=x onerror=alert(1)><script>alert(2)</script><b>&amp;</b>'? javascript:alert(3)"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    async with at_desk(tmp_path) as desk:
        yield desk
        assert desk.wrong == []


@pytest.mark.slow
async def test_a_link_signs_in_and_is_not_kept_in_the_browser(desk: Desk) -> None:
    assert desk.tab.url == f"{desk.url}/operator"
    assert await desk.tab.title() == "Operator"
    assert await desk.tab.evaluate("document.cookie") == ""
    await desk.tab.reload()
    await desk.tab.get_by_text("Nothing waits for you.").wait_for()
    await desk.tab.get_by_text("Nothing was done yet.").wait_for()


@pytest.mark.slow
async def test_a_new_question_appears_without_reload_and_is_announced(desk: Desk) -> None:
    await desk.tab.evaluate("window.isSamePage = true")
    left = await desk.ledger.add_pending(asked())
    card = desk.tab.get_by_role("article", name=left.question)
    await card.wait_for()
    text = await card.inner_text()
    assert all(word in text for word in ("destructive", "end_conference", "Claude Code 2.1", left.code, "left"))
    announced = await desk.tab.locator("[aria-live=polite]").first.inner_text()
    assert announced == f"A new question, destructive: {left.question}"
    assert await desk.tab.title() == "(1) Operator"
    assert await desk.tab.evaluate("window.isSamePage")


async def test_a_question_is_approved_by_keyboard_alone(desk: Desk) -> None:
    left = await desk.ledger.add_pending(asked())
    await desk.ready()
    assert await desk.focused() not in ("Approve", "Reject")
    met = await desk.tab_to("Approve")
    assert met[-3:] == ["Reason (optional)", "Reject", "Approve"]
    assert await desk.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert len(await desk.ledger.pending()) == 1
    await desk.tab.keyboard.press("Enter")
    await desk.tab.get_by_text("Approved. Until").wait_for()
    assert (await desk.focused()).startswith("Approved.")
    taken = await desk.ledger.take(asked())
    assert taken is not None
    assert (taken.code, taken.state) == (left.code, State.SPENT)
    await desk.tab.get_by_role("row", name="approved by a person").wait_for()
    await desk.tab.locator(".card").wait_for(state="detached")
    await desk.tab.get_by_text("Nothing waits for you.").wait_for()
    assert await desk.tab.title() == "Operator"


@pytest.mark.slow
async def test_a_question_is_rejected_with_a_reason(desk: Desk) -> None:
    await desk.ledger.add_pending(asked())
    await desk.ready()
    await desk.tab_to("Reason (optional)")
    await desk.tab.keyboard.type("Not during the board meeting")
    await desk.tab.keyboard.press("Enter")  # decides nothing
    assert len(await desk.ledger.pending()) == 1
    await desk.tab_to("Reject")
    await desk.tab.keyboard.press("Space")
    await desk.tab.get_by_text("Rejected. The agent is told no.").wait_for()
    taken = await desk.ledger.take(asked())
    assert taken is not None
    assert (taken.state, taken.reason) == (State.REJECTED, "Not during the board meeting")
    await desk.tab.get_by_role("row", name="“Not during the board meeting”").wait_for()


@pytest.mark.slow
async def test_text_being_typed_survives_updates(desk: Desk) -> None:
    await desk.ledger.add_pending(asked())
    await desk.ready()
    await desk.tab_to("Reason (optional)")
    await desk.tab.keyboard.type("half a ")
    await desk.ledger.add_pending(asked("2", "Hold everyone?", risk="disruptive"))
    await desk.tab.get_by_role("article", name="Hold everyone?").wait_for()
    await desk.tab.keyboard.type("thought")
    assert await desk.tab.get_by_label("Reason (optional)").first.input_value() == "half a thought"


@pytest.mark.slow
async def test_writes_are_stopped_and_resumed_by_keyboard_alone(desk: Desk) -> None:
    await desk.tab_to("stop")
    await desk.tab.keyboard.press("Enter")
    await desk.tab.get_by_text("All writes are stopped", exact=True).wait_for()
    stopped = await desk.ledger.stopped()
    assert stopped is not None
    assert stopped.by in await desk.tab.locator("#writes-detail").inner_text()
    assert await desk.tab.title() == "Stopped - Operator"
    await desk.tab.keyboard.press("Enter")  # a key held down resumes nothing
    await desk.tab_to("resume")
    await desk.tab.locator(".bar:not([data-settling])").wait_for()
    assert await desk.ledger.stopped() == stopped
    await desk.tab.keyboard.press("Space")
    await desk.tab.get_by_text("Writes are allowed", exact=True).wait_for()
    assert await desk.ledger.stopped() is None


@pytest.mark.slow
async def test_a_stop_made_elsewhere_is_shown_with_its_author(desk: Desk) -> None:
    await desk.ledger.stop("Anna", "A wrong room")
    detail = desk.tab.locator("#writes-detail", has_text="By Anna")
    await detail.wait_for()
    assert "A wrong room" in await detail.inner_text()


@pytest.mark.slow
async def test_text_from_others_never_becomes_markup(desk: Desk) -> None:
    await desk.ledger.add_pending(asked(question=HOSTILE, asked_by=HOSTILE, tool=HOSTILE))
    entry = dict.fromkeys(("outcome", "tool", "does", "risk", "client", "why", "by", "code"), HOSTILE)
    await desk.ledger.record([(datetime.now(UTC), {**entry, "asked": {"by": HOSTILE, "reason": HOSTILE}})])
    await desk.ledger.stop(HOSTILE, HOSTILE)
    await desk.tab.get_by_role("heading", name=HOSTILE).wait_for()
    await desk.tab.locator("tbody").get_by_text(HOSTILE).first.wait_for()
    await desk.tab.get_by_text("All writes are stopped", exact=True).wait_for()
    assert await desk.tab.locator("main img, body script, main b b").count() == 0


@pytest.mark.slow
async def test_a_card_shows_a_decision_made_elsewhere(desk: Desk) -> None:
    left = await desk.ledger.add_pending(asked())
    await desk.ready()
    await desk.ledger.decide(left.code, Decision(False, "Anna"))
    await desk.tab.get_by_text("Rejected elsewhere, by Anna.", exact=True).wait_for()
    assert await desk.tab.get_by_role("button", name="Approve").count() == 0


@pytest.mark.slow
async def test_a_card_shows_that_a_decision_came_too_late(desk: Desk) -> None:
    left = await desk.ledger.add_pending(asked())
    await desk.ready()

    async def decided_meanwhile(route: Route) -> None:
        await desk.ledger.decide(left.code, Decision(False, "Anna"))
        await route.continue_()

    await desk.tab.route("**/operator/decide", decided_meanwhile)
    await desk.tab.get_by_role("button", name="Approve").click()
    await desk.tab.get_by_text(f"{left.code} is rejected already").wait_for()
    desk.wrong.clear()  # the browser notes an answer of 409


@pytest.mark.slow
async def test_signing_out_removes_all_content(desk: Desk) -> None:
    await desk.ledger.add_pending(asked())
    await desk.ready()
    await desk.tab.get_by_role("button", name="Sign out").press("Enter")
    await desk.tab.get_by_role("heading", name="You signed out.").wait_for()
    assert "Standup" not in await desk.tab.content()
    await desk.tab.get_by_role("link", name="How to sign in").press("Enter")
    await desk.tab.locator("#print:enabled").press("Enter")
    await desk.tab.get_by_text("Printed.").wait_for()
    desk.wrong.clear()  # the browser notes a page that is answered 401
    await desk.sign_in(desk.terminal[0])
    await desk.tab.get_by_role("article").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1100, 360])
@pytest.mark.parametrize("scheme", get_args(Scheme))
async def test_every_text_has_contrast_and_every_control_a_name(tmp_path: Path, scheme: Scheme, width: int) -> None:
    async with at_desk(tmp_path, scheme, width) as desk:
        await fill(desk)
        await desk.ready()
        assert await desk.tab.evaluate(CONTRASTS) == []
        assert await desk.tab.evaluate(NAMELESS) == []
        assert await desk.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await desk.ledger.stop("Anna", None)
        await desk.tab.get_by_text("All writes are stopped", exact=True).wait_for()
        await desk.tab.get_by_role("button", name="Reject").first.click()
        await desk.tab.get_by_text("Rejected. The agent").wait_for()
        assert await desk.tab.evaluate(CONTRASTS) == []
        assert desk.wrong == []


async def fill(desk: Desk) -> None:
    """One of everything."""
    questions = {"destructive": "End conference 'Standup'?", "disruptive": "Put all on hold?", "routine": "Say 'hi'?"}
    for risk, question in questions.items():
        await desk.ledger.add_pending(asked(risk, question, risk=risk))
    outcomes = ("sends", "done", "pending", "declined", "refused by Telnyx", "unknown outcome", "failed", "invalid")
    for outcome in outcomes:
        entry = {"outcome": outcome, "tool": "end_conference", "does": "end conference", "why": "Why.", "ms": 80}
        await desk.ledger.record([(datetime.now(UTC), {**entry, "client": "agent", "asked": {"answer": "yes"}})])
    await desk.tab.get_by_role("row", name="invalid").wait_for()
    await desk.tab.get_by_role("article", name="Say 'hi'?").wait_for()
