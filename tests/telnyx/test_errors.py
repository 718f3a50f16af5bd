"""The advice to a model about each error that Telnyx documents, chosen by its code."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.mcp_in_process import World
from telnyx_conferencing.server.telnyx import TelnyxRefused
from telnyx_conferencing.server.telnyx.errors import HINTS
from telnyx_conferencing.tools.queues import DeleteQueue

pytestmark = pytest.mark.anyio

DOCUMENTED: dict[str, tuple[int, str, str]] = {
    "10015": (422, "Bad Request", "has a wrong value"),
    "10016": (422, "Phone number must be in +E164 format", "E.164"),
    "10032": (422, "Invalid enumerated value", "one of the values"),
    "10033": (422, "Value outside of range", "within the range"),
    "90015": (422, "Invalid Call Control ID", "list_active_calls"),
    "90018": (422, "Call has already ended", "The call is over"),
    "90019": (422, "Conference has already ended", "The conference is over"),
    "90020": (422, "Call recording triggered before audio started", "call.answered"),
    "90032": (422, "Maximum number of participants reached", "leave_conference"),
    "90033": (422, "Unable to execute command", "join_conference"),
    "90034": (422, "Call not answered yet", "It still rings"),
    "90036": (422, "Queue full", "update_queue makes room"),
    "90038": (422, "Call already in queue", "Nothing more is needed"),
    "90040": (400, "Downloading audio file failed", "could not download"),
    "90050": (400, "Unable to delete queue", "Only an empty queue"),
    "90054": (422, "Call transcription is already in progress", "conference_transcript"),
    "90058": (404, "Invalid conference_id", "list_conferences"),
    "D38": (403, "Forbidden", "outbound voice profile"),
    "D51": (403, "Forbidden", "not verified"),
}
"""Status and title by Telnyx's documentation, and words of the hint, by code."""


async def error_message(status: int, errors: list[dict[str, Any]]) -> str:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, json={"errors": errors}))
    world = World()
    async with world.http(transport) as http:
        with pytest.raises(TelnyxRefused) as raised:
            await world.telnyx(http).send(DeleteQueue(queue_name="support"))
    return str(raised.value)


async def test_each_documented_code_has_a_hint_for_any_wording() -> None:
    wrong: list[str] = []
    for code, (status, title, words) in DOCUMENTED.items():
        for text in (title, "Odd words"):
            message = await error_message(status, [{"code": code, "title": text, "detail": text}])
            if words not in message or f"(code {code})" not in message:
                wrong.append(f"{code} {text}: {message}")
    assert wrong == []


async def test_a_reason_for_a_refused_call_in_the_detail_of_a_general_error_decides() -> None:
    for reason, words in (("D38", "outbound voice profile"), ("D51", "not verified")):
        error = {"code": "10010", "title": "Authorization failed", "detail": f"The call was refused {reason}: odd."}
        assert words in await error_message(403, [error])


async def test_a_wrong_connection_is_said_to_need_a_call_control_application() -> None:
    title = "Invalid value for connection_id (Call Control App ID)"
    assert "Call Control application" in await error_message(422, [{"code": "10015", "title": title}])
    pointed = {"code": "10015", "title": "Bad Request", "source": {"pointer": "/connection_id"}}
    assert "Call Control application" in await error_message(422, [pointed])
    assert "Call Control" not in await error_message(422, [{"code": "10015", "title": "Bad Request"}])


async def test_a_code_that_is_unknown_gets_the_advice_of_its_status() -> None:
    message = await error_message(422, [{"code": "99999", "title": "Odd", "detail": "Odd"}])
    assert "Correct the argument, or look at the state again" in message


async def test_the_first_problem_with_a_hint_decides() -> None:
    message = await error_message(422, [{"code": "99999", "title": "Odd"}, {"code": "90036", "title": "Full"}])
    assert "The queue is full" in message


def test_the_documentation_lists_the_same_codes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
    assert HINTS.keys() == DOCUMENTED.keys() == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
