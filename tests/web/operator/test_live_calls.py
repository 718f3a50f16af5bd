"""The calls and buttons of the operator page: through the same tools as for any client."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.guarded_server import audit_entries, code_in, overheard, room_at
from support.mcp_http import Site, site
from support.mcp_stdio import PATIENCE
from support.telnyx import Telnyx, telnyx
from support.tokens import APPROVE, CONTROL, create_token
from support.webhooks import eventually, url_of
from telnyx_conferencing.server.guard.ledger import Ledger
from telnyx_conferencing.server.web.operator.sign_in import create_code

pytestmark = pytest.mark.anyio


@dataclass
class Operator:
    """A person at a browser; its cookies, and the key in its storage."""

    http: httpx2.AsyncClient
    url: str
    key: str = ""

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        usual = {"origin": self.url, "x-operator-key": self.key, "content-type": "application/json"}
        return await self.http.post(
            f"{self.url}/operator/api/{path}", content=json.dumps(body), headers={**usual, **headers}
        )

    async def get(self, path: str) -> httpx2.Response:
        return await self.http.get(f"{self.url}/operator/api/{path}", headers={"x-operator-key": self.key})

    async def sign_in(self, code: str) -> None:
        self.key = (await self.post("sign-in", {"code": code})).json()["key"]

    async def press(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = await self.post("press", {"tool": tool, "arguments": arguments})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def board(self) -> dict[str, Any]:
        """The first that the stream sends."""
        headers = {"x-operator-key": self.key}
        async with self.http.stream("GET", f"{self.url}/operator/api/events", headers=headers) as stream:
            assert stream.status_code == 200
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    return json.loads(line.removeprefix("data: "))
        raise AssertionError("nothing was sent")


@asynccontextmanager
async def visitor(url: str) -> AsyncGenerator[Operator]:
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        yield Operator(http, url)


async def code_for(home: Path) -> str:
    """A sign-in code, as the `operator` command makes it."""
    async with Ledger.open(url_of(home / "events.db")) as ledger:
        return await create_code(ledger, "anna@desk")


@asynccontextmanager
async def signed_in(served: Site, home: Path) -> AsyncGenerator[Operator]:
    async with visitor(served.url) as operator:
        await operator.sign_in(await code_for(home))
        yield operator


@asynccontextmanager
async def house(home: Path, *arguments: str) -> AsyncGenerator[tuple[Operator, Telnyx, str]]:
    """A signed-in operator of a server, its Telnyx, and a conference there."""
    with telnyx() as phone:
        conference_id = room_at(phone, "Standup", 2)
        async with (
            site("--operator-page", "0", *arguments, home=home, env=phone.env) as served,
            signed_in(served, home) as operator,
        ):
            yield operator, phone, conference_id


def muted_states(phone: Telnyx, conference_id: str) -> list[bool]:
    people = phone.request("GET", f"/v2/conferences/{conference_id}/participants")["data"]
    return [person["muted"] for person in people]


async def test_the_stream_shows_who_is_in_which_conference(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, _, conference_id):

        async def named() -> list[dict[str, Any]]:
            return [room for room in (await operator.board())["rooms"] if room["name"] == "Standup"]

        [room] = await eventually(named)
    assert (room["id"], room["present"]) == (conference_id, 2)


async def test_a_button_calls_its_tool_and_is_audited(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, phone, conference_id):
        said = await operator.press("mute_participants", conference_id=conference_id, call_control_ids="everyone")
        assert said["failed"] is False
        assert muted_states(phone, conference_id) == [True, True]
    [done] = [entry for entry in await audit_entries(tmp_path / "events.db") if entry["outcome"] == "done"]
    assert (done["client"], done["tool"], done["risk"]) == (
        "switchboard of anna@desk",
        "mute_participants",
        "disruptive",
    )


async def test_a_button_waits_for_approval_where_the_policy_requires_it(tmp_path: Path) -> None:
    async with house(tmp_path, "--approval", "disruptive") as (operator, phone, conference_id):
        everyone = {"conference_id": conference_id, "call_control_ids": "everyone"}
        said = await operator.press("mute_participants", **everyone)
        assert (said["failed"], said["pending"]) == (True, code_in(said["text"]))
        assert [(request["code"], request["room"]) for request in (await operator.board())["pending"]] == [
            (said["pending"], conference_id)
        ]
        assert muted_states(phone, conference_id) == [False, False]
        decided = await operator.post("decide", {"code": said["pending"], "yes": True})
        assert decided.status_code == 200
        assert (await operator.press("mute_participants", **everyone))["failed"] is False
        assert muted_states(phone, conference_id) == [True, True]


def save_recording(phone: Telnyx, conference_id: str) -> str:
    """The id of a saved recording of the conference."""
    phone.request("POST", f"/v2/conferences/{conference_id}/actions/record_start", {"format": "mp3"})
    phone.request("POST", f"/v2/conferences/{conference_id}/actions/record_stop", {})
    [recording] = phone.request("GET", "/v2/recordings")["data"]
    return recording["id"]


async def test_a_person_gets_the_links_of_a_recording_and_the_audit_names_them(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, phone, conference_id):
        answer = await operator.post("recording-links", {"id": save_recording(phone, conference_id)})
        assert answer.status_code == 200, answer.text
        unknown = await operator.post("recording-links", {"id": "unknown"})
    [(kind, url)] = answer.json()["links"].items()
    assert (kind, "X-Amz-Signature=" in url) == ("mp3", True)
    assert (unknown.status_code, "Recording not found" in unknown.json()["error"]) == (409, True)
    done, _ = [entry for entry in await audit_entries(tmp_path / "events.db") if entry["outcome"] != "sends"]
    assert (done["tool"], done["outcome"], done["asked"]["by"]) == (
        "get_recording",
        "done",
        "anna@desk (operator page)",
    )
    assert "X-Amz-Signature" not in json.dumps(done)


async def test_where_another_person_must_approve_the_links_wait_for_them(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[approval]\nby_another = true\n")
    async with house(tmp_path, "--policy", str(policy)) as (operator, phone, conference_id):
        recording = {"id": save_recording(phone, conference_id)}
        refused = await operator.post("recording-links", recording)
        assert refused.status_code == 409
        await operator.post("decide", {"code": code_in(refused.json()["error"]), "yes": True})
        assert (await operator.post("recording-links", recording)).status_code == 200


async def test_an_identity_cannot_approve_its_own_request_for_links(tmp_path: Path) -> None:
    token = await create_token(tmp_path, "anna", CONTROL, APPROVE)
    with telnyx() as phone:
        recording = {"id": save_recording(phone, room_at(phone, "Standup", 2))}
        options = ("--operator-page", "0", "--require-tokens")
        async with site(*options, home=tmp_path, env=phone.env) as served, visitor(served.url) as operator:
            operator.key = (await operator.post("sign-in", {"token": token})).json()["key"]
            refused = await operator.post("recording-links", recording)
            code = code_in(refused.json()["error"])
            own = await operator.post("decide", {"code": code, "yes": True})
    assert (refused.status_code, own.status_code) == (409, 409)


async def test_a_policy_that_forbids_links_holds_for_people_too(tmp_path: Path) -> None:
    async with house(tmp_path, "--read-only") as (operator, phone, conference_id):
        refused = await operator.post("recording-links", {"id": save_recording(phone, conference_id)})
        assert (refused.status_code, "may only read" in refused.json()["error"]) == (409, True)


async def test_only_the_boards_own_buttons_can_be_pressed(tmp_path: Path) -> None:
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"tool": "end_conference", "arguments": {"conference_id": "x"}}, 400),
        ({"tool": "decide_approval", "arguments": {}}, 400),
        ({"tool": "mute_participants", "arguments": []}, 400),
        ({"tool": "hold_participants", "arguments": {}}, 409),
    ]
    async with house(tmp_path, "--deny", "hold_*") as (operator, _, _):
        statuses = [(await operator.post("press", body)).status_code for body, _ in bodies]
    assert statuses == [status for _, status in bodies]


async def test_an_error_of_a_button_addresses_the_person(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, phone, conference_id):
        everyone = {"conference_id": conference_id, "call_control_ids": "everyone"}
        await operator.post("stop", {})
        paused = await operator.press("mute_participants", **everyone)
        await operator.post("resume", {})
        phone.request("POST", f"/v2/conferences/{conference_id}/actions/end", {})
        over = await operator.press("mute_participants", **everyone)
    assert (paused["failed"], paused["text"]) == (
        True,
        "Nothing was done: all changes are paused, these buttons too. Resume first.",
    )
    assert over["text"].startswith("Nothing was done. Telnyx refused it with 4")
    assert not [word for word in ("list_conferences", "mute_participants", "the operator") if word in over["text"]]


async def test_deeply_nested_arguments_are_refused_and_the_audit_goes_on(tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    async with house(tmp_path) as (operator, _, conference_id):
        body = {"tool": "mute_participants", "arguments": {"conference_id": nested}}
        refused = await operator.post("press", body)
        assert (refused.status_code, "nested more than 64 levels" in refused.text) == (400, True)
        everyone = {"conference_id": conference_id, "call_control_ids": "everyone"}
        assert (await operator.press("mute_participants", **everyone))["failed"] is False
        assert (await operator.http.get(f"{operator.url}/readyz")).status_code == 200
    assert [entry["outcome"] for entry in await audit_entries(tmp_path / "events.db")] == ["sends", "done"]


async def test_another_site_cannot_press_a_button(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, phone, conference_id):
        body = {
            "tool": "mute_participants",
            "arguments": {"conference_id": conference_id, "call_control_ids": "everyone"},
        }
        assert (await operator.post("press", body, origin="https://evil.example")).status_code == 403
        assert (await operator.post("press", body, **{"x-operator-key": "guess"})).status_code == 401
        assert muted_states(phone, conference_id) == [False, False]


async def test_a_server_over_stdio_serves_the_board_beside_its_operator_page(tmp_path: Path) -> None:
    with telnyx() as phone:
        conference_id = room_at(phone, "Standup", 2)
        async with overheard("--operator-page", "0", home=tmp_path, env=phone.env) as server:
            await server.client.list_tools()
            address = re.findall(r"http://[^ ]*/operator", await server.until("/operator"))[0]
            async with visitor(address.removesuffix("/operator")) as operator:
                await operator.sign_in(await code_for(tmp_path))
                await operator.press("mute_participants", conference_id=conference_id, call_control_ids="everyone")
        assert muted_states(phone, conference_id) == [True, True]


async def test_a_stream_ends_with_a_last_event_at_shutdown(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with (
            site("--operator-page", "0", home=tmp_path, env=phone.env) as served,
            signed_in(served, tmp_path) as operator,
        ):
            headers = {"x-operator-key": operator.key}
            async with operator.http.stream(
                "GET", f"{operator.url}/operator/api/events", headers=headers
            ) as events_seen:
                lines = events_seen.aiter_lines()
                await anext(lines)
                served.told_to_end()
                rest = [line async for line in lines]
            assert "event: closed" in rest
            assert await served.ended() == 0
