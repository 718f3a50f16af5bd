"""The page in a real browser: by keyboard alone, without a complaint of the browser's, and never off this machine."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.async_api import Route, expect

from support.browser_pages import Scheme, needs_chromium
from support.operator_browser import Desk, asked, at_desk
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.guard.ledger import Decision, PendingApproval, State

pytestmark = [pytest.mark.anyio, needs_chromium]

HOSTILE = "End '<img src=x onerror=alert(1)><script>alert(2)</script><b>&amp;</b>'? javascript:alert(3)"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    async with at_desk(tmp_path) as desk:
        yield desk
        assert desk.wrong == []


@pytest.mark.slow
async def test_after_sign_in_people_land_on_the_view_they_asked_for(desk: Desk) -> None:
    await desk.tab.locator("summary").click()
    await desk.tab.get_by_role("button", name="Sign out").click()
    await desk.tab.get_by_text("You signed out.").wait_for()
    await desk.sign_in("/operator/audit")
    await desk.tab.get_by_role("heading", name="Audit").wait_for()
    assert desk.tab.url == f"{desk.url}/operator/audit"
    assert await desk.tab.evaluate("document.cookie") == ""
    await desk.tab.reload()
    await desk.tab.get_by_role("heading", name="Audit").wait_for()
    assert await desk.tab.title() == "Audit · Switchboard"


@pytest.mark.slow
async def test_a_new_request_appears_without_reload_and_is_announced(desk: Desk) -> None:
    await desk.tab.evaluate("window.isSamePage = true")
    left = await desk.ledger.add_pending(asked())
    card = desk.tab.get_by_role("article", name=left.question)
    await card.wait_for()
    text = await card.inner_text()
    assert all(word in text for word in ("destructive", "end_conference", "Claude Code 2.1", left.code, "left"))
    announced = await desk.tab.locator("body > [role=status]").inner_text()
    assert announced == f"A new approval request, destructive: {left.question}"
    assert await desk.tab.title() == "(1) Now · Switchboard"
    assert await desk.tab.evaluate("window.isSamePage")


@pytest.mark.slow
async def test_a_request_about_an_open_conference_is_shown_beside_it(desk: Desk) -> None:
    await desk.happens("opened", "conference.created", conference_id="conf-1")
    await desk.ledger.add_pending(replace(asked(), conference_id="conf-1"))
    room = desk.tab.locator(".room")
    await room.get_by_role("article", name="End conference").wait_for()
    assert await desk.tab.get_by_role("article").count() == 1


async def test_a_question_is_approved_by_keyboard_alone(desk: Desk) -> None:
    left = await desk.ledger.add_pending(asked())
    await desk.ready()
    assert await desk.focused() not in ("Approve", "Reject")
    met = await desk.tab_to("Approve")
    assert met[-3:] == ["Reason (optional)", "Reject", "Approve"]
    assert await desk.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert len(await desk.ledger.pending()) == 1
    await desk.tab.keyboard.press("Enter")
    await desk.tab.get_by_text("Approved. Until").first.wait_for()
    assert (await desk.focused()).startswith("Approved.")
    taken = await desk.ledger.take(asked())
    assert isinstance(taken, PendingApproval)
    assert (taken.code, taken.state) == (left.code, State.SPENT)
    await desk.tab.locator(".card").wait_for(state="detached")
    assert await desk.tab.title() == "Now · Switchboard"


@pytest.mark.slow
async def test_an_approved_grant_says_that_it_is_not_for_one_call(desk: Desk) -> None:
    await desk.ledger.add_pending(asked(tool="request_grant"))
    await desk.ready()
    await desk.tab.get_by_role("button", name="Approve").click()
    await desk.tab.get_by_role("article").get_by_text("the agent may take this grant").wait_for()


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
    await desk.tab.get_by_text("Rejected. The agent gets the answer no.").first.wait_for()
    taken = await desk.ledger.take(asked())
    assert isinstance(taken, PendingApproval)
    assert (taken.state, taken.reason) == (State.REJECTED, "Not during the board meeting")
    await desk.tab.get_by_role("link", name="Audit").click()
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
async def test_the_agent_is_paused_and_resumed_by_keyboard_alone(desk: Desk) -> None:
    await desk.tab_to("Pause the agent")
    await desk.tab.keyboard.press("Enter")
    await desk.tab.get_by_text("The agent is paused, by anna@desk").wait_for()
    stopped = await desk.ledger.stopped()
    assert stopped is not None
    assert stopped.by == "anna@desk (operator page)"
    assert await desk.tab.title() == "Paused · Now · Switchboard"
    await desk.tab.keyboard.press("Enter")  # a key held down resumes nothing
    await desk.tab.locator(".switch:not([data-settling])").wait_for()
    assert await desk.ledger.stopped() == stopped
    assert await desk.focused() == "Resume the agent"
    await desk.tab.keyboard.press("Space")
    await desk.tab.get_by_role("button", name="Pause the agent").wait_for()
    assert await desk.ledger.stopped() is None


@pytest.mark.slow
async def test_a_pause_made_elsewhere_is_shown_with_its_author(desk: Desk) -> None:
    await desk.ledger.stop("Anna", "A wrong room")
    await desk.tab.locator(".stopped", has_text="by Anna").get_by_text("A wrong room").wait_for()


@pytest.mark.slow
async def test_text_from_others_never_becomes_markup(desk: Desk) -> None:
    await desk.ledger.add_pending(asked(question=HOSTILE, asked_by=HOSTILE, tool=HOSTILE))
    entry = dict.fromkeys(("outcome", "tool", "does", "risk", "client", "why", "by", "code"), HOSTILE)
    await desk.ledger.record([(datetime.now(UTC), {**entry, "asked": {"by": HOSTILE, "reason": HOSTILE}})])
    await desk.ledger.stop(HOSTILE, HOSTILE)
    await desk.tab.locator(".question").get_by_text(HOSTILE).wait_for()
    await desk.tab.locator(".stopped").get_by_text(HOSTILE).first.wait_for()
    await desk.tab.get_by_role("link", name="Audit").click()
    await desk.tab.locator("tbody").get_by_text(HOSTILE).first.wait_for()
    assert await desk.tab.locator("main img, body script, main b b").count() == 0


@pytest.mark.slow
async def test_a_card_shows_a_decision_made_elsewhere(desk: Desk) -> None:
    left = await desk.ledger.add_pending(asked())
    await desk.ready()
    await desk.ledger.decide(left.code, Decision(False, "Anna"))
    await desk.tab.get_by_role("article").get_by_text("Rejected by Anna.").wait_for()
    assert await desk.tab.get_by_role("button", name="Approve").count() == 0


@pytest.mark.slow
async def test_a_card_shows_that_a_decision_came_too_late(desk: Desk) -> None:
    left = await desk.ledger.add_pending(asked())
    await desk.ready()

    async def decided_meanwhile(route: Route) -> None:
        await desk.ledger.decide(left.code, Decision(False, "Anna"))
        await route.continue_()

    await desk.tab.route("**/operator/api/decide", decided_meanwhile)
    await desk.tab.get_by_role("button", name="Approve").click()
    await desk.tab.get_by_role("article").get_by_text("Anna rejected this before you").wait_for()
    desk.wrong.clear()  # the browser notes an answer of 409


@pytest.mark.slow
async def test_a_card_says_what_has_changed_since_it_was_asked(desk: Desk) -> None:
    await desk.happens("opened", "conference.created", conference_id="conf-1")
    facts: dict[str, Any] = {"rooms": {"conf-1": {"people": {}, "over": False, "recording": None}}}
    await desk.ledger.add_pending(replace(asked(), conference_id="conf-1", facts=json.dumps(facts)))
    await desk.ready()
    await desk.tab_to("Reason (optional)")
    await desk.happens("joined", "conference.participant.joined", conference_id="conf-1", call_control_id="v3:anna")
    await desk.tab.get_by_role("article").get_by_text("Since it was asked, v3:anna has joined").wait_for()
    assert await desk.focused() == "Reason (optional)"


@pytest.mark.slow
async def test_a_long_question_is_read_to_its_end_without_scrolling_inside_the_card(tmp_path: Path) -> None:
    async with at_desk(tmp_path, width=360) as desk:
        await desk.ledger.add_pending(asked(question="Say 'hello' to everyone? " * 100))
        question = desk.tab.locator(".question .theirs")
        assert await question.evaluate("(shown) => shown.scrollHeight <= shown.clientHeight")


@pytest.mark.slow
async def test_many_alerts_do_not_push_the_conferences_away(desk: Desk) -> None:
    now = datetime.now(UTC).isoformat()
    for number in range(8):
        message = f"{'عمر' if number == 7 else number} has waited in queue 'support' for more than 2 min."
        alert = {"alert": "long-wait", "when": "queue_wait", "subject": str(number), "message": message, "sequence": 1}
        await desk.happens(f"alert {number}", "alert.raised", via=Via.SERVER, **alert, since=now, raised_at=now)
    await expect(desk.tab.locator(".alerts .number")).to_have_text("8")
    await expect(desk.tab.locator(".alerts li")).to_have_count(5)
    newest = desk.tab.locator(".alerts li").first.get_by_text("has waited")
    assert await newest.evaluate("(shown) => getComputedStyle(shown).direction") == "ltr"
    await desk.tab.get_by_role("button", name="Show all alerts").press("Enter")
    await expect(desk.tab.locator(".alerts li")).to_have_count(8)
    await desk.tab.get_by_role("button", name="Show fewer alerts").press("Enter")
    await expect(desk.tab.locator(".alerts li")).to_have_count(5)


@pytest.mark.slow
async def test_the_history_follows_what_happens(desk: Desk) -> None:
    await desk.tab.get_by_role("link", name="History").click()
    await desk.tab.get_by_text("No conference was found.").wait_for()
    await desk.happens("opened", "conference.created", conference_id="conf-1")
    await desk.tab.get_by_text("Open now").wait_for()
    await desk.tab.locator(".history a").click()
    await desk.tab.get_by_text("Open now").wait_for()
    await desk.happens("joined", "conference.participant.joined", conference_id="conf-1", call_control_id="v3:anna")
    await desk.tab.get_by_role("cell", name="v3:anna").wait_for()
    await desk.happens("ended", "conference.ended", conference_id="conf-1", reason="all_left")
    await desk.tab.get_by_text("Ended: everyone had left").wait_for()


@pytest.mark.slow
async def test_older_records_stay_on_the_page_when_new_ones_come(desk: Desk) -> None:
    now = datetime.now(UTC)
    await desk.ledger.record([(now, {"outcome": "done", "tool": f"tool {number}"}) for number in range(70)])
    await desk.tab.get_by_role("link", name="Audit").click()
    await desk.tab.get_by_role("button", name="Show older").click()
    await desk.tab.get_by_role("cell", name="tool 0", exact=True).wait_for()
    await desk.ledger.record([(now, {"outcome": "done", "tool": "the newest"})])
    await desk.tab.get_by_role("cell", name="the newest").wait_for()
    await expect(desk.tab.locator("tbody tr")).to_have_count(71)
    await expect(desk.tab.locator("tbody tr").last).to_contain_text("tool 0")


@pytest.mark.slow
async def test_signing_out_removes_all_content(desk: Desk) -> None:
    await desk.ledger.add_pending(asked())
    await desk.ready()
    await desk.tab.locator("summary").press("Enter")
    await desk.tab.get_by_role("button", name="Sign out").press("Enter")
    await desk.tab.get_by_text("You signed out.").wait_for()
    assert "Standup" not in await desk.tab.locator("#root").inner_text()
    await desk.sign_in()
    await desk.tab.get_by_role("article").wait_for()


VIEWS = ("", "/approvals", "/history", "/history/conf-1", "/report", "/audit", "/sessions")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1100, 360])
@pytest.mark.parametrize("scheme", get_args(Scheme))
async def test_axe_finds_nothing_in_any_view_and_nothing_overflows(
    tmp_path: Path, axe: str, scheme: Scheme, width: int
) -> None:
    async with at_desk(tmp_path, scheme, width) as desk:
        await fill(desk)
        for view in VIEWS:
            await desk.tab.goto(f"{desk.url}/operator{view}")
            await desk.tab.get_by_text("Live", exact=True).wait_for()
            await desk.tab.locator("h1").wait_for()
            assert await desk.findings(axe) == [], view
            assert await desk.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        await desk.tab.locator("summary").click()
        assert await desk.findings(axe) == []
        await desk.ledger.stop("Anna", None)
        await desk.tab.get_by_text("The agent is paused, by Anna").wait_for()
        assert await desk.findings(axe) == []
        tops = "['.switch', '.menu'].map(name => document.querySelector(name).getBoundingClientRect().top)"
        assert len(set(await desk.tab.evaluate(tops))) == 1, "the menu stands below the switch"
        await desk.tab.get_by_role("button", name="Sign out").click()
        await desk.tab.get_by_label("Sign-in code").wait_for()
        assert await desk.findings(axe) == []
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
    await desk.happens("opened", "conference.created", conference_id="conf-1")
    for number in range(30):
        leg = f"v3:{number}"
        await desk.happens(
            f"joined {number}", "conference.participant.joined", conference_id="conf-1", call_control_id=leg
        )
    speech = {"transcript": "The parts have arrived. " * 30, "is_final": True, "transcription_track": "inbound"}
    await desk.happens("speech", "call.transcription", call_control_id="v3:0", transcription_data=speech)
    await desk.happens("waits", "call.enqueued", call_control_id="v3:w", queue="support", current_position=1)
    await desk.tab.locator(".people.list .person").nth(29).wait_for()
