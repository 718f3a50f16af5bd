"""Access tokens over HTTP: refusals, scopes, revocation, and what belongs to an identity."""

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from support.mcp import call, refusal, yes
from support.mcp_http import ASKS, Site, site
from support.telnyx import open_room, telnyx
from support.tokens import APPROVE, CONTROL, READ, create_token, revoke_tokens
from telnyx_conferencing.server.auth import TokenScope
from telnyx_conferencing.server.auth.access_tokens import AccessTokens, new_token
from telnyx_conferencing.server.guard.ledger import Ledger, Token

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


async def post_mcp(server: Site, **headers: str) -> httpx2.Response:
    return await server.request("POST", "/mcp", headers)


def visible_response(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """What a client without a token sees of a response."""
    return answer.status_code, answer.text, {name: value for name, value in answer.headers.items() if name != "date"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
async def server(home: Path) -> AsyncGenerator[Site]:
    await create_token(home, "reader", READ)
    async with site("--sandbox", "--require-tokens", home=home, env={}) as served:
        yield served


async def test_all_invalid_tokens_get_the_same_refusal(server: Site, home: Path) -> None:
    anna, ben = await create_token(home, "anna", CONTROL), await create_token(home, "ben", CONTROL)
    old = await create_token(home, "old", CONTROL, lasts=DAY, at=datetime.now(UTC) - 2 * DAY)
    not_yet_valid = await create_token(home, "early", CONTROL, at=datetime.now(UTC) + DAY)
    revoked_token = await create_token(home, "gone", CONTROL)
    await revoke_tokens(home, "gone")
    unfit = {
        "expired": old,
        "of tomorrow": not_yet_valid,
        "revoked": revoked_token,
        "one's id with another's secret": f"{anna[:21]}{ben[21:]}",
        "an id that nobody has": f"tcx_{'a' * 16}{anna[20:]}",
        "cut off": anna[:-1],
        "too long": f"{anna}a",
        "a name": "anna",
        "a JWT that nobody signed": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0.",
    }
    answers = {why: await post_mcp(server, authorization=f"Bearer {token}") for why, token in unfit.items()}
    answers["another scheme"] = await post_mcp(server, authorization=f"Basic {anna}")
    assert {
        why for why, answer in answers.items() if visible_response(answer) != visible_response(answers["a name"])
    } == set()
    assert answers["expired"].status_code == 401
    assert answers["expired"].headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="The token is not valid.", '
        'scope="conferences:read conferences:control"'
    )
    assert (await post_mcp(server)).headers["www-authenticate"] == 'Bearer scope="conferences:read conferences:control"'
    async with httpx2.AsyncClient(trust_env=False) as http:  # a proxy may have added its own
        twice = [("authorization", f"Bearer {anna}"), ("authorization", f"Bearer {ben}")]
        assert (await http.post(f"{server.url}/mcp", headers=twice)).status_code == 401
    assert anna not in server.log.read_text()


async def test_a_token_in_the_url_is_ignored(server: Site, home: Path) -> None:
    anna = await create_token(home, "anna", CONTROL)
    assert (await server.request("POST", f"/mcp?access_token={anna}")).status_code == 401


async def test_a_refusal_names_the_missing_scope(server: Site, home: Path) -> None:
    only_approves = await create_token(home, "dora", APPROVE)
    answer = await post_mcp(server, authorization=f"Bearer {only_approves}")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="conferences:read"' in answer.headers["www-authenticate"]


async def test_a_revoked_token_is_refused_from_then_on(server: Site, home: Path, era: str) -> None:
    token = await create_token(home, f"eve-{era}", READ)
    async with server.client(era, token=token) as client:
        await call(client, "list_queues")
        await revoke_tokens(home, f"eve-{era}")
        answer = await post_mcp(server, authorization=f"Bearer {token}")
        assert answer.status_code == 401
        with anyio.fail_after(30), pytest.raises(MCPError, match="Server returned an error response"):
            await call(client, "list_queues")


async def test_open_streams_and_waits_end_when_their_token_is_revoked(server: Site, home: Path) -> None:
    token = await create_token(home, "frank", READ)
    params = {"notifications": {"resourcesListChanged": True}, "_meta": ASKS}
    body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
    }
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=30) as http,
        http.stream("POST", f"{server.url}/mcp", json=body, headers=headers) as listening,
    ):
        assert listening.status_code == 200
        parts = listening.aiter_text()
        assert "acknowledged" in await anext(parts)
        await revoke_tokens(home, "frank")
        with anyio.fail_after(30), suppress(httpx2.RemoteProtocolError):  # it is cut off
            async for _ in parts:
                pass


async def test_a_session_cannot_be_used_by_another_identity(server: Site, home: Path) -> None:
    anna, ben = await create_token(home, "anna", CONTROL), await create_token(home, "ben", CONTROL)
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"},
        },
    }
    accept = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        begun = await http.post(f"{server.url}/mcp", json=hello, headers=accept | {"authorization": f"Bearer {anna}"})
        session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        answers = [
            await http.post(
                f"{server.url}/mcp", json=listing, headers=accept | session | {"authorization": f"Bearer {token}"}
            )
            for token in (ben, anna)
        ]
    assert [answer.status_code for answer in answers] == [404, 200]


async def test_a_sealed_approval_request_cannot_be_used_by_another_identity(server: Site, home: Path) -> None:
    anna, ben = await create_token(home, "anna", CONTROL), await create_token(home, "ben", CONTROL)
    state = await server.asked_to_delete("support", anna)
    assert not await server.takes_yes("support", state, ben)
    assert await server.takes_yes("support", state, anna)


async def test_a_session_has_the_scopes_of_the_token_in_each_request(server: Site, home: Path) -> None:
    """Not of the one that a session began with: what is taken away is gone at once."""
    control, read = await create_token(home, "gil", CONTROL), await create_token(home, "gil", READ)
    sent = {"authorization": f"Bearer {control}"}
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=30, headers=sent) as http,
        Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode="legacy") as client,
    ):
        await call(client, "create_queue", queue_name="gils")
        http.headers["authorization"] = f"Bearer {read}"
        with pytest.raises(MCPError, match="your token may only read"):
            await client.call_tool("delete_queue", {"queue_name": "gils"})


async def test_whoami_names_the_identity(server: Site, home: Path, era: str) -> None:
    token = await create_token(home, "anna", READ)
    async with server.client(era, token=token) as client:
        answer = await call(client, "whoami")
    assert answer["client"].endswith(", as anna")
    assert answer["policy"]["read_only"] is True


@pytest.mark.parametrize("scopes", [(), (READ,), (CONTROL,), (APPROVE,), (READ, CONTROL, APPROVE)])
async def test_a_stored_token_is_valid_until_it_expires(address: str, scopes: tuple[TokenScope, ...]) -> None:
    text, token = new_token("anna", scopes, NOON, DAY)
    async with Ledger.open(address) as ledger:
        await ledger.add_token(token, "tests")
        assert await ledger.tokens() == [token]
        at = [NOON]
        own = AccessTokens(ledger.token, lambda: at[0])
        found = await own.identify(text)
        assert found is not None
        assert found.name == "anna"
        assert set(scopes) <= found.scopes <= {*scopes, READ}
        for moment, holds in ((NOON + DAY, False), (NOON - timedelta(seconds=1), False), (NOON, True)):
            at[0] = moment
            assert (await own.identify(text) is not None) is (await own.is_valid(token.id)) is holds
        assert [revoked.id for revoked in await ledger.revoke("anna", "tests")] == [token.id]
        assert await ledger.revoke("anna", "tests") == []
        assert await own.identify(text) is None
        assert text not in repr(await ledger.newest(10))


async def test_an_unknown_token_is_compared_too_so_that_timing_reveals_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def comparing(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("telnyx_conferencing.server.auth.access_tokens.compare_digest", comparing)
    text, token = new_token("anna", (READ,), NOON, None)

    async def find(token_id: str) -> Token | None:
        return token if token_id == token.id else None

    own = AccessTokens(find, lambda: NOON)
    absent, _ = new_token("ben", (READ,), NOON, None)
    for sent, proves in ((text, True), (absent, False), ("anna", False), (f"{text[:-1]}_", False)):
        compared.clear()
        assert (await own.identify(sent) is not None) is proves
        [(one, other)] = compared
        assert len(one) == len(other) == 64


async def test_an_approval_by_another_person_serves_only_the_identity_that_asked(tmp_path: Path) -> None:
    agent, boss = (
        await create_token(tmp_path, "anna", CONTROL, APPROVE),
        await create_token(tmp_path, "ben", CONTROL, APPROVE),
    )
    with telnyx() as phone:
        async with (
            site("--require-tokens", "--operator-page", "0", home=tmp_path, env=phone.env) as server,
            server.client(token=agent) as annas,
            server.client(token=boss) as bens,
        ):
            room = await open_room(annas, *phone.waiting())
            code = (await refusal(annas, "end_conference", conference_id=room)).partition("waits as ")[2][:9]
            own = await approve_on_page(server, agent, code)
            assert own.status_code == 409
            assert "asked by anna: another person must approve it" in own.text
            assert (await approve_on_page(server, boss, code)).status_code == 200
            assert "waits as" in await refusal(bens, "end_conference", conference_id=room)
            assert (await call(annas, "end_conference", conference_id=room))["summary"].startswith("Telnyx accepted")
    async with Ledger.open(f"sqlite:///{tmp_path / 'events.db'}") as ledger:
        entries = [record.entry for record in await ledger.newest(50)]
    assert {entry.get("identity") for entry in entries if entry.get("tool") == "end_conference"} == {"anna", "ben"}
    [approved] = [entry for entry in entries if entry["outcome"] == "approved by a person"]
    assert (approved["by"], approved["identity"]) == ("ben (operator page)", "ben")


async def approve_on_page(server: Site, token: str, code: str) -> httpx2.Response:
    """The operator page's answer to a person who signs in with a token and approves."""
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        headers = {"origin": server.url, "content-type": "application/json"}
        let_in = await http.post(f"{server.url}/operator/api/sign-in", json={"token": token}, headers=headers)
        headers["x-operator-key"] = let_in.json()["key"]
        return await http.post(f"{server.url}/operator/api/decide", json={"code": code, "yes": True}, headers=headers)


async def test_with_by_another_the_asking_client_gets_no_elicitation(tmp_path: Path, era: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[approval]\nby_another = true\n")
    with telnyx() as phone:
        async with (
            site("--policy", str(policy), home=tmp_path, env=phone.env) as server,
            server.client(era, answering=yes) as client,
        ):
            room = await open_room(client, *phone.waiting())
            pending = await refusal(client, "end_conference", conference_id=room)
    assert "waits as" in pending
    assert "requires that another person approves" in pending


async def test_by_another_switched_on_while_a_question_is_open_applies_to_its_answer(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[approval]\n")

    def switches_and_says_yes(message: str) -> ElicitResult:
        policy.write_text("[approval]\nby_another = true\n")
        return yes(message)

    with telnyx() as phone:
        async with (
            site("--policy", str(policy), home=tmp_path, env=phone.env) as server,
            server.client("2025-11-25", answering=switches_and_says_yes) as client,
        ):
            room = await open_room(client, *phone.waiting())
            pending = await refusal(client, "end_conference", conference_id=room)
        assert not [request for request in phone.commands() if request.endswith("/actions/end")]
    assert "requires that another person approves" in pending


async def test_a_token_that_may_only_read_cannot_answer_a_question(server: Site, home: Path) -> None:
    control, reads = await create_token(home, "same", CONTROL), await create_token(home, "same", READ)
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {"approve": True}}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}
    bodies: list[Any] = [answer, error, [answer], {**request, **answer}, request]
    statuses: dict[str, list[bool]] = {}
    for name, token in (("control", control), ("read", reads)):
        headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
        headers["content-type"] = "application/json"
        sent = [await server.request("POST", "/mcp", headers, json.dumps(body).encode()) for body in bodies]
        statuses[name] = [response.status_code == 403 for response in sent]
    assert statuses == {"control": [False] * 5, "read": [True, True, True, True, False]}


async def test_a_policy_can_apply_to_single_identities(tmp_path: Path, era: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[identity.anna.tools]\ndeny = ["delete_queue"]\n[identity."desk-*".limits]\ncalls_per_minute = 1\n'
    )
    anna, desk, other = [await create_token(tmp_path, name, CONTROL) for name in ("anna", "desk-1", "desk-2")]
    options = ("--sandbox", "--policy", str(policy), "--approval", "never", "--require-tokens")
    async with (
        site(*options, home=tmp_path, env={}) as server,
        server.client(era, token=anna) as annas,
        server.client(era, token=desk) as first,
        server.client(era, token=other) as second,
    ):
        assert "delete_queue" not in {tool.name for tool in (await annas.list_tools()).tools}
        assert "delete_queue" in {tool.name for tool in (await first.list_tools()).tools}
        await call(first, "create_queue", queue_name="a")
        message = await refusal(first, "create_queue", queue_name="b")
        await call(second, "create_queue", queue_name="b")
        for name in ("c", "d"):
            await call(annas, "create_queue", queue_name=name)
    assert "allows 1 call of desk-1 a minute" in message
