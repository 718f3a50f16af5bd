"""/board: for people signed in on the operator page, through the same tools as for any client."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest

from support.guarded_server import audited, code_in, overheard, room_at
from support.mcp_http import Site, site
from support.mcp_stdio import PATIENCE
from support.telnyx import Telnyx, telnyx
from support.webhooks import eventually

pytestmark = pytest.mark.anyio

LINK = re.compile(r"http://127\.0\.0\.1:\d+/operator/sign-in\?token=[\w-]+")


@dataclass
class Operator:
    """Somebody at a browser; its cookies, and the key in its storage."""

    http: httpx2.AsyncClient
    url: str
    key: str = ""

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        usual = {"origin": self.url, "x-operator-key": self.key, "content-type": "application/json"}
        return await self.http.post(f"{self.url}{path}", content=json.dumps(body), headers={**usual, **headers})

    async def sign_in(self, link: str) -> None:
        answer = await self.post("/operator/sign-in", {"token": parse_qs(urlsplit(link).query)["token"][0]})
        self.key = answer.json()["key"]

    async def press(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = await self.post("/board/call", {"tool": tool, "arguments": arguments})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def board(self) -> dict[str, Any]:
        """The first that the stream tells."""
        async with self.http.stream("GET", f"{self.url}/board/events", headers={"x-operator-key": self.key}) as told:
            assert told.status_code == 200
            async for line in told.aiter_lines():
                if line.startswith("data: "):
                    return json.loads(line.removeprefix("data: "))
        raise AssertionError("nothing was told")


@asynccontextmanager
async def visitor(url: str) -> AsyncGenerator[Operator]:
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        yield Operator(http, url)


async def link_in(log: Path) -> str:
    """The sign-in link that a server has printed."""

    async def look() -> str:
        found = LINK.search(await anyio.Path(log).read_text())
        return found[0] if found else ""

    return await eventually(look)


@asynccontextmanager
async def signed_in(served: Site) -> AsyncGenerator[Operator]:
    async with visitor(served.url) as operator:
        await operator.sign_in(await link_in(served.log))
        yield operator


@asynccontextmanager
async def house(home: Path, *arguments: str) -> AsyncGenerator[tuple[Operator, Telnyx, str]]:
    """A signed-in operator of a server, its Telnyx, and a conference there."""
    with telnyx() as phone:
        conference_id = room_at(phone, "Standup", 2)
        async with (
            site("--operator-page", "0", *arguments, home=home, env=phone.env) as served,
            signed_in(served) as operator,
        ):
            yield operator, phone, conference_id


def muted(phone: Telnyx, conference_id: str) -> list[bool]:
    people = phone.request("GET", f"/v2/conferences/{conference_id}/participants")["data"]
    return [person["muted"] for person in people]


async def test_without_a_sign_in_the_board_shows_nothing(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with (
            site("--operator-page", "0", home=tmp_path, env=phone.env) as served,
            visitor(served.url) as stranger,
        ):
            page = await stranger.http.get(f"{served.url}/board")
            told = await stranger.http.get(f"{served.url}/board/events")
            pressed = await stranger.post("/board/call", {"tool": "mute_participants", "arguments": {}})
            rebound = await stranger.http.get(f"{served.url}/board", headers={"host": "rebound.example"})
    assert (page.status_code, page.headers["location"]) == (303, "/operator")
    assert (told.status_code, pressed.status_code, rebound.status_code) == (401, 401, 421)


async def test_without_the_operator_page_there_is_no_board(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with site(home=tmp_path, env=phone.env) as served:
            assert (await served.get("/board")).status_code == 404


async def test_one_sign_in_opens_both_pages(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, _, _):
        page = await operator.http.get(f"{operator.url}/board")
        other = await operator.http.get(f"{operator.url}/operator")
    assert (page.status_code, other.status_code) == (200, 200)
    assert page.text.startswith("<!doctype html>")


async def test_the_page_may_run_only_its_own_script(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, _, _):
        policy = (await operator.http.get(f"{operator.url}/board")).headers["content-security-policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/=]{44}'", parts["script-src"])
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/=]{44}'", parts["style-src"])
    assert (parts["default-src"], parts["frame-ancestors"], parts["trusted-types"]) == ("'none'",) * 3


async def test_the_stream_shows_who_is_in_which_conference(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, _, conference_id):

        async def named() -> list[dict[str, Any]]:
            return [one for one in (await operator.board())["rooms"] if one["name"] == "Standup"]

        [room] = await eventually(named)
    assert (room["id"], room["present"]) == (conference_id, 2)


async def test_a_button_calls_its_tool_and_is_audited(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, phone, conference_id):
        said = await operator.press("mute_participants", conference_id=conference_id, call_control_ids="everyone")
        assert said["failed"] is False
        assert muted(phone, conference_id) == [True, True]
    [done] = [entry for entry in await audited(tmp_path / "events.db") if entry["outcome"] == "done"]
    assert (done["client"], done["tool"], done["risk"]) == ("switchboard", "mute_participants", "disruptive")


async def test_a_button_waits_for_approval_where_the_policy_requires_it(tmp_path: Path) -> None:
    async with house(tmp_path, "--approval", "disruptive") as (operator, phone, conference_id):
        everyone = {"conference_id": conference_id, "call_control_ids": "everyone"}
        said = await operator.press("mute_participants", **everyone)
        assert (said["failed"], said["pending"]) == (True, code_in(said["text"]))
        assert [one["code"] for one in (await operator.board())["approvals"]] == [said["pending"]]
        assert muted(phone, conference_id) == [False, False]
        decided = await operator.post("/operator/decide", {"code": said["pending"], "yes": True})
        assert decided.status_code == 200
        assert (await operator.press("mute_participants", **everyone))["failed"] is False
        assert muted(phone, conference_id) == [True, True]


async def test_only_the_boards_own_buttons_can_be_pressed(tmp_path: Path) -> None:
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"tool": "end_conference", "arguments": {"conference_id": "x"}}, 400),
        ({"tool": "decide_approval", "arguments": {}}, 400),
        ({"tool": "mute_participants", "arguments": []}, 400),
        ({"tool": "hold_participants", "arguments": {}}, 409),
    ]
    async with house(tmp_path, "--deny", "hold_*") as (operator, _, _):
        statuses = [(await operator.post("/board/call", body)).status_code for body, _ in bodies]
    assert statuses == [status for _, status in bodies]


async def test_deeply_nested_arguments_are_refused_and_the_audit_goes_on(tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    async with house(tmp_path) as (operator, _, conference_id):
        body = {"tool": "mute_participants", "arguments": {"conference_id": nested}}
        refused = await operator.post("/board/call", body)
        assert (refused.status_code, "nested more than 64 levels" in refused.text) == (400, True)
        everyone = {"conference_id": conference_id, "call_control_ids": "everyone"}
        assert (await operator.press("mute_participants", **everyone))["failed"] is False
        assert (await operator.http.get(f"{operator.url}/readyz")).status_code == 200
    assert [entry["outcome"] for entry in await audited(tmp_path / "events.db")] == ["sends", "done"]


async def test_another_site_cannot_press_a_button(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, phone, conference_id):
        body = {
            "tool": "mute_participants",
            "arguments": {"conference_id": conference_id, "call_control_ids": "everyone"},
        }
        assert (await operator.post("/board/call", body, origin="https://evil.example")).status_code == 403
        assert (await operator.post("/board/call", body, **{"x-operator-key": "guess"})).status_code == 401
        assert muted(phone, conference_id) == [False, False]


async def test_the_operator_page_links_to_the_board(tmp_path: Path) -> None:
    async with house(tmp_path) as (operator, _, _):
        headers = {"x-operator-key": operator.key}
        async with operator.http.stream("GET", f"{operator.url}/operator/events", headers=headers) as told:
            [first] = [line async for line in _first(told)]
    assert json.loads(first.removeprefix("data: "))["board"] is True


async def _first(told: httpx2.Response) -> AsyncGenerator[str]:
    async for line in told.aiter_lines():
        if line.startswith("data: "):
            yield line
            return


async def test_a_server_over_stdio_serves_the_board_beside_its_operator_page(tmp_path: Path) -> None:
    with telnyx() as phone:
        conference_id = room_at(phone, "Standup", 2)
        async with overheard("--operator-page", "0", home=tmp_path, env=phone.env) as server:
            await server.client.list_tools()
            link = await link_in(server.log)
            async with visitor(link.partition("/operator")[0]) as operator:
                await operator.sign_in(link)
                await operator.press("mute_participants", conference_id=conference_id, call_control_ids="everyone")
        assert muted(phone, conference_id) == [True, True]


async def test_a_stream_ends_with_a_last_event_at_shutdown(tmp_path: Path) -> None:
    with telnyx() as phone:
        async with site("--operator-page", "0", home=tmp_path, env=phone.env) as served, signed_in(served) as operator:
            headers = {"x-operator-key": operator.key}
            async with operator.http.stream("GET", f"{operator.url}/board/events", headers=headers) as told:
                lines = told.aiter_lines()
                await anext(lines)
                served.told_to_end()
                rest = [line async for line in lines]
            assert "event: ended" in rest
            assert await served.ended() == 0
