"""Past conferences and the audit on the operator page."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from zipfile import ZipFile

import anyio
import pytest

from support.operator_visitor import Page, Visitor, asked, open_page
from support.webhooks import PATIENCE, body_of, eventually
from telnyx_conferencing.server.adapters.conference_history import render_timeline
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.evidence.export import export
from telnyx_conferencing.server.evidence.verify import verify
from telnyx_conferencing.server.guard.ledger import ApprovalRequest, Decision
from telnyx_conferencing.server.sandbox.webhooks import Signer
from telnyx_conferencing.server.webhooks.signature import SignatureVerifier

pytestmark = pytest.mark.anyio

NUMBERS = ("+12025550111", "+12025550122")
ROOM, OTHER_ROOM = "027752fe-61f6-4c6e-a89c-0559bf4fa4a3", "566ff3ec-679b-49e8-80c3-2da9bc49b58e"


async def store(page: Page, name: str, event_type: str, at: datetime, **payload: Any) -> None:
    event: dict[str, Any] = json.loads(body_of(name, event_type, **payload))
    event["data"]["occurred_at"] = at.isoformat()
    body = json.dumps(event).encode()
    events = await page.live.events.store()
    await events.add(parse_event(body, via=Via.WEBHOOK, verified=True, received_at=at), body)


async def conference(page: Page, id_: str, at: datetime, name: str, number: str) -> None:
    """A conference that a command created and one caller left after a minute."""
    leg = f"v3:{id_}"
    where = {"conference_id": id_, "call_control_id": leg}
    await store(page, f"{id_} call", "call.initiated", at, call_control_id=leg, conference_id=None, **{"from": number})
    await store(page, f"{id_} opened", "conference.created", at, **where)
    await store(page, f"{id_} joined", "conference.participant.joined", at, **where)
    await store(page, f"{id_} left", "conference.participant.left", at + timedelta(minutes=1), **where)
    await store(page, f"{id_} ended", "conference.ended", at + timedelta(minutes=1), **where, reason="all_left")
    entry = {"outcome": "done", "tool": "create_conference", "arguments": {"call_control_id": leg, "name": name}}
    await page.ledger.record([(at, entry)])


@pytest.fixture
async def visitor(page: Page) -> Visitor:
    """A person before the history of two conferences, a day apart."""
    now = datetime.now(UTC)
    await conference(page, "conf-old", now - timedelta(days=1, minutes=5), "Refunds", NUMBERS[0])
    await conference(page, "conf-new", now - timedelta(minutes=5), "Order 4711", NUMBERS[1])
    return await page.signed_in()


async def found(visitor: Visitor, query: str = "") -> list[str]:
    answer = await visitor.get(f"conferences{query}")
    assert answer.status_code == 200, answer.text
    return [conference["id"] for conference in answer.json()["conferences"]]


async def test_past_conferences_are_listed_the_newest_first_with_their_figures(visitor: Visitor) -> None:
    first, second = (await visitor.get("conferences")).json()["conferences"]
    assert (first["name"], first["seconds"], first["peak_participants"]) == ("Order 4711", 60, 1)
    assert (first["who"], second["name"]) == ([NUMBERS[1]], "Refunds")


async def test_past_conferences_are_found_by_name_number_and_time(visitor: Visitor) -> None:
    yesterday = (datetime.now(UTC) - timedelta(hours=12)).isoformat().replace("+00:00", "Z")
    assert await found(visitor, "?text=refund") == ["conf-old"]
    assert await found(visitor, "?text=202-555-0122") == ["conf-new"]
    assert await found(visitor, f"?until={yesterday}") == ["conf-old"]
    assert await found(visitor, f"?since={yesterday}") == ["conf-new"]
    assert await found(visitor, "?text=nobody") == []
    assert (await visitor.get("conferences?since=yesterday")).status_code == 400


async def test_a_past_conference_has_its_people_its_picture_and_its_approvals(page: Page, visitor: Visitor) -> None:
    request = ApprovalRequest("1", "1", "end_conference", "destructive", "End it?", "agent", conference_id="conf-new")
    left = await page.ledger.add_pending(request)
    await page.ledger.decide(left.code, Decision(False, "Anna", "Not yet"))
    detail = (await visitor.get("conferences/conf-new")).json()
    assert [person["number"] for person in detail["people"]] == [NUMBERS[1]]
    [approval] = detail["approvals"]
    assert (approval["answer"], approval["by"], approval["reason"]) == ("rejected", "Anna", "Not yet")
    picture = await visitor.get("conferences/conf-new/timeline.svg")
    assert (picture.headers["content-type"], "Order 4711" in picture.text) == ("image/svg+xml", True)
    assert (await visitor.get("conferences/unknown")).status_code == 404


async def test_a_past_conference_does_not_say_that_an_outdated_request_still_waits(
    page: Page, visitor: Visitor
) -> None:
    for binding in ("two people", "three people"):
        request = ApprovalRequest(
            "same call", binding, "end_conference", "destructive", binding, "agent", conference_id="conf-new"
        )
        await page.ledger.add_pending(request)
    approvals = (await visitor.get("conferences/conf-new")).json()["approvals"]
    states = {approval["question"]: approval["state"] for approval in approvals}
    assert states == {"two people": "outdated", "three people": "pending"}


async def test_a_past_conference_is_exported_as_an_archive(visitor: Visitor, tmp_path: Path) -> None:
    answer = await visitor.get("conferences/conf-new/archive")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    file = tmp_path / "archive.zip"
    file.write_bytes(answer.content)
    verifier = SignatureVerifier([Signer().public_key], tolerance=float("inf"))
    report = verify(file, verifier, answer.headers["x-audit-head"], render_timeline)
    assert report.manifest is not None
    assert (report.manifest.conference_id, report.is_head_known) == ("conf-new", True)
    assert (await visitor.get("conferences/unknown/archive")).status_code == 404


async def test_an_archive_is_written_while_the_server_answers_others(
    page: Page, visitor: Visitor, tmp_path: Path
) -> None:
    is_writing, has_answered = Event(), Event()

    def timeline(*given: object) -> str:
        is_writing.set()
        return "answered" if has_answered.wait(PATIENCE) else "blocked"

    async def write() -> None:
        store = await page.live.events.store()
        await export("conf-new", out, store, page.ledger, timeline, now=page.clock.now(), program="tests")

    async def begun() -> bool:
        return is_writing.is_set()

    out = tmp_path / "archive.zip"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await eventually(begun)
        assert (await visitor.get("session")).status_code == 200
        has_answered.set()
    with ZipFile(out) as archive:
        assert archive.read("timeline.md") == b"answered"


async def test_a_past_conference_has_its_transcript(page: Page, visitor: Visitor) -> None:
    speech = {
        "transcript": "Do we ship on Friday?",
        "is_final": True,
        "confidence": 0.9,
        "transcription_track": "inbound",
    }
    at = datetime.now(UTC) - timedelta(minutes=4, seconds=30)
    where = {"conference_id": None, "call_control_id": "v3:conf-new"}
    await store(page, "speech", "call.transcription", at, **where, transcription_data=speech)
    [utterance] = (await visitor.get("conferences/conf-new")).json()["transcript"]
    assert (utterance["speaker"], utterance["text"]) == (NUMBERS[1], "Do we ship on Friday?")
    assert (await visitor.get("conferences/conf-old")).json()["transcript"] == []


async def actions(visitor: Visitor, query: str) -> list[Any]:
    return [action.get("tool") for action in (await visitor.get(f"audit{query}")).json()["actions"]]


async def test_the_audit_is_filtered_by_result_tool_text_and_time(page: Page) -> None:
    visitor, now = await page.signed_in(), page.clock.now()
    rows = (("done", "dial", 3), ("refused", "end_conference", 2), ("done", "end_conference", 1))
    for outcome, tool, hours in rows:
        entry = {"outcome": outcome, "tool": tool, "client": f"client of {tool}"}
        await page.ledger.record([(now - timedelta(hours=hours), entry)])
    assert await actions(visitor, "?outcome=refused") == ["end_conference"]
    assert await actions(visitor, "?tool=end_conference") == ["end_conference", "end_conference"]
    assert await actions(visitor, "?text=CLIENT of dial") == ["dial"]
    assert await actions(visitor, "?since=2026-03-01T10:30:00Z") == ["end_conference"]
    assert await actions(visitor, "?until=2026-03-01T09:30:00Z") == ["dial"]
    await page.ledger.record([(now, {"outcome": "done", "tool": "list_queues", "risk": "read"})])
    assert await actions(visitor, "?outcome=done") == ["list_queues", "end_conference", "dial"]
    assert await actions(visitor, "?outcome=changes") == ["end_conference", "end_conference", "dial"]


async def test_the_audit_names_conferences_and_people_instead_of_ids(page: Page) -> None:
    now = datetime.now(UTC)
    await conference(page, ROOM, now - timedelta(minutes=5), "Order 4711", NUMBERS[0])
    answer = {"id": ROOM, "name": "Order 4711", "status": "in_progress"}
    page.live.events.projection.merge_conference(answer, None, now)
    entry = {"outcome": "done", "tool": "mute_participants", "does": f"Mute v3:{ROOM} in conference {ROOM}"}
    await page.ledger.record([(now, entry), (now, entry | {"does": f"Mute v3:unknown in conference {OTHER_ROOM}"})])
    visitor = await page.signed_in()
    actions = (await visitor.get("audit")).json()["actions"]
    unknown, known = [action["does"] for action in actions if "does" in action]
    assert known == f"Mute {NUMBERS[0]} in conference 'Order 4711'"
    assert unknown == f"Mute v3:unknown in conference {OTHER_ROOM}"


async def test_the_audit_names_conferences_and_people_of_the_past_from_the_store(tmp_path: Path) -> None:
    days_ago = datetime.now(UTC) - timedelta(days=3)
    async with open_page(tmp_path) as page:
        await conference(page, ROOM, days_ago, "Order 4711", NUMBERS[0])
        await conference(page, OTHER_ROOM, days_ago + timedelta(hours=1), "Refunds", NUMBERS[1])
        entry = {"outcome": "done", "tool": "mute_participants", "does": f"Mute v3:{ROOM} in conference {ROOM}"}
        await page.ledger.record([(days_ago + timedelta(hours=2), entry)])
    async with open_page(tmp_path) as restarted:
        visitor = await restarted.signed_in()
        [action] = (await visitor.get("audit?text=in conference 'order 4711'")).json()["actions"]
    assert action["does"] == f"Mute {NUMBERS[0]} in conference 'Order 4711'"


async def test_the_audit_does_not_take_a_name_for_an_id(page: Page) -> None:
    entry = {"outcome": "done", "tool": "create_conference", "does": "Open conference 'conf-open'"}
    await page.ledger.record([(page.clock.now(), entry)])
    await conference(page, "conf-open", datetime.now(UTC), "conf-open", NUMBERS[0])
    actions = (await (await page.signed_in()).get("audit")).json()["actions"]
    assert "Open conference 'conf-open'" in [action.get("does") for action in actions]


async def test_the_audit_says_which_number_is_on_the_opt_out_list(page: Page) -> None:
    await page.ledger.record([(page.clock.now(), {"outcome": "opt-out added", "number": NUMBERS[0], "by": "agent"})])
    [action] = (await (await page.signed_in()).get("audit")).json()["actions"]
    assert (action["outcome"], action["opted_out"]) == ("opt-out added", NUMBERS[0])


async def test_the_audit_is_read_in_pages(page: Page) -> None:
    visitor = await page.signed_in()
    await page.ledger.record([(page.clock.now(), {"outcome": "done", "tool": f"t{n}"}) for n in range(70)])
    first = (await visitor.get("audit")).json()
    assert [action["tool"] for action in first["actions"]] == [f"t{n}" for n in range(69, 19, -1)]
    assert await actions(visitor, f"?before={first['next']}") == [f"t{n}" for n in range(19, -1, -1)]


async def test_the_export_has_every_record_and_the_check_proves_it(page: Page) -> None:
    visitor = await page.signed_in()
    await page.ledger.add_pending(asked())
    await visitor.post("stop")
    await visitor.post("resume")
    lines = [json.loads(line) for line in (await visitor.get("audit/export")).text.splitlines()]
    assert [line["outcome"] for line in lines] == ["writes stopped by a person", "writes resumed by a person"]
    verified = (await visitor.post("audit/verify")).json()
    assert (verified["records"], verified["head"]) == (2, f"2:{lines[-1]['hash']}")
    missing = await visitor.post("audit/verify", {"head": f"3:{'a' * 64}"})
    assert (missing.status_code, "error" in missing.json()) == (409, True)


async def test_a_request_that_was_asked_again_is_outdated_and_says_what_has_changed(page: Page) -> None:
    def facts(*people: str) -> str:
        present: dict[str, Any] = {leg: [leg, []] for leg in people}
        room = {"people": present, "over": False, "recording": None}
        return json.dumps({"rooms": {"room": room}, "places": {}, "waiting": {}, "queues": {}})

    visitor = await page.signed_in()
    request = asked()
    for binding, people in (("old", ("Anna",)), ("new", ("Anna", "Boris"))):
        changed = ApprovalRequest(
            "same call", binding, request.tool, request.risk, f"{binding} question", "agent", facts=facts(*people)
        )
        await page.ledger.add_pending(changed)
    state = (await visitor.post("resume")).json()["state"]
    assert ([approval["question"] for approval in state["pending"]], state["waiting"]) == (["new question"], 1)
    [outdated] = state["decided"]
    assert (outdated["question"], outdated["state"]) == ("old question", "outdated")
    assert "Boris has joined" in outdated["changed"]


async def changed_since(page: Page, visitor: Visitor) -> str | None:
    """What the page says beside the only pending request."""
    [pending] = (await visitor.post("resume")).json()["state"]["pending"]
    return pending.get("changed")


async def test_a_pending_request_says_what_has_changed_since_it_was_asked(page: Page) -> None:
    where = {"conference_id": "conf-new", "call_control_id": "v3:anna"}
    nobody: dict[str, Any] = {"people": {}, "over": False, "recording": None}
    people: dict[str, Any] = {"v3:anna": ["Anna", []], "v3:boris": ["Boris", []]}
    facts = {"rooms": {"conf-new": nobody | {"people": people}, "unknown": nobody}}
    visitor, now = await page.signed_in(), datetime.now(UTC)
    await page.ledger.add_pending(replace(asked(), facts=json.dumps(facts)))
    assert await changed_since(page, visitor) is None
    await store(page, "anna", "conference.participant.joined", now, **where)
    assert await changed_since(page, visitor) is None
    started = {"call_control_id": "v3:clara", "conference_id": None, "from": NUMBERS[0]}
    await store(page, "call", "call.initiated", now, **started)
    await store(page, "clara", "conference.participant.joined", now, **(where | {"call_control_id": "v3:clara"}))
    assert await changed_since(page, visitor) == f"{NUMBERS[0]} has joined (3 people in the conference now)"
    await store(page, "anna left", "conference.participant.left", now, **where)
    assert await changed_since(page, visitor) == (
        f"{NUMBERS[0]} has joined (2 people in the conference now) and Anna has left"
    )
    await store(page, "ended", "conference.ended", now, **where, reason="all_left")
    assert await changed_since(page, visitor) == "the conference has ended"


async def test_a_request_whose_facts_are_true_again_is_asked_again(page: Page) -> None:
    codes: list[str] = []
    for binding in ("two people", "three people", "two people"):
        request = ApprovalRequest("same call", binding, "end_conference", "destructive", binding, "agent")
        codes.append((await page.ledger.add_pending(request)).code)
    assert len(set(codes)) == 3
    assert [approval.code for approval in await page.ledger.pending()] == codes[2:]
