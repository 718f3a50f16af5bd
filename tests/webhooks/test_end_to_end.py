"""Webhooks, from the post to the answer of a tool: what is taken in, what is refused, and who holds the port."""

import base64
import socket
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.abc import TaskStatus
from mcp.client import Client

from support.command_line import run
from support.commands import forked
from support.mcp import call, connected, refusal
from support.mcp_stdio import FIRST_WORDS, environment
from support.telnyx import open_room
from support.webhooks import (
    NOWHERE,
    PATIENCE,
    body_of,
    eventually,
    free_port,
    list_all_events,
    post,
    posting_telnyx,
    signed_headers,
    stored_in,
    url_of,
    wait_until_listening,
)
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = pytest.mark.anyio

LARGEST = 1024 * 1024
OLD = Signer()
NEW = Signer()
UNSIGNED: Mapping[str, str] = {}


@dataclass(frozen=True)
class Receiving:
    """A server that takes webhooks signed with either of two keys."""

    port: int
    database: Path

    def post(self, body: bytes, signer: Signer = NEW, ago: float = 0) -> int:
        return post(self.port, body, signed_headers(signer, body, ago))

    async def stored(self) -> dict[str, bool]:
        """The ids of what is stored, with whether each was verified."""
        return {event.id: event.verified for event in await stored_in(self.database)}


@pytest.fixture(scope="module")
def receiving(tmp_path_factory: pytest.TempPathFactory) -> Generator[Receiving]:
    database = tmp_path_factory.mktemp("receiving") / "events.db"
    port = free_port()
    env = environment({**NOWHERE, "TELNYX_PUBLIC_KEY": f"{OLD.public_key}, {NEW.public_key}"})
    command = forked("serve", "--webhook-port", str(port), "--database", url_of(database))
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        try:
            process.stdin.write(FIRST_WORDS)
            process.stdin.flush()
            anyio.run(wait_until_listening, port)
            yield Receiving(port, database)
        finally:
            process.stdin.close()
            ended = process.wait(PATIENCE)
    assert ended == 0


async def test_events_arrive_verified_and_can_be_waited_for(era: str, tmp_path: Path) -> None:
    port, database = free_port(), tmp_path / "events.db"
    with posting_telnyx(port, remembers=False) as telnyx:
        env = {**telnyx.env, "TELNYX_PUBLIC_KEY": telnyx.sandbox.public_key}
        arguments = ("--webhook-port", str(port), "--database", url_of(database), "--approval", "never")
        async with connected(*arguments, era=era, env=env) as client:
            await client.list_tools()
            await wait_until_listening(port)
            anna, ben = telnyx.waiting()[:2]
            room = await open_room(client, anna, ben)
            seen = await call(
                client,
                "wait_for_event",
                types=["conference.participant.joined"],
                conference_id=room,
                call_control_id=ben,
            )
            events = await list_all_events(client, conference_id=room)
        verified = [event.verified for event in await stored_in(database)]
    assert [event["call_control_id"] for event in seen["events"]] == [ben]
    assert {event["type"] for event in events} == {"conference.created", "conference.participant.joined"}
    assert {event["via"] for event in events} == {"webhook"}
    assert not any("verified" in event for event in events)
    assert all(verified)


async def test_a_post_that_telnyx_did_not_sign_now_is_401_and_nothing_is_stored(receiving: Receiving) -> None:
    body = body_of("forged")
    good = signed_headers(NEW, body)
    other = body_of("other")
    answers = {
        "unsigned": post(receiving.port, body, UNSIGNED),
        "without a time": post(receiving.port, body, {**good, "telnyx-timestamp": ""}),
        "half a signature": post(receiving.port, body, {**good, "telnyx-signature-ed25519": "aGFsZg=="}),
        "tampered": post(receiving.port, body.replace(b"anna", b"eve!"), good),
        "of another body": post(receiving.port, other, good),
        "by somebody else": receiving.post(body, Signer()),
        "stale": receiving.post(body, ago=310),
        "of the future": receiving.post(body, ago=-310),
        "with another time": post(receiving.port, body, {**good, "telnyx-timestamp": "1700000000"}),
    }
    assert set(answers.values()) == {401}, answers
    assert not {"forged", "other"} & set(await receiving.stored())


async def test_while_a_key_is_replaced_signatures_by_both_keys_are_accepted(receiving: Receiving) -> None:
    assert receiving.post(body_of("by the old key"), OLD) == 200
    assert receiving.post(body_of("by the new key"), NEW) == 200
    kept = await receiving.stored()
    assert kept["by the old key"] is kept["by the new key"] is True


async def test_a_signature_may_be_as_old_as_the_tolerance(receiving: Receiving) -> None:
    assert receiving.post(body_of("late"), ago=290) == 200
    assert receiving.post(body_of("early"), ago=-290) == 200
    assert {"late", "early"} <= set(await receiving.stored())


async def test_an_event_that_is_posted_again_is_stored_once(receiving: Receiving) -> None:
    answers = [receiving.post(body_of("again")) for _ in range(3)]
    kept = [event.id for event in await stored_in(receiving.database)]
    assert answers == [200, 200, 200]
    assert kept.count("again") == 1


async def test_a_body_over_one_mebibyte_is_413_and_one_of_that_size_is_taken(receiving: Receiving) -> None:
    body = body_of("large")
    assert receiving.post(body + b" " * (LARGEST + 1 - len(body))) == 413
    assert "large" not in await receiving.stored()
    assert receiving.post(body + b" " * (LARGEST - len(body))) == 200
    assert "large" in await receiving.stored()


async def test_a_signed_body_that_is_not_an_event_is_400_and_kept_aside(receiving: Receiving) -> None:
    bodies = [b"no JSON at all", b'{"data": {"id": "half"}}', b"[]"]
    assert [receiving.post(body) for body in bodies] == [400, 400, 400]
    async with Store.open(url_of(receiving.database)) as store:
        aside = await store.rejected()
    assert {rejected.body for rejected in aside} >= set(bodies)
    assert "half" not in await receiving.stored()


def test_the_port_answers_only_webhooks(receiving: Receiving) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{receiving.port}", trust_env=False) as http:
        answers = [http.get("/webhooks/telnyx"), http.get("/"), http.post("/webhooks"), http.get("/healthz")]
    assert [answer.status_code for answer in answers] == [405, 404, 404, 200]
    assert str(receiving.database) not in answers[-1].text


def test_without_a_public_key_it_refuses_to_listen_and_says_where_the_key_is() -> None:
    ended = run("serve", "--webhook-port", str(free_port()), env=NOWHERE)
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert "TELNYX_PUBLIC_KEY" in line
    assert "Keys & Credentials, Public Key" in line


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("not a key", "is not Base64"),
        (base64.b64encode(b"short").decode(), "Base64 of 5 bytes, not of 32"),
        (base64.b64encode(bytes(32)).decode(), "is it mistyped?"),
        (" , ", "no public key"),
    ],
)
def test_an_invalid_public_key_is_refused_in_one_sentence_with_exit_code_2(key: str, said: str) -> None:
    ended = run("serve", "--webhook-port", str(free_port()), env={**NOWHERE, "TELNYX_PUBLIC_KEY": key})
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("telnyx-conferencing: TELNYX_PUBLIC_KEY: ")
    assert said in line


async def test_unverified_events_are_marked_everywhere(tmp_path: Path) -> None:
    port = free_port()
    arguments = ("--webhook-port", str(port), "--insecure-webhooks", "--database", url_of(tmp_path / "events.db"))
    async with connected(*arguments, env=NOWHERE) as client:
        await client.list_tools()
        await wait_until_listening(port)
        assert await anyio.to_thread.run_sync(post, port, body_of("anybody's"), UNSIGNED) == 200
        [event] = await list_all_events(client)
        got = await call(client, "get_event", event_id="anybody's")
    assert event["verified"] is got["event"]["verified"] is False


async def test_without_a_database_reads_continue_and_writes_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "events.db"
    async with connected("--sandbox", "--database", url_of(missing), "--approval", "never") as client:
        queues = await call(client, "list_queues")
        caller = await first_in_line(client)
        why = [
            await refusal(client, "create_conference", call_control_id=caller, name="Standup"),
            await refusal(client, "list_events"),
            await refusal(client, "wait_for_event", types=["conference.created"], timeout_secs=1),
            await refusal(client, "get_event", event_id="x"),
        ]
        with pytest.raises(Exception, match=r"Events are not available") as unread:
            await client.read_resource("telnyx://events")
        rooms = await call(client, "list_conferences")
    assert len(queues["queues"]) == 3
    assert rooms["conferences"] == []
    assert all(f"The directory {missing.parent} does not exist" in sentence for sentence in why)
    assert str(missing.parent) in str(unread.value)


async def first_in_line(client: Client) -> str:
    return (await call(client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]


async def one_of_two(
    arguments: tuple[str, ...], env: dict[str, str], leave: anyio.Event, *, task_status: TaskStatus[Client]
) -> None:
    """A client of its own server, until it must leave."""
    async with connected(*arguments, env=env) as client:
        task_status.started(client)
        await leave.wait()


async def test_two_servers_share_a_store_and_when_one_ends_the_other_takes_the_port_over(tmp_path: Path) -> None:
    port, database = free_port(), tmp_path / "events.db"
    env = {**NOWHERE, "TELNYX_PUBLIC_KEY": NEW.public_key}
    arguments = ("--webhook-port", str(port), "--database", url_of(database))

    async def posted(name: str) -> bool:
        body = body_of(name)
        try:
            return await anyio.to_thread.run_sync(post, port, body, signed_headers(NEW, body)) == 200
        except httpx2.TransportError:
            return False

    async def sees(client: Client, *names: str) -> bool:
        return {event["id"] for event in await list_all_events(client)} == set(names)

    leave = anyio.Event()
    seen: list[dict[str, Any]] = []
    async with anyio.create_task_group() as tasks:
        first: Client = await tasks.start(one_of_two, arguments, env, leave)
        await first.list_tools()
        await wait_until_listening(port)
        async with connected(*arguments, env=env) as second:
            await call(second, "list_events")
            assert await posted("to the first")
            seen += [
                await call(client, "wait_for_event", types=["conference.*"], since="2020-01-01T00:00:00Z")
                for client in (first, second)
            ]
            leave.set()
            await eventually(partial(posted, "to the second"))
            await eventually(partial(sees, second, "to the first", "to the second"))
    assert [[event["id"] for event in seen_event["events"]] for seen_event in seen] == [["to the first"]] * 2


def test_the_operator_is_warned_when_another_program_holds_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = forked("serve", "--webhook-port", port, "--insecure-webhooks")
        with subprocess.Popen(
            [*command, "--database", url_of(tmp_path / "events.db")],
            env=environment(NOWHERE),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stderr
            taken.settimeout(PATIENCE)
            taken.accept()[0].close()
            said = next(line for line in process.stderr if f"Port {port}" in line)
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
    assert "is held by another program. No webhooks arrive here until it ends" in said


async def test_on_the_sandbox_webhooks_go_through_the_port_with_nothing_to_set_up(tmp_path: Path) -> None:
    port, sandbox_port = free_port(), free_port()
    database = tmp_path / "events.db"
    async with connected(
        "--sandbox",
        *("--webhook-port", str(port)),
        *("--sandbox-port", str(sandbox_port)),
        *("--database", url_of(database)),
        *("--approval", "never"),
    ) as client:
        await client.list_tools()
        await wait_until_listening(port)
        room = await open_room(client, await first_in_line(client))
        seen = await call(client, "wait_for_event", types=["conference.created"], conference_id=room)
        async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": "Bearer KEYtests"}) as http:
            answer = await http.get(
                f"http://127.0.0.1:{sandbox_port}/v2/webhook_deliveries",
                params={"filter[status][eq]": "delivered", "filter[event_type]": "conference.created"},
            )
    [delivery] = answer.json()["data"]
    kept = {event.id: (event.via, event.verified) for event in await stored_in(database)}
    assert delivery["attempts"][-1]["http"]["request"]["url"] == f"http://127.0.0.1:{port}/webhooks/telnyx"
    assert [event["id"] for event in seen["events"]] == [delivery["webhook"]["id"]]
    assert kept[delivery["webhook"]["id"]] == (Via.SANDBOX, True)


async def test_events_of_the_sandbox_arrive_and_earlier_ones_are_fetched(tmp_path: Path) -> None:
    port, sandbox_port = free_port(), free_port()
    arguments = ("--webhook-port", str(port), "--sandbox-port", str(sandbox_port))
    async with connected("--sandbox", *arguments, "--database", url_of(tmp_path / "events.db")) as client:
        history = await deliveries(sandbox_port)
        async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": "Bearer KEYtests"}) as http:
            (await http.post(f"http://127.0.0.1:{sandbox_port}/sandbox/calls")).raise_for_status()

        async def has_everything() -> bool:
            made = await deliveries(sandbox_port)
            return {event["id"] for event in await list_all_events(client)} == {
                delivery["webhook"]["id"] for delivery in made
            }

        await eventually(has_everything)
        made = await deliveries(sandbox_port)
    assert [delivery["attempts"] for delivery in made[1:]] == [[]] * len(history)
    assert [attempt["status"] for attempt in made[0]["attempts"]] == ["delivered"]


async def test_the_first_call_of_whoami_does_not_report_a_port_that_opens_later_as_closed() -> None:
    port = free_port()
    async with connected("--sandbox", "--webhook-port", str(port)) as client:
        events = (await call(client, "whoami"))["events"]
    assert events["arrive"] in (f"Port {port} receives webhooks.", f"Port {port} is not open yet.")


async def test_whoami_says_that_waiting_is_of_no_use_where_no_events_arrive(tmp_path: Path) -> None:
    async with connected("--database", url_of(tmp_path / "events.db"), env=NOWHERE) as client:
        events = (await call(client, "whoami"))["events"]
    assert "instead of wait_for_event" in events["arrive"]


async def deliveries(sandbox_port: int) -> list[dict[str, Any]]:
    """Every delivery that the embedded Telnyx remembers."""
    async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": "Bearer KEYtests"}) as http:
        answer = await http.get(f"http://127.0.0.1:{sandbox_port}/v2/webhook_deliveries", params={"page[size]": "250"})
    return answer.json()["data"]
