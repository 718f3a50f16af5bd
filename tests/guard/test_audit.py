"""Every call is recorded with its outcome and without secrets, and a write that cannot be recorded is not sent."""

import json
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from support.command_line import run
from support.examples import COMMAND_OF, EXAMPLES, Example, mismatches
from support.guarded_server import (
    Person,
    Slowly,
    audit_entries,
    changes,
    code_in,
    decided,
    guarded,
    overheard,
    room,
    room_at,
)
from support.http import recording_server
from support.mcp import call, closes, connected, no, refusal, yes
from support.mcp_in_process import World
from support.mcp_stdio import Raw, stdio_server
from support.telnyx import telnyx
from support.webhooks import eventually, url_of
from telnyx_conferencing.server.guard import Ledger
from telnyx_conferencing.server.mcp.tool_definitions import definition
from telnyx_conferencing.server.sandbox import Fault
from telnyx_conferencing.tools.queues import CreateQueue

pytestmark = pytest.mark.anyio

WRITES = [example for example in EXAMPLES if not COMMAND_OF[example.tool].is_read()]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def world() -> World:
    world = World()
    world.sandbox.state.queues.create(CreateQueue(queue_name="empty"))
    return world


def by_call(entries: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """What became of each call, step by step."""
    calls: dict[str, list[str]] = {}
    for entry in entries:
        calls.setdefault(entry["call"], []).append(entry["outcome"])
    return list(calls.values())


# Every outcome


@dataclass(frozen=True, slots=True)
class Case:
    """A call, and what the audit is to tell of it."""

    tool: str
    arguments: Mapping[str, Any]
    tells: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fault: Fault | None = None
    answering: Slowly | None = None


RESIZE: Mapping[str, Any] = {"queue_name": "support", "max_size": 7}
DELETE: Mapping[str, Any] = {"queue_name": "empty"}

CASES: Mapping[str, Case] = {
    "a read": Case("list_queues", {}, ["done"]),
    "a write": Case("update_queue", RESIZE, ["sends", "done"]),
    "invalid arguments": Case("update_queue", {"queue_name": "support"}, ["invalid arguments"]),
    "refused by the policy": Case("update_queue", RESIZE, ["refused"], {"most_people": 1, "deny": "update_queue"}),
    "refused by a limit": Case("mute_participants", {"call_control_ids": ["a", "b"]}, ["refused"], {"most_people": 1}),
    "pending": Case("delete_queue", DELETE, ["pending"]),
    "declined": Case("delete_queue", DELETE, ["declined"], answering=Person(no).slowly),
    "cancelled": Case("delete_queue", DELETE, ["pending"], answering=Person(closes).slowly),
    "approved": Case("delete_queue", DELETE, ["sends", "done"], answering=Person(yes).slowly),
    "refused by Telnyx": Case(
        "update_queue", RESIZE, ["sends", "refused by Telnyx"], fault=Fault(kind="status", method="POST", status=403)
    ),
    "an unknown outcome": Case(
        "create_queue", DELETE, ["sends", "unknown outcome"], fault=Fault(kind="drop", method="POST", after=True)
    ),
    "a dry run": Case("update_queue", RESIZE, ["dry run"], {"dry_run": True}),
}


@pytest.mark.parametrize("case", CASES)
async def test_each_outcome_leaves_its_records_in_order(world: World, database: Path, case: str) -> None:
    example = CASES[case]
    if example.fault is not None:
        world.sandbox.faults.add(example.fault)
    given = {"conference_id": room(world.sandbox)} if "call_control_ids" in example.arguments else {}
    settings: dict[str, Any] = {**example.settings, "database": url_of(database)}
    async with guarded(world, answering=example.answering, **settings) as client:
        with suppress(MCPError):
            await client.call_tool(example.tool, {**given, **example.arguments})
    entries = await audit_entries(database)
    assert by_call(entries) == [example.tells]
    assert {entry["tool"] for entry in entries} == {example.tool}
    assert all(entry["client"].startswith("tests ") and entry["session"] for entry in entries)


async def test_a_question_that_is_returned_leaves_a_record_and_so_does_its_answer(world: World, database: Path) -> None:
    person = Person(yes)
    async with guarded(world, era="2026-07-28", answering=person.slowly, database=url_of(database)) as client:
        await call(client, "delete_queue", **DELETE)
    entries = await audit_entries(database)
    assert by_call(entries) == [["asks", "sends", "done"]]
    [sends] = [entry for entry in entries if entry["outcome"] == "sends"]
    assert sends["asked"] == {"question": person.questions[0], "by": "elicitation", "answer": "yes"}


async def test_a_call_that_the_client_cancels_is_recorded_with_its_outcome_so_far(
    era: str, world: World, database: Path
) -> None:
    world.sandbox.faults.add(Fault(kind="hang", method="POST"))
    async with guarded(world, era=era, database=url_of(database)) as client, anyio.create_task_group() as calls:
        calls.start_soon(client.call_tool, "update_queue", dict(RESIZE))
        with anyio.fail_after(10):
            while not changes(world.sandbox):  # noqa: ASYNC110 (nothing tells of it)
                await anyio.sleep(0.001)
        calls.cancel_scope.cancel()
    assert by_call(await audit_entries(database)) == [["sends", "given up"]]


async def test_the_record_before_a_command_is_sent_names_the_caller_the_arguments_and_the_intent(
    world: World, database: Path
) -> None:
    async with guarded(world, approval="all", database=url_of(database)) as client:
        code = code_in(await refusal(client, "update_queue", **RESIZE))
        await decided(database, code)
        await call(client, "update_queue", **RESIZE)
    pending, approved, sends, done = await audit_entries(database)
    assert (pending["asked"]["code"], pending["asked"]["answer"]) == (code, "nobody")
    assert (approved["outcome"], approved["code"]) == ("approved by a person", code)
    assert sends["asked"]["by"] == approved["by"] == "ben at a terminal"
    assert (sends["risk"], sends["arguments"]) == ("routine", RESIZE)
    assert sends["does"] == "let 7 calls wait in queue 'support'"
    assert done["telnyx"]["status"] == 200
    assert done["telnyx"]["request_id"]
    assert done["ms"] >= sends["ms"] >= 0


# What is secret

SECRETS: Mapping[str, str] = {
    "digits": "4929123456781234",
    "payload": "My mother's maiden name is Aurelia.",
    "client_state": "c2VjcmV0IHN0YXRlIG9mIGEgY2FsbA==",
    "text": "You are number {position} in line, dear Aurelia.",
}


async def say_secrets(client: Client, conference_id: str) -> None:
    """Every tool that takes what is said or keyed, or may be secret; rightly, and wrongly."""
    spoken = {"queue_name": "support", "voice": "AWS.Polly.Joanna", "text": SECRETS["text"]}
    await client.call_tool("announce_positions", spoken)
    for example in WRITES:
        for _, variant in example.variants():
            secret = {name: SECRETS[name] for name in variant if name in SECRETS}
            place = {"conference_id": conference_id} if "conference_id" in variant else {}
            if secret:
                await client.call_tool(example.tool, {**variant, **place, **secret})
                misspelt = {f"{name}x": value for name, value in secret.items()}
                await client.call_tool(example.tool, {**variant, **place, **misspelt})
                await client.call_tool(example.tool, {**variant, **place, **{name: [SECRETS[name]] for name in secret}})
                limits = {**{name: "*" for name in variant if name != "conference_id"}, **secret}
                for given_limits in (limits, json.dumps(limits), {**limits, "another": 1}):
                    grant = {"tool": example.tool, "limits": given_limits, "count": 1, "minutes": 1}
                    await client.call_tool("request_grant", grant)
                await client.call_tool("request_grant", {"tool": "dial", "limits": json.dumps(limits)})


@pytest.mark.parametrize("answering", [yes, no, closes], ids=lambda answer: answer.__name__)
async def test_spoken_text_and_digits_are_not_in_the_audit(
    era: str, world: World, database: Path, answering: Callable[[str], Any]
) -> None:
    person = Person(answering)
    settings: dict[str, Any] = {"approval": "all", "database": url_of(database)}
    async with guarded(world, era=era, answering=person.slowly, **settings) as client:
        await say_secrets(client, room(world.sandbox))
    kept = json.dumps(await audit_entries(database), ensure_ascii=False)
    assert [name for name, secret in SECRETS.items() if secret in kept] == []
    assert f"({len(SECRETS['digits'])} characters)" in kept


async def test_content_that_telnyx_repeats_is_not_in_the_audit(database: Path) -> None:
    errors = [{"code": "10015", "title": "Invalid", "detail": f"digits '{SECRETS['digits']}' cannot be sent"}]
    with recording_server(status=422, answer={"errors": errors}) as (base_url, _):
        env = {"TELNYX_API_KEY": "KEYtests", "TELNYX_BASE_URL": base_url}
        async with connected("--approval", "never", "--database", url_of(database), env=env) as client:
            dtmf = {"conference_id": "room", "call_control_ids": "everyone", "digits": SECRETS["digits"]}
            await refusal(client, "send_dtmf", **dtmf)
    kept = json.dumps(await audit_entries(database))
    assert "refused by Telnyx" in kept
    assert SECRETS["digits"] not in kept


async def test_an_operator_can_have_it_kept(world: World, database: Path) -> None:
    settings: dict[str, Any] = {"approval": "never", "database": url_of(database), "audit_content": True}
    async with guarded(world, **settings) as client:
        await say_secrets(client, room(world.sandbox))
    kept = json.dumps(await audit_entries(database), ensure_ascii=False)
    assert [name for name, secret in SECRETS.items() if secret not in kept] == []


KEY = "KEY0123CANARYcanary4567"


async def call_everything(client: Client, conference_id: str) -> list[object]:
    """What came back of every tool with good and with bad input, and of every resource."""
    seen: list[object] = []
    for example in EXAMPLES:
        place = {"conference_id": conference_id} if "conference_id" in example.minimal else {}
        given: tuple[dict[str, Any], ...] = ({**example.minimal, **place}, {**example.minimal}, {"key": "KEY"}, {})
        seen += [await client.call_tool(example.tool, arguments) for arguments in given]
    for tool in ("list_events", "conference_summary", "nothing"):
        with suppress(MCPError):
            seen.append(await client.call_tool(tool, {"conference_id": conference_id}))
    for resource in (await client.list_resources()).resources:
        seen += [resource, await client.read_resource(resource.uri)]
    return seen


FAULTS = (
    Fault(kind="status", status=401, times=1),
    Fault(kind="status", status=500, times=1),
    Fault(kind="status", status=429, retry_after=0, times=1),
    Fault(kind="drop", times=1),
    Fault(kind="drop", after=True, times=1),
)


def written_in(directory: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


LOUD = ("--log-level", "debug", "--audit-content", "--toolsets", "all")


async def test_the_api_key_appears_nowhere(era: str, tmp_path: Path) -> None:
    with telnyx() as phone:
        conference = room_at(phone)
        env = {**phone.env, "TELNYX_API_KEY": KEY}
        async with overheard(*LOUD, home=tmp_path, era=era, env=env) as server:
            seen = await call_everything(server.client, conference)
            for fault in FAULTS:
                for tool, given in {"list_queues": {}, "create_queue": {"queue_name": "sales"}}.items():
                    phone.sandbox.faults.add(fault)
                    seen.append(await server.client.call_tool(tool, given))
                    phone.sandbox.faults.clear()
                    fault.times = 1
        assert any(request.method != "GET" for request in phone.sandbox.requests)
    assert KEY not in "\n".join(map(str, seen))
    written = written_in(tmp_path)
    assert set(written) >= {"events.db", "stderr.log"}
    assert [name for name, content in written.items() if KEY.encode() in content] == []


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é", f"{KEY}\x1b", f" {KEY} {KEY}"])
def test_an_invalid_api_key_appears_nowhere(key: str, tmp_path: Path) -> None:
    env = {"TELNYX_API_KEY": key, "TELNYX_BASE_URL": "http://127.0.0.1:9/v2"}
    refusal_text = [_hello(), _call_of("list_queues")]
    stdin = "".join(f"{json.dumps(message)}\n" for message in refusal_text)
    database = url_of(tmp_path / "events.db")
    ended = run("serve", "--log-level", "debug", "--database", database, env=env, stdin=stdin)
    assert KEY not in ended.stdout + ended.stderr


def _hello() -> dict[str, Any]:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}


def _call_of(tool: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}}


# The audit is whole after any end of the server

CALLS, AT_ONCE = 1_000, 20
ANY_CALL: Sequence[dict[str, Any]] = (
    {"name": "list_queues", "arguments": {}},
    {"name": "update_queue", "arguments": dict(RESIZE)},
    {"name": "update_queue", "arguments": {}},
)


async def call_at_random(server: Raw, count: int, rng: random.Random, *, killed: bool) -> None:
    """So many calls, some at a time; at the end the server is killed while the last are under way."""
    await server.greet()
    for number in range(0, count, AT_ONCE):
        ids = [f"call {number + place}" for place in range(AT_ONCE)]
        for request_id in ids:
            await server.send("tools/call", rng.choice(ANY_CALL), id=request_id)
        if killed and number + AT_ONCE >= count:
            server.process.kill()
            return
        for request_id in ids:
            await server.until(lambda message, expected=request_id: message.get("id") == expected)


async def test_the_chain_holds_after_a_thousand_calls_with_kills_between(address: str) -> None:
    rng = random.Random(4)
    arguments = ("--approval", "never", "--database", address)
    with telnyx() as phone:
        for part in range(4):
            async with stdio_server(*arguments, env=phone.env) as server:
                with suppress(anyio.BrokenResourceError):
                    await call_at_random(server, CALLS // 4, rng, killed=part < 3)
        reached = len(phone.commands())
    async with Ledger.open(address) as ledger:
        verified = await ledger.verify()
    outcomes = [entry["outcome"] for entry in await audit_entries(address)]
    assert verified.records == len(outcomes) >= CALLS
    assert outcomes.count("sends") >= reached > 200


# Without a record nothing is done


async def test_a_server_whose_store_cannot_be_opened_reads_and_does_not_write(era: str, tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"this is no database" * 100)
    with telnyx() as phone:
        async with overheard("--approval", "never", home=tmp_path, era=era, env=phone.env) as server:
            for _ in range(2):
                assert "store" in await refusal(server.client, "update_queue", **RESIZE)
                await call(server.client, "list_queues")
        assert phone.commands() == []


async def test_a_store_that_breaks_while_the_server_runs_ends_its_writes_and_not_its_reads(
    world: World, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def said_that_it_cannot_be_written() -> bool:
        return "The audit cannot be written" in caplog.text

    settings: dict[str, Any] = {"approval": "never", "database": url_of(database)}
    async with guarded(world, **settings) as client:
        await call(client, "update_queue", **RESIZE)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("ALTER TABLE audit RENAME TO elsewhere")
        message = await refusal(client, "update_queue", **RESIZE)
        assert "cannot record what it does" in message
        assert "The operator must repair the store" in message
        await call(client, "list_queues")
        assert changes(world.sandbox) == ["POST /queues/support"]
        await eventually(said_that_it_cannot_be_written)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("ALTER TABLE elsewhere RENAME TO audit")
        await call(client, "update_queue", **RESIZE)
    assert by_call(await audit_entries(database))[0] == ["sends", "done"]


# Dry run


@pytest.mark.parametrize("level", ["never", "destructive"])
async def test_a_dry_run_sends_nothing_and_answers_as_the_schema_says(level: str) -> None:
    with recording_server(answer={}) as (base_url, received):
        env = {"TELNYX_API_KEY": "KEYtests", "TELNYX_BASE_URL": base_url}
        async with connected("--dry-run", "--approval", level, "--toolsets", "all", env=env) as client:
            for example in WRITES:
                for _, arguments in example.variants():
                    _is_rehearsed(example, await call(client, example.tool, **arguments))
    assert {request.method for request in received} <= {"GET"}


def _is_rehearsed(example: Example, content: dict[str, Any]) -> None:
    command = COMMAND_OF[example.tool]
    assert mismatches(content, definition(command).output_schema or {}) == []
    assert content["summary"].startswith("Dry run, nothing was sent: this would ")
    assert content["would_send"]["method"] == command.route.method


async def test_a_tool_that_does_not_exist_is_a_protocol_error_and_no_call(world: World, database: Path) -> None:
    async with guarded(world, database=url_of(database)) as client:
        with pytest.raises(MCPError) as raised:
            await client.call_tool("end_everything", {})
    assert raised.value.error.code == INVALID_PARAMS
    assert await audit_entries(database) == []
