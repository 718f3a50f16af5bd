"""The report on the operator page: its figures, its days, and the file for a spreadsheet."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from support.browser_pages import needs_chromium
from support.operator_browser import Desk, at_desk
from support.operator_visitor import Page
from support.webhooks import body_of
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.events.store import Store

pytestmark = pytest.mark.anyio

CALLER = "+12025550111"


async def happens(store: Store, name: str, event_type: str, at: datetime, **payload: Any) -> None:
    event: dict[str, Any] = json.loads(body_of(name, event_type, **payload))
    event["data"]["occurred_at"] = at.isoformat()
    body = json.dumps(event).encode()
    await store.add(parse_event(body, via=Via.WEBHOOK, verified=True, received_at=at), body)


async def one_call(store: Store, name: str, at: datetime) -> None:
    """A caller waits for a minute, and talks for two in a conference."""
    leg = {"call_control_id": f"v3:{name}", "conference_id": None}
    room, in_queue = leg | {"conference_id": f"conf-{name}"}, leg | {"queue": "support"}
    joined, ended = at + timedelta(minutes=1), at + timedelta(minutes=3)
    await happens(store, f"{name} 1", "call.initiated", at, **leg, direction="incoming", **{"from": CALLER})
    await happens(store, f"{name} 2", "call.enqueued", at, **in_queue, current_position=1)
    await happens(store, f"{name} 3", "call.dequeued", joined, **in_queue, reason="left")
    await happens(store, f"{name} 4", "conference.created", joined, **room)
    await happens(store, f"{name} 5", "conference.participant.joined", joined, **room)
    await happens(store, f"{name} 6", "conference.participant.left", ended, **room)
    await happens(store, f"{name} 7", "conference.ended", ended, **room, reason="all_left")


async def test_a_report_counts_what_began_in_its_days(page: Page) -> None:
    now, store = datetime.now(UTC), await page.live.events.store()
    await one_call(store, "old", now - timedelta(days=2))
    await one_call(store, "new", now - timedelta(minutes=10))
    visitor = await page.signed_in()
    since = (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    report = (await visitor.get(f"report?since={since}")).json()
    [queue], [conference] = report["queues"], report["conferences"]
    assert (queue["name"], queue["calls"], queue["waits"], queue["wait_s"]) == ("support", 1, 1, 60)
    assert (conference["id"], conference["talk_s"]) == ("conf-new", 120)
    answer = {"id": "conf-new", "name": "Order 4711", "status": "in_progress"}
    page.live.events.projection.merge_conference(answer, None, now)
    [named] = (await visitor.get(f"report?since={since}")).json()["conferences"]
    assert (conference["name"], named["name"]) == ("", "Order 4711")
    assert report["summary"].startswith("1 conference, 1 call, 1 wait in queues")
    assert len((await visitor.get("report")).json()["conferences"]) == 2
    assert (await visitor.get("report?since=today")).status_code == 400


async def test_a_report_is_saved_for_a_spreadsheet(page: Page) -> None:
    await one_call(await page.live.events.store(), "new", datetime.now(UTC) - timedelta(minutes=10))
    answer = await (await page.signed_in()).get("report.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["wait_s"] for row in rows if row["kind"] == "queue"] == ["60"]


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    async with at_desk(tmp_path) as desk:
        yield desk
        assert desk.wrong == []


@needs_chromium
@pytest.mark.slow
async def test_a_report_of_some_days_leads_to_its_conferences(desk: Desk) -> None:
    store, now = await desk.live.events.store(), datetime.now(UTC)
    await one_call(store, "old", now - timedelta(days=5))
    await one_call(store, "new", now - timedelta(minutes=10))
    await desk.tab.get_by_role("link", name="Report").click()
    await desk.tab.get_by_label("From").fill(f"{now - timedelta(days=2):%Y-%m-%d}")
    queues = desk.tab.get_by_role("table", name="Queues")
    await expect(queues.get_by_role("row").nth(1)).to_have_text("support11:001:000")
    await expect(desk.tab.get_by_role("table", name="Conferences").locator("tbody tr")).to_have_count(1)
    async with desk.tab.expect_download() as started:
        await desk.tab.get_by_role("button", name="Save as CSV").click()
    assert "conf-new" in (await (await started.value).path()).read_text("utf-8-sig")
    await desk.tab.get_by_role("table", name="Conferences").get_by_role("link").click()
    await desk.tab.get_by_role("heading", name="conf-new").wait_for()
