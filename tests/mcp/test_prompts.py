"""Prompts as a host meets them: listed, got, completed, gone when the policy takes what they are for; in both eras."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp.client.subscriptions import PromptsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PromptReference, TextContent

from support.guarded_server import guarded, room, write_policy
from support.hostile_text import HOSTILE, unseen
from support.mcp import call, connected, practice_client
from support.mcp_in_process import World
from support.mcp_stdio import stdio_server
from support.telnyx import open_room, telnyx
from telnyx_conferencing.prompts.files import prompts
from telnyx_conferencing.server.sandbox import Sandbox
from telnyx_conferencing.tools import PRESETS, TOOLS

pytestmark = pytest.mark.anyio

ALL = {tool.tool_name() for tool in TOOLS}
BY_DEFAULT = {tool.tool_name() for tool in PRESETS["default"]}
LEG = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"
MOST_BYTES = 2560
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "incident_bridge": {"name": "Outage", "people": "+12025550133, +12025550134"},
    "practise": {},
    "start_conference": {"name": "Standup", "people": "+12025550133,+12025550134"},
    "supervise_call": {"conference": "Standup", "role": "whisper"},
    "work_the_queue": {"queue": "support"},
    "record_with_consent": {"conference": "Standup", "format": "wav"},
    "greet_and_route": {"call": LEG, "queue": "support"},
    "warm_transfer": {"conference": "Standup", "caller": LEG, "expert": "+12025550151"},
    "take_voicemail": {"call": LEG, "most_seconds": "60"},
    "call_back": {"number": "+12025550131", "agent": LEG},
    "announce_queue": {"queue": "support"},
    "end_of_day_report": {"queue": "support"},
    "coach_agent": {"agent": LEG, "supervisor": "+12025550152"},
    "run_the_room": {"conference": "Standup"},
    "what_happened": {"conference": "Standup"},
    "wrap_up": {"conference": "Standup"},
}


def possible(tools: set[str]) -> set[str]:
    """The prompts whose purpose these tools serve."""
    return {name for name, prompt in prompts().items() if set(prompt.required_tools) <= tools}


async def names(client: Client) -> set[str]:
    return {prompt.name for prompt in (await client.list_prompts()).prompts}


async def text_of(client: Client, prompt: str, /, **arguments: str) -> str:
    [message] = (await client.get_prompt(prompt, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


async def prompt_refusal(client: Client, prompt: str, /, **arguments: str) -> str:
    """What is said to a request that is wrong."""
    with pytest.raises(MCPError) as error:
        await client.get_prompt(prompt, arguments)
    assert error.value.code == INVALID_PARAMS
    return error.value.error.message


async def complete(client: Client, prompt: str, argument: str, typed: str = "", /, **others: str) -> list[str]:
    reference = PromptReference(name=prompt)
    answer = await client.complete(reference, {"name": argument, "value": typed}, context_arguments=others or None)
    return answer.completion.values


async def legs_in(client: Client, queue: str) -> list[str]:
    """The call legs in a queue of the scene, once all events of it are in."""
    calls = (await call(client, "list_queue_calls", queue_name=queue))["calls"]
    legs = [entry["call_control_id"] for entry in calls]
    await call(client, "wait_for_event", types=["call.enqueued"], call_control_id=legs[-1], since="2020-01-01")
    return legs


@pytest.fixture
def world() -> World:
    """By the time of day: a conference of long ago is over."""
    return World(Sandbox())


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


# Listed and got


async def test_prompts_are_listed_with_what_a_person_sees_of_them(era: str) -> None:
    async with practice_client(era) as client:
        listed = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert set(listed) == possible(BY_DEFAULT)
    for name, shown in listed.items():
        prompt = prompts()[name]
        assert (shown.title, shown.description) == (prompt.title, prompt.description)
        arguments = [(argument.name, argument.description, argument.required) for argument in shown.arguments or ()]
        assert arguments == [(argument.name, argument.description, argument.required) for argument in prompt.arguments]


async def test_each_prompt_is_short_for_any_number_of_people(era: str, world: World) -> None:
    room(world.sandbox, "A conference with a rather long name, as people sometimes choose", people=20)
    long = {"conference": "A conference with a rather long name, as people sometimes choose"}
    async with guarded(world, era=era) as client:
        for name in await names(client):
            given = {**ARGUMENTS[name], **(long if "conference" in ARGUMENTS[name] else {})}
            text = await text_of(client, name, **given)
            assert len(text.encode()) <= MOST_BYTES, name
            assert "\n\n\n" not in text


async def test_a_prompt_shows_the_current_state(era: str) -> None:
    async with practice_client(era) as client:
        legs = await legs_in(client, "support")
        conference_id = await open_room(client, *legs[:2])
        await call(client, "wait_for_event", types=["conference.participant.joined"], call_control_id=legs[1])
        await call(client, "mute_participants", conference_id=conference_id, call_control_ids=[legs[1]])
        by_name = await text_of(client, "run_the_room", conference="standup")
        by_id = await text_of(client, "run_the_room", conference=conference_id)
        queue = await text_of(client, "work_the_queue", queue="support", agent="+12025550133")
    for message in (by_name, by_id):
        assert f"Now: it is open, called 'Standup', conference_id '{conference_id}', 2 in it." in message
        assert re.search(rf"- '\+12025550112', call_control_id '{legs[1]}', muted$", message, re.MULTILINE)
    assert "1 waiting in queue 'support'" in queue
    assert f"call_control_id '{legs[2]}'" in queue
    assert "The agent is '+12025550133'." in queue


async def test_a_prompt_says_that_a_missing_conference_or_queue_could_not_be_looked_up(era: str, world: World) -> None:
    async with guarded(world, era=era) as client:
        assert "could not be looked up" in await text_of(client, "run_the_room", conference="Nowhere")
        assert "could not be looked up" in await text_of(client, "work_the_queue", queue="nowhere")


async def test_an_optional_argument_that_the_host_fills_in_later_counts_as_not_given() -> None:
    async with connected("--sandbox") as client:
        for prompt in (await client.list_prompts()).prompts:
            required = [argument.name for argument in prompt.arguments or () if argument.required]
            optional = [argument.name for argument in prompt.arguments or () if not argument.required]
            later = {name: f"${number}" for number, name in enumerate([*required, *optional], 1)}
            without = {name: later[name] for name in required}
            assert await text_of(client, prompt.name, **later) == await text_of(client, prompt.name, **without)


async def test_two_conferences_with_one_name_are_not_confused(world: World) -> None:
    room(world.sandbox, "Twins")
    second = room(world.sandbox, "Twins")
    async with guarded(world) as client:
        assert "could not be looked up" in await text_of(client, "run_the_room", conference="Twins")
        assert second in await text_of(client, "run_the_room", conference=second)


async def test_a_prompt_is_got_where_telnyx_cannot_be_asked(era: str) -> None:
    env = {"TELNYX_API_KEY": "KEYtests", "TELNYX_BASE_URL": "http://127.0.0.1:9/v2"}
    async with connected(era=era, env=env) as client:
        assert "could not be looked up" in await text_of(client, "wrap_up", conference="Standup")
        assert await complete(client, "work_the_queue", "queue") == []


async def test_practising_is_for_the_sandbox_only() -> None:
    with telnyx() as phone:
        async with connected(env=phone.env) as client:
            on_an_account = await text_of(client, "practise")
    async with practice_client("2026-07-28") as client:
        on_the_sandbox = await text_of(client, "practise", prompt="wrap_up")
    assert "Change nothing and call nobody." in on_an_account
    assert "Practise 'wrap_up' with me." in on_the_sandbox


# Wrong requests

WRONG: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "an unknown prompt": ("run_the_rooms", {}, "There is no prompt 'run_the_rooms'. Did you mean run_the_room?"),
    "one like none": ("xyz", {}, "There is no prompt 'xyz'. prompts/list names all prompts."),
    "a missing argument": ("run_the_room", {}, "The prompt run_the_room needs conference: its name or id."),
    "an empty one": ("run_the_room", {"conference": " "}, "The prompt run_the_room needs conference: its name or id."),
    "an unknown one": (
        "run_the_room",
        {"conference": "x", "room": "y"},
        "The prompt run_the_room has no argument 'room': it takes conference.",
    ),
    "another word than those there are": (
        "supervise_call",
        {"conference": "x", "role": "boss"},
        "The prompt supervise_call takes for role one of monitor, whisper, barge.",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_request_is_answered_in_a_plain_sentence(era: str, world: World, wrong: str) -> None:
    prompt, arguments, message = WRONG[wrong]
    async with guarded(world, era=era) as client:
        assert await prompt_refusal(client, prompt, **arguments) == message


# Completed


async def test_every_argument_is_completed_from_the_current_state(era: str) -> None:
    async with practice_client(era) as client:
        legs = await legs_in(client, "support")
        conference_id = await open_room(client, *legs[:2])
        created = {"types": ["conference.created"], "conference_id": conference_id, "since": "2020-01-01"}
        await call(client, "wait_for_event", **created)
        given = {"conference": "Standup", "queue": "support"}
        for prompt in (await client.list_prompts()).prompts:
            for argument in prompt.arguments or ():
                others = {name: value for name, value in given.items() if name != argument.name}
                assert await complete(client, prompt.name, argument.name, **others), (prompt.name, argument.name)
        at = partial(complete, client)
        assert await at("run_the_room", "conference", "st") == ["Standup"]
        assert await at("run_the_room", "conference", conference_id[:5]) == ["Standup"]
        assert sorted(await at("work_the_queue", "queue", "su")) == ["supervisors", "support"]
        assert await at("supervise_call", "role", "w") == ["whisper"]
        assert await at("practise", "prompt", "wrap") == ["wrap_up"]


async def test_participants_and_waiting_calls_are_completed_for_the_chosen_conference_or_queue(era: str) -> None:
    async with practice_client(era) as client:
        legs = await legs_in(client, "support")
        [agent] = await legs_in(client, "agents")
        await open_room(client, *legs[:2])
        at = partial(complete, client)
        assert await at("supervise_call", "whisper_to", conference="Standup") == legs[:2]
        assert await at("supervise_call", "whisper_to", "+12025550112", conference="Standup") == [legs[1]]
        assert await at("supervise_call", "whisper_to") == []
        assert await at("work_the_queue", "call", queue="support") == [legs[2]]
        assert await at("work_the_queue", "call", queue="agents") == [agent]
        assert await at("work_the_queue", "agent", "+12025550121") == [agent]


async def test_one_of_several_numbers_completes_after_the_last_comma(era: str) -> None:
    async with practice_client(era) as client:
        await legs_in(client, "support")
        first = "+12025550111"
        values = await complete(client, "start_conference", "people", f"{first}, +120255501")
    assert values
    assert all(value.startswith(f"{first}, +120255501") for value in values)
    assert f"{first}, {first}" not in values


async def test_with_masking_prompts_neither_complete_nor_show_numbers(era: str) -> None:
    async with practice_client(era, "--mask-numbers") as client:
        await legs_in(client, "support")
        assert await complete(client, "start_conference", "people") == []
        assert "'+*******0111'" in await text_of(client, "work_the_queue", queue="support")
        assert await complete(client, "work_the_queue", "queue") != []


async def test_an_unknown_prompt_or_argument_has_no_completions(era: str, world: World) -> None:
    async with guarded(world, era=era) as client:
        assert await complete(client, "nothing", "queue") == []
        assert await complete(client, "work_the_queue", "nothing") == []


# What callers and others choose


def shape(text: str) -> str:
    """A text without quoted parts and waiting times."""
    return re.sub(r"'[^'\n]*'|for \d+ s", "'...'", text).replace(", called '...'", "")


@pytest.mark.parametrize("chosen", HOSTILE)
async def test_a_prompt_keeps_its_form_for_any_names(era: str, world: World, chosen: str) -> None:
    hostile, harmless = room(world.sandbox, HOSTILE[chosen]), room(world.sandbox, "Standup")
    [caller] = world.sandbox.state.conferences.by_id[hostile].present.values()
    caller.leg.from_ = HOSTILE[chosen]
    waiting = world.sandbox.state.queues.by_name["support"].calls[0].leg
    async with guarded(world, era=era) as client:
        same = [
            (await text_of(client, "run_the_room", conference=name)).replace(name, "id") for name in (hostile, harmless)
        ]
        same += [await text_of(client, "start_conference", name=name) for name in (HOSTILE[chosen], "Standup")]
        before = await text_of(client, "work_the_queue", queue="support")
        waiting.from_ = HOSTILE[chosen]
        after = await text_of(client, "work_the_queue", queue="support")
        offered = await complete(client, "run_the_room", "conference")
    assert shape(same[0]) == shape(same[1])
    assert shape(same[2]) == shape(same[3])
    assert shape(before) == shape(after)
    assert "1 in it." in same[0]
    lines = [line for text in (*same, before, after) for line in text.splitlines()]
    assert [letter for line in (*lines, *offered) for letter in unseen(line)] == []


# What the policy leaves

FEWER: Mapping[str, set[str]] = {
    "tools.read_only = true": {tool.tool_name() for tool in TOOLS if tool.is_read()},
    'tools.deny = ["start_recording", "join_*"]': ALL - {"start_recording", "join_conference"},
    'tools.toolsets = ["queues"]': {tool.tool_name() for tool in TOOLS if tool.toolset() == "queues"},
    'approval.tool.end_conference = "refuse"': ALL - {"end_conference"},
}


@pytest.mark.parametrize("rules", FEWER)
async def test_a_prompt_whose_tools_are_not_allowed_is_not_listed(
    era: str, world: World, policy: Path, rules: str
) -> None:
    write_policy(policy, rules)
    async with guarded(world, era=era, policy=policy) as client:
        left = await names(client)
        assert left == possible(FEWER[rules])
        for name in possible(ALL) - left:
            assert f"The prompt {name} is not offered here: it needs " in await prompt_refusal(client, name)
            assert name not in await complete(client, "practise", "prompt")


async def test_a_prompt_says_which_of_its_tools_are_missing(world: World, policy: Path) -> None:
    write_policy(policy, 'tools.deny = ["hold_participants", "stop_audio"]')
    async with guarded(world, policy=policy) as client:
        prompt_text = await text_of(client, "run_the_room", conference=room(world.sandbox))
    assert (
        "Not offered on this server: `hold_participants`, `stop_audio`. Leave out the steps that need them"
        in prompt_text
    )


PROMPTS_CHANGED = "notifications/prompts/list_changed"


async def test_a_2025_client_is_notified_when_the_list_of_prompts_changes(policy: Path) -> None:
    write_policy(policy, "")
    with telnyx() as phone:
        async with stdio_server("--policy", str(policy), env=phone.env) as raw:
            capabilities = (await raw.greet())["capabilities"]
            write_policy(policy, 'tools.deny = ["stop_audio"]')
            await raw.until(lambda message: message.get("method") == "notifications/tools/list_changed")
            write_policy(policy, 'tools.deny = ["end_conference"]')
            await raw.until(lambda message: message.get("method") == PROMPTS_CHANGED)
            left = {prompt["name"] for prompt in (await raw.ask("prompts/list"))["prompts"]}
            notified = len(raw.notifications(PROMPTS_CHANGED))
    assert capabilities["prompts"] == {"listChanged": True}
    assert left == possible(BY_DEFAULT - {"end_conference"})
    assert notified == 1


async def test_a_2026_client_is_notified_when_the_list_of_prompts_changes(policy: Path) -> None:
    write_policy(policy, "")
    with telnyx() as phone:
        async with (
            connected("--policy", str(policy), era="2026-07-28", env=phone.env) as client,
            client.listen(prompts_list_changed=True) as changes,
        ):
            write_policy(policy, "tools.read_only = true")
            with anyio.fail_after(30):
                async for change in changes:
                    assert isinstance(change, PromptsListChanged)
                    break
            assert "wrap_up" not in await names(client)
