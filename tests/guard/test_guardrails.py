"""For every risk, level and answer, exactly the right requests reach Telnyx."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from support.guarded_server import Person, audit_entries, call_in, changes, guarded, room, room_at, write_policy
from support.mcp import Answering, closes, connected, no, yes
from support.mcp_in_process import World
from support.mcp_stdio import stdio_server
from support.telnyx import Telnyx, telnyx
from support.webhooks import url_of

pytestmark = pytest.mark.anyio

LEVELS = ("destructive", "disruptive", "all", "never")
ASKED_AT: Mapping[str, Sequence[str]] = {
    "routine": ("all",),
    "disruptive": ("all", "disruptive"),
    "destructive": ("all", "disruptive", "destructive"),
}
"""The levels at which a person is asked about a command of each risk."""

TOOL: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "routine": ("join_conference", "join", {"call_control_id": "..."}),
    "disruptive": ("mute_participants", "mute", {"call_control_ids": "everyone"}),
    "destructive": ("end_conference", "end", {}),
}
"""A tool of each risk, the end of its path, and its arguments beside the conference."""

ANSWERS: Mapping[str, Answering] = {"accept": yes, "decline": no, "cancel": closes}


def call_of(risk: str, conference_id: str, leg: str) -> tuple[str, dict[str, Any], list[str]]:
    """A tool and its arguments, and the requests that carry it out."""
    tool, action, given = TOOL[risk]
    arguments = {"conference_id": conference_id, **given}
    if "call_control_id" in arguments:
        arguments["call_control_id"] = leg
    return tool, arguments, [f"POST /conferences/{conference_id}/actions/{action}"]


def leveled(path: Path, level: str) -> None:
    """Have the policy file say this level."""
    write_policy(path, f'approval.level = "{level}"')


class Bench:
    """One server and its client, for many cells of the matrix."""

    def __init__(self, phone: Telnyx, client: Client, policy: Path) -> None:
        self._phone = phone
        self._client = client
        self._policy = policy

    async def reached(self, level: str, risk: str) -> tuple[bool, bool]:
        """Whether exactly the requests of a call reached Telnyx, and whether none did."""
        leveled(self._policy, level)
        conference = room_at(self._phone, f"room {len(self._phone.commands())}")
        tool, arguments, requests = call_of(risk, conference, call_in(self._phone))
        before = len(self._phone.commands())
        await self._client.call_tool(tool, arguments)
        sent = self._phone.commands()[before:]
        return sent == requests, sent == []


SENT, NOTHING = (True, False), (False, True)


async def test_with_elicitation_only_an_approval_sends_the_call(era: str, tmp_path: Path) -> None:
    person = Person(yes)
    found: dict[tuple[str, str, str], tuple[tuple[bool, bool], bool]] = {}
    leveled(tmp_path / "policy.toml", "all")
    with telnyx() as phone:
        file = str(tmp_path / "policy.toml")
        async with connected("--policy", file, era=era, answering=person, env=phone.env) as client:
            bench = Bench(phone, client, tmp_path / "policy.toml")
            for level, risk, answer in ((a, b, c) for a in LEVELS for b in TOOL for c in ANSWERS):
                person.answering, before = ANSWERS[answer], len(person.questions)
                reached = await bench.reached(level, risk)
                found[level, risk, answer] = reached, len(person.questions) > before
    assert found == {
        (level, risk, answer): (
            SENT if answer == "accept" or level not in ASKED_AT[risk] else NOTHING,
            level in ASKED_AT[risk],
        )
        for level in LEVELS
        for risk in TOOL
        for answer in ANSWERS
    }


async def test_without_elicitation_nothing_that_needs_approval_is_sent(era: str, tmp_path: Path) -> None:
    leveled(tmp_path / "policy.toml", "all")
    with telnyx() as phone:
        async with connected("--policy", str(tmp_path / "policy.toml"), era=era, env=phone.env) as client:
            bench = Bench(phone, client, tmp_path / "policy.toml")
            found = {(level, risk): await bench.reached(level, risk) for level in LEVELS for risk in TOOL}
    assert found == {(level, risk): NOTHING if level in ASKED_AT[risk] else SENT for level in LEVELS for risk in TOOL}


async def says_nothing(question: str) -> ElicitResult:
    await anyio.sleep_forever()
    raise AssertionError


CELLS = [pytest.param(level, risk, id=f"{risk} at {level}") for level in LEVELS for risk in TOOL]


@pytest.mark.parametrize(("level", "risk"), CELLS)
async def test_an_unanswered_question_sends_nothing(era: str, level: str, risk: str) -> None:
    world = World()
    tool, arguments, requests = call_of(risk, room(world.sandbox), nowhere(world))
    async with guarded(world, era=era, answering=says_nothing, patience=0.01, approval=level) as client:
        if era == "2026-07-28" and level in ASKED_AT[risk]:
            # The call has ended with the question: the server waits for nothing, and keeps nothing in hand.
            asked = await client.session.call_tool(tool, arguments, allow_input_required=True)
            assert asked.result_type == "input_required"
        else:
            await client.call_tool(tool, arguments)
    assert changes(world.sandbox) == ([] if level in ASKED_AT[risk] else requests)


def nowhere(world: World) -> str:
    """A caller who is nowhere yet."""
    return world.sandbox.state.legs.arrive("+12025550177", "+12025550100").call_control_id


@pytest.mark.parametrize(("level", "risk"), CELLS)
async def test_a_client_that_goes_away_over_the_question_leaves_nothing_that_is_sent(
    era: str, level: str, risk: str
) -> None:
    world = World()
    tool, arguments, requests = call_of(risk, room(world.sandbox), nowhere(world))
    asked = anyio.Event()

    async def goes_away(question: str) -> ElicitResult:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with (
        guarded(world, era=era, answering=goes_away, approval=level) as client,
        anyio.create_task_group() as calls,
    ):
        calls.start_soon(client.call_tool, tool, arguments)
        if level in ASKED_AT[risk]:
            with anyio.fail_after(10):
                await asked.wait()
            calls.cancel_scope.cancel()
    assert changes(world.sandbox) == ([] if level in ASKED_AT[risk] else requests)


HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}},
    "clientInfo": {"name": "tests", "version": "1"},
}


async def test_a_host_that_exits_during_a_question_sends_nothing_and_is_recorded(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    with telnyx() as phone:
        conference = room_at(phone)
        before = phone.commands()
        async with stdio_server("--database", url_of(database), env=phone.env) as host:
            await host.ask("initialize", HELLO)
            await host.send("notifications/initialized")
            call = {"name": "end_conference", "arguments": {"conference_id": conference}}
            await host.send("tools/call", call, id="the call")
            await host.until(lambda message: message.get("method") == "elicitation/create")
        assert phone.commands() == before
    assert [entry["outcome"] for entry in await audit_entries(database)] == ["given up"]
