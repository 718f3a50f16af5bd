"""The page in a real browser, inside a host that speaks the app protocol: seen, pressed, read out, not overwhelmed."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from playwright.async_api import expect

from support.browser_pages import FINDINGS, Host, Scheme, host, needs_chromium
from support.guarded_server import guarded, room
from support.hostile_text import HOSTILE
from support.mcp import call, refusal
from support.mcp_apps import RENDERS
from support.mcp_in_process import World, current_world
from telnyx_conferencing.server.board.view import MAX_PEOPLE

pytestmark = [pytest.mark.anyio, needs_chromium]


@asynccontextmanager
async def shown(phone: World, scheme: Scheme = "light", **given: Any) -> AsyncGenerator[Host]:
    """A host that shows the board of a server on this Telnyx."""
    async with guarded(phone, extensions=RENDERS, **given) as client, host(client, scheme) as hosting:
        await hosting.show("show_switchboard")
        await hosting.page.get_by_role("heading", name="Switchboard").wait_for()
        yield hosting


def at(seconds: float) -> str:
    """A moment so long ago."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def crowd(many: int, **states: Any) -> dict[str, Any]:
    """The data of a board with this many people in one room."""
    people = [{"leg": f"v3:{number}", "name": f"Person {number}", "since": at(60 + number)} for number in range(many)]
    people[0] |= states
    return {
        "now": datetime.now(UTC).isoformat(),
        "rooms": [{"id": "all", "name": "All hands", "since": at(900), "present": many, "people": people}],
        "queues": [{"name": "support", "size": 1, "calls": [{"leg": "v3:w", "name": "+12025550111", "since": at(5)}]}],
        "events": [{"id": "e", "at": at(3), "kind": "other", "text": "Nothing yet."}],
        "approvals": [],
        "actions": ["mute_participants", "unmute_participants", "hold_participants", "unhold_participants"],
    }


def tool_result_message(board: dict[str, Any]) -> dict[str, Any]:
    """The result of a call as a host hands it to the page."""
    return {"content": [], "structuredContent": {"summary": "", "board": board}}


# What it shows


@pytest.mark.slow
async def test_an_empty_house_says_so_and_shows_who_waits() -> None:
    async with shown(current_world()) as hosting:
        await hosting.page.get_by_role("heading", name="No conference is open").wait_for()
        line = hosting.page.get_by_role("region", name="Queue support").get_by_role("listitem")
        assert await line.count() == 3


@pytest.mark.slow
async def test_rooms_and_people_are_named_and_have_their_states() -> None:
    board = crowd(3, talking=at(4), muted=True, held=at(65), role="monitor", number="+12025550150")
    async with shown(current_world()) as hosting:
        await hosting.tell("ui/notifications/tool-result", tool_result_message(board))
        person = hosting.page.get_by_role("listitem").filter(has_text="Person 0")
        await person.wait_for()
        text = await person.inner_text()
    words = " ".join(text.split())
    assert words.startswith("P Person 0 1:")
    assert all(word in words for word in ("Talking", "Muted", "On hold 1:", "Listens in", "+12025550150"))


@pytest.mark.slow
async def test_the_board_follows_the_theme_and_colours_of_the_host() -> None:
    async with shown(current_world()) as hosting:
        frame, root = hosting.tab.frames[1], expect(hosting.page.locator("html"))
        light = await frame.evaluate("getComputedStyle(document.querySelector('.room, .empty')).backgroundColor")
        await hosting.tell("ui/notifications/host-context-changed", {"theme": "dark"})
        await root.to_have_css("color-scheme", "dark")
        dark = await frame.evaluate("getComputedStyle(document.querySelector('.room, .empty')).backgroundColor")
        variables = {"--color-background-primary": "rgb(1, 2, 3)"}
        await hosting.tell("ui/notifications/host-context-changed", {"styles": {"variables": variables}})
        await root.to_have_css("background-color", "rgb(1, 2, 3)")
    assert light != dark


@pytest.mark.slow
async def test_the_page_reports_its_height_to_the_host() -> None:
    async with shown(current_world()) as hosting:
        height = await hosting.tab.frames[1].evaluate("Math.ceil(document.body.getBoundingClientRect().height)")
        await hosting.tab.wait_for_function("height => window.sizes.at(-1) === height", arg=height)


# What it does


async def test_a_button_calls_the_tool_through_the_host_by_keyboard_alone() -> None:
    phone = current_world()
    conference_id = room(phone.sandbox, "Standup", 2)
    async with shown(phone) as hosting:
        button = hosting.page.get_by_role("button", name="Mute v3:").first
        await button.focus()
        await hosting.tab.keyboard.press("Enter")
        await hosting.page.locator(".badge.muted").wait_for()
        people = await call(hosting.client, "list_participants", conference_id=conference_id)
        assert await hosting.page.locator("button:focus").inner_text() == await button.inner_text()
        assert (await hosting.tab.evaluate("window.calls"))[:2] == ["mute_participants", "show_switchboard"]
    assert sorted(person["muted"] for person in people["participants"]) == [False, True]


_KEYS = (("ArrowRight", "Person 1"), ("End", "Person 249"), ("ArrowLeft", "Person 248"), ("Home", "Person 0"))


@pytest.mark.slow
async def test_everyone_is_one_tab_stop_and_arrow_keys_go_from_one_to_the_next() -> None:
    async with shown(current_world()) as hosting:
        await hosting.tell("ui/notifications/tool-result", tool_result_message(crowd(250)))
        people = hosting.page.locator(".person button[tabindex='0']")
        await hosting.page.locator(".person").nth(249).wait_for()
        assert await people.count() == 2
        await hosting.page.get_by_role("button", name="Mute Person 0", exact=True).focus()
        for key, name in _KEYS:
            await hosting.tab.keyboard.press(key)
            assert (await hosting.page.locator("button:focus").inner_text()).split() == ["Mute", *name.split()]
        await hosting.tab.keyboard.press("ArrowDown")
        assert await hosting.page.locator("button:focus").inner_text() != "Mute Person 0"
        assert await people.count() == 2


@pytest.mark.slow
async def test_a_refused_press_is_read_out() -> None:
    phone = current_world()
    room(phone.sandbox, "Standup", 2)
    async with shown(phone, most_people=1) as hosting:
        await hosting.page.get_by_role("button", name="Mute all", exact=True).click()
        live_region = hosting.page.locator("[aria-live=polite]")
        await live_region.get_by_text("this server's policy allows 1 at most in one action").wait_for()


@pytest.mark.slow
async def test_a_visible_board_refreshes_slowly_and_never_twice_at_once() -> None:
    async with guarded(current_world(), extensions=RENDERS) as client, host(client) as hosting:
        await hosting.tab.clock.install()
        await hosting.show("show_switchboard")
        await hosting.page.get_by_text("Live").wait_for()
        for _ in range(20):
            await hosting.tab.clock.run_for(1_000)
            await hosting.tab.frames[1].evaluate("new Promise((done) => requestAnimationFrame(done))")
        calls = await hosting.tab.evaluate("window.calls")
    assert set(calls) == {"show_switchboard"}
    assert len(calls) <= 7


# Approvals


@pytest.mark.slow
async def test_a_card_shows_what_will_be_touched_and_approve_lets_it_through() -> None:
    phone = current_world()
    conference_id = room(phone.sandbox, "Standup", 2)
    async with guarded(phone, extensions=RENDERS) as client, host(client) as hosting:
        code = _code(await client.call_tool("end_conference", {"conference_id": conference_id}))
        await hosting.show("show_approval", approval=code)
        card = hosting.page.get_by_role("article", name="End conference")
        assert "End conference 'Standup'? 2 people are in it" in await card.inner_text()
        await card.get_by_role("button", name="Approve").click()
        await card.get_by_text("Approved. The agent may now repeat").wait_for()
        await hosting.tab.wait_for_function("window.said.length")
        [message] = await hosting.tab.evaluate("window.said")
        await call(client, "end_conference", conference_id=conference_id)
    assert message == {
        "role": "user",
        "content": [{"type": "text", "text": f"I approved {code}: repeat that call now."}],
    }


@pytest.mark.slow
async def test_a_notice_on_the_board_is_answered_with_reject() -> None:
    phone = current_world()
    conference_id = room(phone.sandbox, "Standup", 2)
    async with guarded(phone, extensions=RENDERS) as client, host(client) as hosting:
        code = _code(await client.call_tool("end_conference", {"conference_id": conference_id}))
        result = await hosting.show("show_switchboard")
        await hosting.page.get_by_role("button", name="Answer …").click()
        await hosting.page.get_by_role("button", name="Reject").click()
        await (
            hosting.page.locator("[aria-live=polite]").get_by_text("Rejected. The agent gets the answer no.").wait_for()
        )
        assert "said no" in await refusal(client, "end_conference", conference_id=conference_id)
        assert code in json.dumps(result.structured_content)
        assert await hosting.tab.evaluate("window.calls.slice(0, 2)") == ["show_approval", "decide_approval"]


def _code(result: Any) -> str:
    code: str = result.meta["telnyx-conferencing/pending"]
    return code


# Hostile names


@pytest.mark.slow
async def test_a_name_is_text_and_nothing_else() -> None:
    names = [*HOSTILE.values(), "<img src=x onerror=alert(1)>", "x" * 10_000]
    phone = current_world()
    for name in names:
        room(phone.sandbox, name, 1)
    async with shown(phone) as hosting:
        frame = hosting.tab.frames[1]
        await expect(hosting.page.locator(".person")).to_have_count(len(names))
        wide = await frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        strange = await frame.evaluate(
            "[...document.querySelectorAll('#root :is(img, script, iframe, b, system)')].map(one => one.outerHTML)"
        )
        texts = await hosting.page.locator("h2").all_inner_texts()
    assert (wide, strange) == (True, [])
    assert max(map(len, texts)) <= 80


@pytest.mark.slow
async def test_hostile_content_from_the_server_is_shown_as_text() -> None:
    """The page trusts no server: names that were not cleaned are cut by their box, and turn nothing around."""
    board = crowd(2)
    board["rooms"][0]["name"] = "<b>x</b>" + "y" * 10_000
    board["rooms"][0]["people"][0]["name"] = "\u202eevil\u2066<script>alert(1)</script>"
    async with shown(current_world()) as hosting:
        await hosting.tell("ui/notifications/tool-result", tool_result_message(board))
        await hosting.page.locator(".person").first.wait_for()
        frame = hosting.tab.frames[1]
        assert await frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await frame.evaluate("document.querySelectorAll('#root :is(b, script)').length") == 0
        assert await frame.evaluate("document.querySelector('.person bdi') !== null")


# Many


@pytest.mark.slow
async def test_250_people_change_ten_times_a_second_and_the_page_does_not_fall_behind() -> None:
    async with shown(current_world()) as hosting:
        frame = hosting.tab.frames[1]
        await hosting.tell("ui/notifications/tool-result", tool_result_message(crowd(250)))
        await hosting.page.locator(".person").nth(249).wait_for()
        boxes = "[...document.querySelectorAll('.person, h2')].map((at) => { const { x, y, width, height } = "
        boxes += "at.getBoundingClientRect(); return [x, y, width, height]; })"
        before = await frame.evaluate(boxes)
        await frame.evaluate(_NOTE_TICKS)
        sent = await hosting.tab.evaluate(_FLOOD, tool_result_message(crowd(250)))
        await expect(hosting.page.locator(".events bdi").first).to_have_text(re.compile(r"^tick 49\b"))
        seen = dict(await frame.evaluate("[...window.seen]"))
        after = await frame.evaluate(boxes)
    lags = [seen[tick] - moment for tick, moment in enumerate(sent) if tick in seen]
    assert before == after
    assert len(lags) > 10  # of fifty: a busy machine shows some of them together
    assert lags[-1] < 1_000


_NOTE_TICKS = """() => {
  window.seen = new Map();
  new MutationObserver(() => {
    const tick = /^tick (\\d+)/.exec(document.querySelector(".events bdi").textContent);
    if (tick && !window.seen.has(Number(tick[1]))) window.seen.set(Number(tick[1]), Date.now());
  }).observe(document.querySelector(".events"), { subtree: true, childList: true, characterData: true });
}"""
_FLOOD = """async (result) => {
  const sent = [];
  const { board } = result.structuredContent;
  for (let tick = 0; tick < 50; tick += 1) {
    board.now = new Date().toISOString();
    board.events[0] = { ...board.events[0], id: `e${tick}`, text: `tick ${tick}` };
    for (const person of board.rooms[0].people) {
      const state = Math.random();
      delete person.muted;
      delete person.held;
      delete person.talking;
      if (state < 0.3) person.muted = true;
      else if (state < 0.5) person.held = board.now;
      else if (state < 0.6) person.talking = board.now;
    }
    sent.push(Date.now());
    window.tell("ui/notifications/tool-result", structuredClone(result));
    await new Promise((done) => setTimeout(done, 100));
  }
  return sent;
}"""


@pytest.mark.slow
def test_the_number_of_people_on_a_page_is_bounded() -> None:
    assert MAX_PEOPLE == 1_000


# Accessibility


@pytest.mark.slow
@pytest.mark.parametrize("scheme", get_args(Scheme))
async def test_the_page_has_no_accessibility_problems(scheme: Scheme, axe: str) -> None:
    phone = current_world()
    busy = crowd(30, talking=at(4), muted=True, number="+12025550150")
    busy["rooms"][0]["people"][1] |= {"held": at(65)}
    busy["rooms"][0]["people"][2] |= {"role": "whisper"}
    busy["rooms"][0] |= {"recording": "recording", "playing": 1}
    busy["stopped"] = "ben: lunch"
    async with guarded(phone, extensions=RENDERS) as client, host(client, scheme) as hosting:
        code = _code(await client.call_tool("end_conference", {"conference_id": room(phone.sandbox)}))
        await hosting.show("show_approval", approval=code)
        await hosting.page.get_by_role("button", name="Approve").wait_for()
        await hosting.tab.frames[1].evaluate(axe)
        found = [await hosting.tab.frames[1].evaluate(FINDINGS)]
        result: Any = await hosting.show("show_switchboard")
        await hosting.page.get_by_role("button", name="Answer …").wait_for()
        await hosting.tab.frames[1].evaluate(axe)
        found += [await hosting.tab.frames[1].evaluate(FINDINGS)]
        approvals = result.structured_content["board"]["approvals"]
        await hosting.tell("ui/notifications/tool-result", tool_result_message({**busy, "approvals": approvals}))
        await hosting.page.locator(".person").nth(29).wait_for()
        found += [await hosting.tab.frames[1].evaluate(FINDINGS)]
    assert found == [[], [], []]
