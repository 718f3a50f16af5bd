"""Refusals have the code, title, status and pointer that Telnyx documents."""

import pytest

from support.contract import contract
from support.documented_errors import ERRORS, NOT_CAUSED
from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox

pytestmark = pytest.mark.anyio


async def test_every_documented_error_is_caused_by_a_request() -> None:
    wrong: list[str] = []
    for expected in ERRORS:
        telnyx = Telnyx(Sandbox(ManualClock()))
        status, error = await expected.cause(telnyx)
        pointer = error.get("source", {}).get("pointer")
        found = (error["code"], status, error["title"], pointer)
        if found != (expected.code, expected.status, expected.title, expected.pointer):
            wrong.append(f"{expected.request}: {found}")
    assert wrong == []


def test_no_documented_code_is_left_out() -> None:
    caused = {error.code for error in ERRORS}
    assert contract()["error_codes"].keys() - caused == NOT_CAUSED.keys()


async def test_a_pointer_is_escaped_and_names_telnyx_s_argument(telnyx: Telnyx) -> None:
    leg = telnyx.part("agent")
    status, error = await telnyx.refusal("POST", f"/calls/{leg}/actions/bridge", {"call_control_id": 7})
    assert (status, error["source"]) == (422, {"pointer": "/call_control_id"})
    status, error = await telnyx.refusal(
        "POST", "/calls", {"connection_id": "sandbox", "to": "555", "from": "+12025550100"}
    )
    assert (error["code"], error["detail"]) == ("10016", "The 'to' parameter must be in E164 format.")
    answer = await telnyx.send("POST", "/calls", {"connection_id": "a/b~c"})
    assert {error["source"]["pointer"] for error in answer.json()["errors"]} == {"/to"}


async def test_an_error_in_the_query_names_the_parameter(telnyx: Telnyx) -> None:
    for query, parameter in (
        ("filter[status]=open", "filter[status]"),
        ("filter[unknown]=1", "filter[unknown]"),
        ("page[size]=0", "page[size]"),
        ("page[limit]=251", "page[limit]"),
    ):
        answer = await telnyx.http.get(f"/v2/conferences?{query}")
        assert answer.status_code == 422, query
        assert [error["source"] for error in answer.json()["errors"]] == [{"parameter": parameter}]
    answer = await telnyx.http.get("/v2/queues?page[after]=x")  # queues have no cursors
    assert [error["source"] for error in answer.json()["errors"]] == [{"parameter": "page[after]"}]


async def test_an_error_about_two_arguments_points_to_neither(telnyx: Telnyx) -> None:
    agent, supervisor = telnyx.part("agent"), telnyx.part("supervisor")
    body = {"call_control_id": supervisor, "queue": "support"}
    status, error = await telnyx.refusal("POST", f"/calls/{agent}/actions/bridge", body)
    assert (status, error["code"], "source" in error) == (422, "10015", False)
    assert error["detail"].startswith("The request is not acceptable: give call_control_id or queue")


async def test_a_conference_is_found_by_its_name_where_telnyx_takes_one(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor", name="Sales room")
    agent = telnyx.part("agent")
    await telnyx.act("Sales%20room", "hold", call_control_ids=[agent])
    assert (await telnyx.people(room))[agent]["on_hold"]
    by_id_only = {"end": {}, "send_dtmf": {"digits": "1"}, "gather_using_audio": {"call_control_id": agent}}
    for action, body in by_id_only.items():
        status, error = await telnyx.refuses("Sales%20room", action, **body)
        assert (status, error["code"]) == (404, "90058"), action


async def test_unknown_members_of_a_body_are_ignored(telnyx: Telnyx) -> None:
    assert await telnyx.post("/queues", {"queue_name": "vip", "colour": "red"})


async def test_a_list_is_read_by_page_number_or_by_cursor(telnyx: Telnyx) -> None:
    legs = [call["call_control_id"] for call in await telnyx.get("/connections/sandbox/active_calls")]
    for path in ("/connections/sandbox/active_calls", "/call_events", "/conferences", "/queues/support/calls"):
        first = (await telnyx.http.get(f"/v2{path}?page[limit]=2")).json()
        assert len(first["data"]) <= 2, path
        assert first["meta"]["total_items"] >= len(first["data"]), path
    read: list[str] = []
    answer = (await telnyx.http.get("/v2/connections/sandbox/active_calls?page[limit]=2")).json()
    assert answer["meta"].keys() == {"cursors", "next", "previous", "total_items"}
    while following := answer["meta"]["next"]:
        read += [call["call_control_id"] for call in answer["data"]]
        answer = (await telnyx.http.get(following)).json()
    read += [call["call_control_id"] for call in answer["data"]]
    assert read == legs
    assert answer["meta"]["total_items"] == 5
    before = (await telnyx.http.get(answer["meta"]["previous"])).json()
    assert [call["call_control_id"] for call in before["data"]] == legs[2:4]
    assert (await telnyx.http.get("/v2/connections/sandbox/active_calls?page[after]=x")).status_code == 422


async def test_defaults_are_those_that_telnyx_documents(telnyx: Telnyx) -> None:
    assert (await telnyx.post("/queues", {"queue_name": "new"}))["max_size"] == 300
    await telnyx.post(f"/calls/{telnyx.part('agent')}/actions/enqueue", {"queue_name": "other"})
    assert (await telnyx.get("/queues/other"))["max_size"] == 100
    room = await telnyx.conference("caller 1")
    caller = telnyx.part("caller 1")
    await telnyx.act(room, "gather_using_audio", call_control_id=caller)
    await telnyx.post(f"/sandbox/calls/{caller}/press", {"digits": "A1#"})
    assert telnyx.events("call.gather.ended")[-1]["payload"]["digits"] == "1"
