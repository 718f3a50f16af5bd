"""Decisions on the page reach the ledger, and the ledger's content reaches the page."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.operator_visitor import Page, asked
from telnyx_conferencing.server.guard.ledger import Decision, GrantTerms, PendingApproval, State
from telnyx_conferencing.server.guard.ledger.pending_approvals import MAX_PENDING

pytestmark = pytest.mark.anyio


async def test_an_approval_reaches_the_ledger_with_its_reason(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    visitor = await page.signed_in()
    answer = await visitor.post("decide", {"code": left.code, "yes": True, "reason": " They agreed. "})
    assert answer.json()["decided"]["state"] == "approved"
    assert (answer.json()["state"]["waiting"], answer.json()["state"]["pending"]) == (0, [])
    taken = await page.ledger.take(asked())
    assert isinstance(taken, PendingApproval)
    assert (taken.state, taken.decided_by, taken.reason) == (State.SPENT, "anna@desk (operator page)", "They agreed.")


async def test_a_rejection_reaches_the_ledger(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    visitor = await page.signed_in()
    answer = await visitor.post("decide", {"code": left.code, "yes": False})
    assert answer.json()["decided"]["state"] == "rejected"
    taken = await page.ledger.take(asked())
    assert isinstance(taken, PendingApproval)
    assert (taken.state, taken.reason) == (State.REJECTED, None)


async def test_a_reason_is_cleaned_and_bounded(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    visitor = await page.signed_in()
    odd = {"code": left.code, "yes": False, "reason": "two\nlines\x00 and \ud800 half"}
    assert (await visitor.post("decide", odd)).status_code == 200
    [record] = await page.ledger.newest(1)
    assert record.entry["reason"] == "two lines and half"
    for long in ("x" * 501, 7):
        assert (await visitor.post("stop", {"reason": long})).status_code == 400


async def test_deciding_an_unknown_decided_or_expired_request_is_refused_with_the_reason(page: Page) -> None:
    visitor = await page.signed_in()
    elsewhere, late = await page.ledger.add_pending(asked("1")), await page.ledger.add_pending(asked("2"))
    await page.ledger.decide(elsewhere.code, Decision(False, "Anna"))
    page.clock.move(minutes=5)
    for code, word in (
        (elsewhere.code, "Anna rejected this before you"),
        (late.code, "expired"),
        ("ZZZZ-ZZZZ", "There is no request"),
    ):
        answer = await visitor.post("decide", {"code": code, "yes": True})
        assert answer.status_code == 409
        assert word in answer.json()["error"]


async def test_a_second_answer_shows_who_answered_first(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    anna, boris = await page.signed_in("anna@desk"), await page.signed_in("boris@desk")
    assert (await anna.post("decide", {"code": left.code, "yes": False, "reason": "Too early"})).status_code == 200
    second = await boris.post("decide", {"code": left.code, "yes": True})
    assert (second.status_code, second.json()["error"]) == (
        409,
        "anna@desk (operator page) rejected this before you, at 12:00:00 UTC. “Too early”",
    )
    taken = await page.ledger.take(asked())
    assert isinstance(taken, PendingApproval)
    assert taken.state is State.REJECTED


async def test_a_decision_is_a_json_boolean(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    visitor = await page.signed_in()
    values: list[Any] = [None, 1, "true", []]
    answers = [await visitor.post("decide", {"code": left.code, "yes": value}) for value in values]
    assert [answer.status_code for answer in answers] == [400] * len(values)
    assert len(await page.ledger.pending()) == 1


async def test_writes_are_stopped_and_resumed(page: Page) -> None:
    visitor = await page.signed_in()
    stopped = (await visitor.post("stop", {"reason": "Something is odd"})).json()["state"]["stopped"]
    assert stopped == {
        "at": "2026-03-01T12:00:00.000Z",
        "by": "anna@desk (operator page)",
        "reason": "Something is odd",
    }
    found = await page.ledger.stopped()
    assert found is not None
    assert (found.by, found.reason) == ("anna@desk (operator page)", "Something is odd")
    assert (await visitor.post("resume")).json()["state"]["stopped"] is None
    assert await page.ledger.stopped() is None


async def actions_of(page: Page) -> list[dict[str, Any]]:
    return (await (await page.signed_in()).get("audit")).json()["actions"]


async def state_of(page: Page) -> dict[str, Any]:
    return (await (await page.signed_in()).post("resume")).json()["state"]


async def test_an_approval_request_is_shown_with_everything_a_person_needs(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    [shown] = (await state_of(page))["pending"]
    assert shown == {
        "code": left.code,
        "tool": "end_conference",
        "risk": "destructive",
        "question": "End conference 'Standup'? 3 people are in it.",
        "asked_by": "Claude Code 2.1",
        "asked_at": "2026-03-01T12:00:00.000Z",
        "expires_at": "2026-03-01T12:05:00.000Z",
        "state": "pending",
    }


async def test_characters_that_reverse_or_hide_text_are_not_shown(page: Page) -> None:
    await page.ledger.add_pending(asked(question="Hang up '\u202eanna\u202c\u200b'?\x07"))
    assert (await state_of(page))["pending"][0]["question"] == "Hang up ' anna '?"


async def test_the_records_of_a_call_make_one_action_with_the_latest_outcome(page: Page) -> None:
    now, call = page.clock.now(), {"call": "c1", "tool": "hold_participants"}
    await page.ledger.record([(now, {**call, "outcome": "sends", "does": "put all on hold", "client": "agent"})])
    await page.ledger.record([(now, {"tool": "end_conference", "outcome": "refused", "why": "Read-only."})])
    later = now + timedelta(seconds=2)
    await page.ledger.record(
        [(later, {**call, "outcome": "done", "ms": 120, "asked": {"by": "Anna", "answer": "yes"}})]
    )
    assert await actions_of(page) == [
        {
            "key": "call c1",
            "number": 3,
            "at": "2026-03-01T12:00:02.000Z",
            "outcome": "done",
            "tool": "hold_participants",
            "does": "put all on hold",
            "client": "agent",
            "asked": {"by": "Anna", "answer": "yes"},
            "ms": 120,
        },
        {
            "key": "record 2",
            "number": 2,
            "at": "2026-03-01T12:00:00.000Z",
            "outcome": "refused",
            "tool": "end_conference",
            "why": "Read-only.",
        },
    ]


async def test_unexpected_and_long_fields_of_records_are_dropped_or_shortened(page: Page) -> None:
    odd = {"outcome": 7, "tool": ["a"], "asked": "yes", "ms": "soon", "why": "x" * 9000, "by": None, "unknown": 1}
    await page.ledger.record([(page.clock.now(), odd)])
    [shown] = await actions_of(page)
    assert (shown["outcome"], shown["tool"], len(shown["why"])) == ("7", "['a']", 500)
    assert not {"asked", "ms", "by", "unknown"} & shown.keys()


async def test_the_oldest_fifty_requests_are_shown(page: Page) -> None:
    for number in range(60):
        request = asked(str(number), f"Question {number}?")
        await page.ledger.add_pending(replace(request, identity=f"agent {number // MAX_PENDING}"))
    state = await state_of(page)
    assert (state["waiting"], len(state["pending"])) == (60, 50)
    assert state["pending"][0]["question"] == "Question 0?"


async def test_the_page_lists_open_grants_and_ends_them(page: Page) -> None:
    visitor = await page.signed_in()
    terms = GrantTerms("hangup_call", {"call_control_id": ["v3:a", "v3:b"]}, "room", "Standup", 2, 10)
    grant = await page.ledger.add_grant(terms, (None, "claude-code 2.1"), "elicitation", page.clock.now())
    [shown] = (await visitor.post("stop", {})).json()["state"]["grants"]
    assert (shown["code"], shown["tool"], shown["room"], shown["left"]) == (grant.code, "hangup_call", "Standup", 2)
    assert shown["limits"] == {"call_control_id": "v3:a, v3:b"}
    revoked = await visitor.post("revoke", {"code": grant.code})
    assert revoked.json()["state"]["grants"] == []
    assert (await visitor.post("revoke", {"code": grant.code})).status_code == 409
    assert await page.ledger.grants() == []


async def test_a_request_names_its_conference(page: Page) -> None:
    await page.ledger.add_pending(replace(asked(), conference_id="conf-1"))
    [shown] = (await state_of(page))["pending"]
    assert shown["room"] == "conf-1"


async def test_a_decision_is_shown_for_two_minutes(page: Page) -> None:
    left = await page.ledger.add_pending(asked())
    await page.ledger.decide(left.code, Decision(False, "Anna", "No"))
    [shown] = (await state_of(page))["decided"]
    assert (shown["code"], shown["state"], shown["by"], shown["reason"]) == (left.code, "rejected", "Anna", "No")
    page.clock.move(minutes=3)
    assert (await state_of(page))["decided"] == []
