"""What a policy forbids is not there: not listed, not callable, and nothing of it reaches Telnyx."""

import json
from collections.abc import Generator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import event, given
from hypothesis import strategies as st
from mcp.client import Client
from mcp.client.subscriptions import ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from support.examples import CALL, COMMAND_OF, CONFERENCE_ID, EXAMPLES, LEGS
from support.fuzzing import examples
from support.guarded_server import Clock, changes, guarded, overheard, room, write_policy
from support.mcp import call, connected, refusal, yes
from support.mcp_apps import LISTED
from support.mcp_in_process import World
from support.mcp_stdio import stdio_server
from support.telnyx import telnyx
from telnyx_conferencing.server.sandbox import Sandbox
from telnyx_conferencing.server.sandbox.conference import JoinOptions
from telnyx_conferencing.tools import TOOLSETS
from telnyx_conferencing.tools.base import EVERYONE, Tool

in_a_loop = pytest.mark.anyio

ALL = {tool.tool_name() for tool in LISTED}
READS = {tool.tool_name() for tool in LISTED if tool.is_read()}
WRITES = ALL - READS


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


async def listed(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


# Which tools there are

FEWER: Mapping[str, set[str]] = {
    'tools.allow = ["list_*", "end_conference"]': {name for name in ALL if name.startswith("list_")}
    | {"end_conference"},
    'tools.deny = ["*_conference"]': {name for name in ALL if not name.endswith("_conference")},
    'tools = { allow = ["list_*"], deny = ["list_queues"] }': {name for name in ALL if name.startswith("list_")}
    - {"list_queues"},
    "tools.read_only = true": READS,
    'tools.toolsets = ["audio"]': {tool.tool_name() for tool in LISTED if tool.toolset() == "audio"},
    'approval.tool.end_conference = "refuse"': ALL - {"end_conference"},
}


@in_a_loop
@pytest.mark.parametrize("rules", FEWER)
async def test_a_tool_that_is_not_allowed_is_neither_listed_nor_callable(
    era: str, world: World, policy: Path, rules: str
) -> None:
    write_policy(policy, rules)
    async with guarded(world, era=era, policy=policy) as client:
        assert await listed(client) == FEWER[rules]
        for example in EXAMPLES:
            if example.tool not in FEWER[rules]:
                with pytest.raises(MCPError, match="Unknown tool"):
                    await client.call_tool(example.tool, dict(example.minimal))
    assert list(world.sandbox.requests) == []


# While it runs


def take_away(path: Path) -> None:
    path.unlink()


@in_a_loop
async def test_an_edit_applies_at_once_and_a_broken_one_keeps_the_policy_and_is_reported(
    era: str, policy: Path
) -> None:
    write_policy(policy, 'approval.level = "never"')
    resize = partial(call, tool="update_queue", queue_name="support", max_size=7)
    with telnyx() as phone:
        options = ("--policy", str(policy), "--toolsets", "all")
        async with overheard(*options, era=era, env=phone.env, home=policy.parent) as server:
            client = server.client
            assert await listed(client) == ALL
            await resize(client)
            write_policy(policy, 'approval.level = "never"\ntools.deny = ["update_queue"]')
            assert await listed(client) == ALL - {"update_queue"}
            with pytest.raises(MCPError, match="Unknown tool"):
                await resize(client)
            write_policy(policy, 'tools.deny = "nothing')
            assert await listed(client) == ALL - {"update_queue"}
            with pytest.raises(MCPError, match="Unknown tool"):
                await resize(client)
            message = await server.until("cannot be used; the previous policy stays")
            assert "is not TOML" in message
            take_away(policy)
            assert await listed(client) == ALL - {"update_queue"}
            write_policy(policy, 'approval.level = "never"')
            await resize(client)
        assert phone.commands() == ["POST /queues/support"] * 2


@in_a_loop
async def test_a_2025_client_is_notified_when_the_list_of_tools_changes(policy: Path) -> None:
    write_policy(policy, "")
    with telnyx() as phone:
        async with stdio_server("--policy", str(policy), env=phone.env) as raw:
            capabilities = (await raw.greet())["capabilities"]
            await raw.ask("tools/list")
            write_policy(policy, "tools.read_only = true")
            await raw.until(lambda message: message.get("method") == "notifications/tools/list_changed")
            left = {tool["name"] for tool in (await raw.ask("tools/list"))["tools"]}
    assert capabilities["tools"] == {"listChanged": True}
    assert "list_queues" in left
    assert "update_queue" not in left


@in_a_loop
async def test_a_2026_client_is_notified_when_the_list_of_tools_changes(policy: Path) -> None:
    write_policy(policy, "")
    with telnyx() as phone:
        async with (
            connected("--policy", str(policy), era="2026-07-28", env=phone.env) as client,
            client.listen(tools_list_changed=True) as changes,
        ):
            write_policy(policy, "tools.read_only = true")
            with anyio.fail_after(30):
                async for change in changes:
                    assert isinstance(change, ToolsListChanged)
                    break
            assert "update_queue" not in await listed(client)


EDITS = {
    "the tool is denied": 'tools.deny = ["end_conference"]',
    "it is read-only": "tools.read_only = true",
    "it is always refused": 'approval.tool.end_conference = "refuse"',
    "the conference is out of scope": 'scope.conferences = ["Sales*"]',
    "writes are closed": 'hours = { zone = "UTC", open = [] }',
    "it touches too many": "limits.most_people = 0",
    "the limit is reached": "limits.calls_per_minute = 0",
}


@in_a_loop
@pytest.mark.parametrize("edit", EDITS)
async def test_an_approval_does_not_override_a_policy_that_now_forbids_the_call(
    era: str, world: World, policy: Path, edit: str
) -> None:
    write_policy(policy, "")

    async def edits_and_says_yes(question: str) -> ElicitResult:
        write_policy(policy, EDITS[edit])
        return yes(question)

    async with guarded(world, era=era, answering=edits_and_says_yes, policy=policy) as client:
        arguments = {"conference_id": room(world.sandbox)}
        with suppress(MCPError):  # where the call is repeated with its answer, the tool may be gone by then
            assert (await client.call_tool("end_conference", arguments)).is_error
    assert changes(world.sandbox) == []


# Scope

STANDUP, SALES = "Standup", "Sales floor"


@in_a_loop
async def test_a_conference_is_judged_by_the_name_that_telnyx_knows(world: World, policy: Path) -> None:
    write_policy(policy, 'scope.conferences = ["Sales*"]\napproval.level = "never"')
    inside, outside = room(world.sandbox, SALES), room(world.sandbox, STANDUP)
    everyone = {"call_control_ids": EVERYONE}
    async with guarded(world, policy=policy) as client:
        await call(client, "mute_participants", conference_id=inside, **everyone)
        message = await refusal(client, "mute_participants", conference_id=outside, **everyone)
        assert "the name of this conference is 'Standup'" in message
        leg = world.sandbox.state.legs.arrive("+12025550177", "+12025550100").call_control_id
        await refusal(client, "create_conference", call_control_id=leg, name="Standup 2")
        await call(client, "create_conference", call_control_id=leg, name="Sales 2")
    assert changes(world.sandbox) == [f"POST /conferences/{inside}/actions/mute", "POST /conferences"]


@in_a_loop
async def test_a_queue_is_judged_by_its_name_also_where_a_call_names_none(world: World, policy: Path) -> None:
    write_policy(policy, 'scope.queues = ["supp*"]\napproval.level = "never"')
    queues = {name: queue.calls[0].leg.call_control_id for name, queue in world.sandbox.state.queues.by_name.items()}
    async with guarded(world, policy=policy) as client:
        for name, max_size in (("support", 50), ("agents", 51)):
            await client.call_tool("update_queue", {"queue_name": name, "max_size": max_size})
            await client.call_tool("leave_queue", {"call_control_id": queues[name]})
        by_id = world.sandbox.state.queues.by_name["agents"].id
        assert "the name of this queue is 'agents'" in await refusal(client, "delete_queue", queue_name=by_id)
        await refusal(client, "enqueue_call", call_control_id=queues["support"], queue_name="agents")
    assert changes(world.sandbox) == ["POST /queues/support", f"POST /calls/{queues['support']}/actions/leave_queue"]


@in_a_loop
async def test_a_region_is_judged_by_the_argument_and_by_where_the_conference_is(world: World, policy: Path) -> None:
    write_policy(policy, 'scope.regions = ["Europe"]\napproval.level = "never"')
    conference = room(world.sandbox)  # in the US
    leg = world.sandbox.state.legs.arrive("+12025550177", "+12025550100").call_control_id
    async with guarded(world, policy=policy) as client:
        for given in ({}, {"region": "US"}, {"region": "Europe"}):
            everyone = {"conference_id": conference, "call_control_ids": EVERYONE}
            await refusal(client, "mute_participants", **everyone, **given)
        assert "region is missing" in await refusal(client, "create_conference", call_control_id=leg, name="A")
        await call(client, "create_conference", call_control_id=leg, name="A", region="Europe")
    assert changes(world.sandbox) == ["POST /conferences"]


INSIDE = (
    "http://cdn.example.com/a.mp3",
    "https://cdn.example.com.evil.example/a.mp3",
    "https://evil.example/cdn.example.com/a.mp3",
    "https://cdn.example.com@evil.example/a.mp3",
    "https://127.0.0.1/a.mp3",
    "https://2130706433/a.mp3",
    "https://[::1]/a.mp3",
    "https://[::ffff:10.0.0.1]/a.mp3",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/a.mp3",
    "https://router.lan/a.mp3",
)


@in_a_loop
@pytest.mark.parametrize("rules", ['scope.audio_hosts = ["cdn.example.com"]', ""])
async def test_audio_urls_reach_neither_private_networks_nor_unlisted_hosts(
    world: World, policy: Path, rules: str
) -> None:
    write_policy(policy, f'{rules}\napproval.level = "never"')
    everyone = {"conference_id": room(world.sandbox), "call_control_ids": EVERYONE}
    some = [url for url in INSIDE if rules or "evil.example" not in url or "@" in url]
    async with guarded(world, policy=policy) as client:
        for url in some:
            assert "audio_url may not be used" in await refusal(client, "play_audio", **everyone, audio_url=url)
            await refusal(client, "hold_participants", **everyone, audio_url=url)
        assert changes(world.sandbox) == []
        await call(client, "play_audio", **everyone, audio_url="https://CDN.example.com:443/a.mp3")


# Hours and approval


@in_a_loop
async def test_writes_are_open_in_their_hours_only_and_reads_always(world: World, policy: Path) -> None:
    clock = Clock(datetime(2026, 1, 31, 12, tzinfo=UTC))  # a Saturday
    write_policy(policy, 'hours = { zone = "Europe/Berlin", open = ["mon-fri 08:00-18:00"] }')
    async with guarded(world, policy=policy, clock=clock) as client:
        message = await refusal(client, "update_queue", queue_name="support", max_size=7)
        assert "the next time is Mon 2026-02-02 08:00" in message
        await call(client, "list_queues")
        clock.moment = datetime(2026, 2, 2, 7, tzinfo=UTC)
        await call(client, "update_queue", queue_name="support", max_size=7)
    assert changes(world.sandbox) == ["POST /queues/support"]


@in_a_loop
async def test_a_tool_is_asked_about_as_its_own_entry_says(world: World, policy: Path) -> None:
    write_policy(policy, 'approval.tool = { update_queue = "ask", delete_queue = "never" }')
    world.sandbox.state.queues.open("empty", 5)
    async with guarded(world, policy=policy) as client:
        assert "waits as" in await refusal(client, "update_queue", queue_name="support", max_size=7)
        await call(client, "delete_queue", queue_name="empty")
        assert "waits as" in await refusal(client, "end_conference", conference_id=room(world.sandbox))
    assert changes(world.sandbox) == ["DELETE /queues/empty"]


# Any policy and any command


@dataclass
class Server:
    """A server in this process whose policy is written again for each command."""

    world: World
    policy: Path
    portal: BlockingPortal
    client: Client

    def reached(self, rules: "Rules", tool: str, arguments: Mapping[str, Any]) -> list[str]:
        """The requests of a call that reached Telnyx: of its tool, or all of them if it reads."""
        set_scene(self.world.sandbox)
        write_policy(self.policy, toml(rules))
        try:
            self.portal.call(self.client.call_tool, tool, dict(arguments))
        except MCPError:
            assert list(self.world.sandbox.requests) == []
        is_read = COMMAND_OF[tool].is_read()
        return [str(request.command) for request in self.world.sandbox.requests if is_read or request.method != "GET"]


def set_scene(sandbox: Sandbox) -> None:
    """The conference and the call legs that the examples name: so what the policy lets through has an effect."""
    sandbox.reset()
    world = sandbox.state
    for name in LEGS:
        leg = world.legs.arrive("+12025550177", "+12025550100")
        leg.call_control_id = name
        world.legs.by_id[name] = leg
    conference = world.conferences.start(world.legs.by_id[CALL], STANDUP, JoinOptions())
    conference.id = CONFERENCE_ID
    world.conferences.by_id[CONFERENCE_ID] = conference


Rules = Mapping[str, Mapping[str, Any]]
"""A policy as its file has it: tables and keys."""


def toml(rules: Rules) -> str:
    return "\n".join(
        f"{table}.{key} = {json.dumps(value)}" for table, keys in rules.items() for key, value in keys.items()
    )


FLAGS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "read-only": {"read_only": True},
    "toolsets": {"toolsets": "audio,queues"},
    "allow": {"allow": "*_participants,*_queue"},
    "deny": {"deny": "end_*,*_recording"},
    "approval": {"approval": "disruptive"},
    "most people": {"most_people": 1},
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[str, Server]]:
    """A server for each set of flags."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        # The scene is laid again behind the server's back before each call, so it must not remember its own commands.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("telnyx_conferencing.server.adapters.live_state._OWN_MOVE_HOLDS", timedelta())
        made: dict[str, Server] = {}
        for name, flags in FLAGS.items():
            policy = tmp_path_factory.mktemp("policies") / "policy.toml"
            write_policy(policy, "")
            world = World()
            client = portal.wrap_async_context_manager(guarded(world, policy=policy, **flags))
            made[name] = Server(world, policy, portal, stack.enter_context(client))
        yield made


_SOME = ["*_participants", "*_conference", "*_queue", "*_audio", "leave_*"]
_TABLES: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "tools": {
        "toolsets": st.lists(st.sampled_from(TOOLSETS), min_size=3, max_size=6),
        "allow": st.lists(st.sampled_from([*_SOME, "*", "*"]), min_size=1, max_size=3),
        "deny": st.lists(st.sampled_from([*_SOME, *sorted(ALL)]), max_size=3),
        "read_only": st.sampled_from([False, False, False, True]),
    },
    "scope": {
        "conferences": st.lists(st.sampled_from(["stand*", "*", "Sales", "Grüße*"]), max_size=3),
        "queues": st.lists(st.sampled_from(["support", "tier*", "*"]), max_size=3),
        "regions": st.lists(st.sampled_from(["US", "Europe", "Middle East"]), max_size=3),
        "audio_hosts": st.lists(st.sampled_from(["example.com", "*.example.com", "*"]), max_size=3),
    },
    "limits": {
        "calls_per_minute": st.sampled_from([0, *[1_000_000] * 3]),
        "most_people": st.integers(0, 3),
    },
    "approval": {"level": st.sampled_from([*["never"] * 3, "destructive", "disruptive", "all"])},
    "approval.tool": dict.fromkeys(
        ["end_conference", "mute_participants", "update_queue"], st.sampled_from(["never", "ask", "refuse"])
    ),
}
_RULES = st.fixed_dictionaries(
    {table: st.fixed_dictionaries({}, optional=dict(keys)) for table, keys in _TABLES.items()}
)
_CALLS = st.sampled_from([(example.tool, arguments) for example in EXAMPLES for _, arguments in example.variants()])


def forbids(rules: Rules, tool: str, given: Mapping[str, Any]) -> bool:
    """Whether a policy forbids a call: its rules, written a second time and in the simplest way."""
    return any(rule(rules, COMMAND_OF[tool], given) for rule in (_no_tool, _out_of_scope, _asks, _too_much))


def _no_tool(rules: Rules, tool: type[Tool], given: Mapping[str, Any]) -> bool:
    message, name = rules["tools"], tool.tool_name()
    return (
        tool.toolset() not in message.get("toolsets", TOOLSETS)
        or (message.get("read_only", False) and name in WRITES)
        or any(fnmatchcase(name, pattern) for pattern in message.get("deny", ()))
        or not any(fnmatchcase(name, pattern) for pattern in message.get("allow", ["*"]))
        or rules["approval.tool"].get(name) == "refuse"
    )


def _out_of_scope(rules: Rules, tool: type[Tool], given: Mapping[str, Any]) -> bool:
    if tool.tool_name() in READS:
        return False
    touched: dict[str, list[str]] = {
        "conferences": [STANDUP] if "conference_id" in given else [],
        "queues": [given["queue_name"]] if "queue_name" in given else [],
        "regions": [given["region"]] if "region" in given else [],
        "audio_hosts": [str(urlsplit(str(value)).hostname) for name, value in given.items() if name.endswith("_url")],
    }
    touched["regions"] += ["US"] if "conference_id" in given else []
    if tool.tool_name() == "create_conference":
        touched["conferences"].append(given["name"])
    return any(
        not any(fnmatchcase(value, pattern) for pattern in rules["scope"][kind])
        for kind, values in touched.items()
        if kind in rules["scope"]
        for value in values
    )


def _asks(rules: Rules, tool: type[Tool], given: Mapping[str, Any]) -> bool:
    """Nobody can be asked here, so that what asks is not sent."""
    level = rules["approval"].get("level", "destructive")
    from_risk = {"never": 9, "destructive": 3, "disruptive": 2, "all": 1}[level]
    risk = COMMAND_OF[tool.tool_name()].model_validate(given).current_risk()
    own = rules["approval.tool"].get(tool.tool_name())
    return own == "ask" or (own is None and risk >= from_risk)


def _too_much(rules: Rules, tool: type[Tool], given: Mapping[str, Any]) -> bool:
    if tool.tool_name() in READS:
        return False
    legs: Any = given.get("call_control_ids", [])
    touched = 1 if legs == EVERYONE else len(legs)  # one person is in the room
    return rules["limits"].get("calls_per_minute") == 0 or touched > rules["limits"].get("most_people", 800)


FEW = examples(150)


@FEW
@given(_RULES, _CALLS)
def test_nothing_that_a_policy_forbids_reaches_telnyx(
    servers: Mapping[str, Server], rules: Rules, wanted: tuple[str, Mapping[str, Any]]
) -> None:
    reached = servers["none"].reached(rules, *wanted)
    event(f"forbidden: {forbids(rules, *wanted)}, reached: {reached != []}")
    assert reached == [] or not forbids(rules, *wanted)


@FEW
@given(_RULES, _CALLS, st.sampled_from(sorted(set(FLAGS) - {"none"})))
def test_another_source_lets_no_more_through(
    servers: Mapping[str, Server], rules: Rules, wanted: tuple[str, Mapping[str, Any]], flags: str
) -> None:
    both, alone = (servers[name].reached(rules, *wanted) for name in (flags, "none"))
    assert both == [] or alone != []


@FEW
@given(_RULES, _CALLS, st.sampled_from([(table, key) for table, keys in _TABLES.items() for key in keys]), st.data())
def test_a_stricter_policy_lets_no_more_through(
    servers: Mapping[str, Server],
    rules: Rules,
    wanted: tuple[str, Mapping[str, Any]],
    place: tuple[str, str],
    data: st.DataObject,
) -> None:
    table, key = place
    lax = {**rules, table: {name: value for name, value in rules[table].items() if name != key}}
    if table == "approval.tool":
        lax = {**lax, table: {**lax[table], key: "never"}}
    if table == "approval":
        lax = {**lax, table: {"level": "never"}}
    strict = {**rules, table: {**rules[table], key: data.draw(_TABLES[table][key])}}
    strictly, laxly = (servers["none"].reached(policy, *wanted) for policy in (strict, lax))
    assert strictly == [] or laxly != []
