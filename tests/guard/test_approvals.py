"""A yes given outside the conversation: for one call, with these facts, once; and nothing an agent does can give it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
    ResourceTemplateReference,
    TextResourceContents,
)

from support.guarded_server import Clock, Person, changes, code_in, decided, guarded, room
from support.mcp import Answering, call, closes, connected, no, refusal, text, yes
from support.mcp_in_process import World
from support.telnyx import telnyx
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import NoSuchApproval

pytestmark = pytest.mark.anyio

LEAVE = {"queue_name": "support", "max_size": 7}
"""What `update_queue` is called with here: it may be done again and again, and the question stays the same."""
SENT = "POST /queues/support"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def world() -> World:
    return World()


def asking_about_all(database: Path) -> dict[str, Any]:
    return {"approval": "all", "database": url_of(database)}


async def pending(client: Client, tool: str, **arguments: Any) -> str:
    """The code of the question that a call leaves for a person."""
    message = await refusal(client, tool, **arguments)
    assert "Nothing was sent" in message
    return code_in(message)


# What a yes is good for


async def test_a_call_that_a_person_approved_goes_through_once(era: str, world: World, database: Path) -> None:
    async with guarded(world, era=era, **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        assert await pending(client, "update_queue", **LEAVE) == code
        await decided(database, code)
        await call(client, "update_queue", **LEAVE)
        assert await pending(client, "update_queue", **LEAVE) != code
    assert changes(world.sandbox) == [SENT]


async def test_other_arguments_are_another_question(world: World, database: Path) -> None:
    async with guarded(world, **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        await decided(database, code)
        for other in ({"max_size": 8}, {"queue_name": "agents"}):
            assert await pending(client, "update_queue", **{**LEAVE, **other}) != code
    assert changes(world.sandbox) == []


async def test_another_tool_with_the_same_arguments_is_another_question(world: World, database: Path) -> None:
    conference = {"conference_id": room(world.sandbox)}
    async with guarded(world, **asking_about_all(database)) as client:
        code = await pending(client, "stop_recording", **conference)
        await decided(database, code)
        assert await pending(client, "end_conference", **conference) != code
    assert changes(world.sandbox) == []


async def test_an_approval_does_not_count_after_a_person_has_joined(world: World, database: Path) -> None:
    conference = room(world.sandbox)
    async with guarded(world, database=url_of(database)) as client:
        code = await pending(client, "end_conference", conference_id=conference)
        await decided(database, code)
        leg = world.sandbox.state.legs.arrive("+12025550177", "+12025550100").call_control_id
        await call(client, "join_conference", conference_id=conference, call_control_id=leg)
        assert await pending(client, "end_conference", conference_id=conference) != code
    assert changes(world.sandbox) == [f"POST /conferences/{conference}/actions/join"]


async def test_an_outdated_yes_leads_to_a_question_that_says_what_has_changed(world: World, database: Path) -> None:
    conference, state = room(world.sandbox, people=2), world.sandbox.state
    people = state.conferences.by_id[conference].present
    first, second = people
    leg = state.legs.arrive("+12025550177", "+12025550100").call_control_id

    async def since(code: str) -> tuple[str, str]:
        """The code of the next question about the same call, and what it says of the one under the earlier code."""
        message = await refusal(client, "end_conference", conference_id=conference)
        return code_in(message), message.partition(f"Asked again: since {code} was asked, ")[2].partition(". ")[0]

    async with guarded(world, database=url_of(database), with_events=True) as client:
        code = await pending(client, "end_conference", conference_id=conference)
        await decided(database, code)
        await call(client, "join_conference", conference_id=conference, call_control_id=leg)
        code, changed = await since(code)
        assert changed == "+12025550177 has joined (3 people in the conference now)"
        await call(client, "mute_participants", conference_id=conference, call_control_ids=[first])
        await call(client, "leave_conference", conference_id=conference, call_control_id=leg)
        code, changed = await since(code)
        assert "+12025550177 has left (2 people in the conference now)" in changed
        assert "is muted now" in changed
        people[second].ends_on_exit = True
        await call(client, "unmute_participants", conference_id=conference, call_control_ids=[first])
        code, changed = await since(code)
        assert "has become the host" in changed
        assert "is no longer muted" in changed
        await decided(database, code)
        await call(client, "end_conference", conference_id=conference)


async def test_a_person_who_is_asked_again_reads_what_has_changed(era: str, world: World, database: Path) -> None:
    conference = room(world.sandbox)
    person = Person(closes)
    async with guarded(world, era=era, answering=person.slowly, database=url_of(database), with_events=True) as client:
        code = await pending(client, "end_conference", conference_id=conference)
        leg = world.sandbox.state.legs.arrive("+12025550177", "+12025550100").call_control_id
        await call(client, "join_conference", conference_id=conference, call_control_id=leg)
        person.answering = yes
        await call(client, "end_conference", conference_id=conference)
    assert f"since {code} was asked, +12025550177 has joined" in person.questions[-1]


async def test_a_place_in_a_queue_that_has_changed_is_named(world: World, database: Path) -> None:
    calls = world.sandbox.state.queues.get_queue("support").calls
    first, second = (waiting.leg.call_control_id for waiting in calls[:2])
    async with guarded(world, approval="all", database=url_of(database)) as client:
        code = await pending(client, "remove_queue_call", queue_name="support", call_control_id=second)
        world.sandbox.state.legs.hang_up(world.sandbox.state.legs.by_id[first])
        message = await refusal(client, "remove_queue_call", queue_name="support", call_control_id=second)
    assert f"since {code} was asked, the caller is at place 1 of the queue, not 2" in message


async def test_an_approval_is_bound_to_everyone_in_the_room_even_if_the_question_does_not_list_them(
    world: World, database: Path
) -> None:
    conference = room(world.sandbox, people=7)
    async with guarded(world, approval="destructive", database=url_of(database)) as client:
        code = await pending(client, "end_conference", conference_id=conference)
        await decided(database, code)
        people = await call(client, "list_participants", conference_id=conference)
        last = people["participants"][-1]["call_control_id"]
        other = world.sandbox.state.legs.arrive("+12025550177", "+12025550100").call_control_id
        await call(client, "leave_conference", conference_id=conference, call_control_id=last)
        await call(client, "join_conference", conference_id=conference, call_control_id=other)
        assert await pending(client, "end_conference", conference_id=conference) != code
    assert not any(sent.endswith("/actions/end") for sent in changes(world.sandbox))


async def test_a_question_about_speech_has_every_word_of_it(world: World, database: Path) -> None:
    conference = room(world.sandbox)
    speech = " ".join(f"word{place}" for place in range(330))
    spoken = {"call_control_ids": "everyone", "payload": speech, "voice": "female"}
    async with guarded(world, approval="disruptive", database=url_of(database)) as client:
        message = await refusal(client, "speak_text", conference_id=conference, **spoken)
    assert f"In full: '{speech}'." in message


async def test_a_persons_no_is_final_for_the_call(era: str, world: World, database: Path) -> None:
    async with guarded(world, era=era, **asking_about_all(database)) as client:
        await decided(database, await pending(client, "update_queue", **LEAVE), yes=False)
        for _ in range(2):
            assert "said no to update_queue" in await refusal(client, "update_queue", **LEAVE)
    assert changes(world.sandbox) == []


# How long it is good


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def test_a_question_that_nobody_answers_in_time_is_over(world: World, database: Path) -> None:
    clock = Clock(NOON)
    async with guarded(world, clock=clock, approval_ttl="30s", **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        clock.move(seconds=30)
        with pytest.raises(NoSuchApproval, match="expired"):
            await decided(database, code, now=clock)
        assert await pending(client, "update_queue", **LEAVE) != code
    assert changes(world.sandbox) == []


async def test_an_unused_approval_expires(world: World, database: Path) -> None:
    clock = Clock(NOON)
    async with guarded(world, clock=clock, approval_ttl="30s", **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        clock.move(seconds=29)
        await decided(database, code, now=clock)
        clock.move(seconds=30)
        assert await pending(client, "update_queue", **LEAVE) != code
    assert changes(world.sandbox) == []


async def test_an_approval_is_valid_until_its_expiry(world: World, database: Path) -> None:
    clock = Clock(NOON)
    async with guarded(world, clock=clock, approval_ttl="30s", **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        clock.move(seconds=29)
        await decided(database, code, now=clock)
        clock.move(seconds=29)
        await call(client, "update_queue", **LEAVE)
    assert changes(world.sandbox) == [SENT]


@pytest.mark.parametrize("jump", [-3600, -1, 300, 86_400 * 400])
async def test_a_clock_jump_does_not_extend_an_approval(world: World, database: Path, jump: float) -> None:
    clock = Clock(NOON)
    async with guarded(world, clock=clock, **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        await decided(database, code, now=clock)
        clock.move(seconds=jump)
        assert await pending(client, "update_queue", **LEAVE) != code
    assert changes(world.sandbox) == []


# Who can use it


async def test_an_approval_survives_the_server_that_asked_and_counts_in_another(address: str) -> None:
    with telnyx() as phone:
        arguments = ("--approval", "all", "--database", address)
        async with connected(*arguments, env=phone.env) as client:
            code = await pending(client, "update_queue", **LEAVE)
        await decided(address, code)
        async with connected(*arguments, env=phone.env) as client:
            await call(client, "update_queue", **LEAVE)
            assert await pending(client, "update_queue", **LEAVE) != code
        assert phone.commands() == [SENT]


ROUNDS = 20


@pytest.mark.slow
async def test_of_two_servers_that_use_one_approval_at_once_one_sends(address: str) -> None:
    arguments = ("--approval", "all", "--database", address)
    ended: list[CallToolResult] = []
    with telnyx() as phone:
        async with (
            connected(*arguments, env=phone.env) as one,
            connected(*arguments, env=phone.env) as other,
        ):

            async def use(client: Client, size: int) -> None:
                ended.append(await client.call_tool("update_queue", {"queue_name": "support", "max_size": size}))

            for size in range(1, ROUNDS + 1):
                await decided(address, await pending(one, "update_queue", queue_name="support", max_size=size))
                async with anyio.create_task_group() as calls:
                    calls.start_soon(use, one, size)
                    calls.start_soon(use, other, size)
        assert phone.commands() == [SENT] * ROUNDS
    assert [bool(first.is_error) ^ bool(second.is_error) for first, second in zip(ended[::2], ended[1::2], strict=True)]
    assert sum(not result.is_error for result in ended) == ROUNDS


# Where the client is asked


async def test_a_host_that_closes_every_question_is_one_that_cannot_be_asked(
    era: str, world: World, database: Path
) -> None:
    headless = Person(closes)
    async with guarded(world, era=era, answering=headless.slowly, **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        await decided(database, code)
        await call(client, "update_queue", **LEAVE)
    assert len(headless.questions) == 1
    assert changes(world.sandbox) == [SENT]


BY_ITSELF, BY_A_PERSON = "the client declined by itself", "A person was asked and said no"


@pytest.mark.parametrize(
    "decline",
    [
        ("tests", 0.5, BY_ITSELF),
        ("tests", 1.0, BY_A_PERSON),
        ("copilot", 2.0, BY_ITSELF),
        ("copilot", 4.0, BY_A_PERSON),
    ],
)
async def test_a_decline_is_a_persons_unless_the_host_was_faster_than_a_person(
    decline: tuple[str, float, str], era: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, after_s, outcome = decline
    now = [0.0]
    clock = SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0])
    monkeypatch.setattr("telnyx_conferencing.server.mcp.elicitation.time", clock)

    async def declines(question: str) -> ElicitResult:
        now[0] += after_s
        return ElicitResult(action="decline")

    async with guarded(world, era=era, answering=declines, host=host, approval="all") as client:
        assert outcome in await refusal(client, "update_queue", **LEAVE)
    assert changes(world.sandbox) == []


async def test_only_a_host_whose_calls_outlast_its_dialogs_is_waited_for_longer(world: World) -> None:
    async def approves(question: str) -> ElicitResult:
        return yes(question)

    impatient: dict[str, Any] = {"answering": approves, "patience": 0.0, "approval": "all"}
    async with guarded(world, host="tests", **impatient) as client:
        assert "not answered" in await refusal(client, "update_queue", **LEAVE)
    async with guarded(world, host="codex-mcp-client", **impatient) as client:
        await call(client, "update_queue", **LEAVE)
    assert changes(world.sandbox) == [SENT]


async def test_an_approval_through_the_client_uses_up_the_pending_request(
    era: str, world: World, database: Path
) -> None:
    person = Person(closes)
    async with guarded(world, era=era, answering=person.slowly, **asking_about_all(database)) as client:
        code = await pending(client, "update_queue", **LEAVE)
        person.answering = yes
        await call(client, "update_queue", **LEAVE)
        with pytest.raises(NoSuchApproval, match="spent already"):
            await decided(database, code)
        person.answering = closes
        assert await pending(client, "update_queue", **LEAVE) != code
    assert changes(world.sandbox) == [SENT]


async def asked(client: Client, **arguments: Any) -> InputRequiredResult:
    """The question that a call ends with in the era of 2026-07-28."""
    question = await client.session.call_tool("update_queue", arguments, allow_input_required=True)
    assert isinstance(question, InputRequiredResult)
    return question


async def answered(
    client: Client, question: InputRequiredResult, answering: Answering, **arguments: Any
) -> CallToolResult | InputRequiredResult:
    """The call repeated with an answer to that question, as often as one likes."""
    answers: InputResponses = {key: answering("") for key in question.input_requests or {}}
    return await client.session.call_tool(
        "update_queue",
        arguments,
        input_responses=answers,
        request_state=question.request_state,
        allow_input_required=True,
    )


async def nobody(question: str) -> ElicitResult:
    raise AssertionError


async def test_a_replayed_answer_is_not_another_approval(world: World) -> None:
    async with guarded(world, era="2026-07-28", answering=nobody, approval="all") as client:
        question = await asked(client, **LEAVE)
        first = await answered(client, question, yes, **LEAVE)
        assert isinstance(first, CallToolResult)
        assert not first.is_error
        for _ in range(2):
            second_answer = await answered(client, question, yes, **LEAVE)
            assert isinstance(second_answer, CallToolResult)
            assert "used already" in text(second_answer)
    assert changes(world.sandbox) == [SENT]


async def test_a_rejection_cannot_be_replayed_as_an_approval(world: World) -> None:
    async with guarded(world, era="2026-07-28", answering=nobody, approval="all") as client:
        question = await asked(client, **LEAVE)
        for answering, message in ((no, "said no"), (yes, "used already")):
            result = await answered(client, question, answering, **LEAVE)
            assert isinstance(result, CallToolResult)
            assert message in text(result)
    assert changes(world.sandbox) == []


async def test_approvals_at_the_terminal_and_in_the_form_count_for_one_call(
    era: str, world: World, database: Path
) -> None:
    codes: list[str] = []

    async def answers(question: str) -> ElicitResult:
        if not codes:
            return closes(question)
        if len(codes) == 1:
            await decided(database, codes[0])  # while the form is open
            codes.append("")
            return yes(question)
        return closes(question)

    async with guarded(world, era=era, answering=answers, **asking_about_all(database)) as client:
        codes.append(await pending(client, "update_queue", **LEAVE))
        await call(client, "update_queue", **LEAVE)
        assert await pending(client, "update_queue", **LEAVE) != codes[0]
    assert changes(world.sandbox) == [SENT]


async def test_an_answer_is_not_for_other_arguments(world: World) -> None:
    async with guarded(world, era="2026-07-28", answering=nobody, approval="all") as client:
        question = await asked(client, **LEAVE)
        with pytest.raises(MCPError, match="requestState"):
            await answered(client, question, yes, **{**LEAVE, "max_size": 8})
    assert changes(world.sandbox) == []


@pytest.mark.parametrize("state", [None, "", "v1.AAAA", "0" * 64 + ":00"])
async def test_an_answer_without_the_servers_seal_is_refused(world: World, state: str | None) -> None:
    async with guarded(world, era="2026-07-28", answering=nobody, approval="all") as client:
        question = (await asked(client, **LEAVE)).model_copy(update={"request_state": state})
        if state is None:
            assert isinstance(await answered(client, question, yes, **LEAVE), InputRequiredResult)
        else:
            with pytest.raises(MCPError, match="requestState"):
                await answered(client, question, yes, **LEAVE)
    assert changes(world.sandbox) == []


async def test_an_answer_does_not_outlive_the_server_that_asked(world: World, database: Path) -> None:
    given = asking_about_all(database)
    async with guarded(world, era="2026-07-28", answering=nobody, **given) as client:
        question = await asked(client, **LEAVE)
    async with guarded(world, era="2026-07-28", answering=nobody, **given) as client:
        with pytest.raises(MCPError, match="requestState"):
            await answered(client, question, yes, **LEAVE)
    assert changes(world.sandbox) == []


# What an agent can find and try


async def everything_readable(client: Client) -> str:
    """All that a client can list, read and complete, and what every tool without arguments answers."""
    seen: list[object] = [await client.list_tools(), await client.list_resource_templates()]
    resources = await client.list_resources()
    for resource in resources.resources:
        contents = (await client.read_resource(resource.uri)).contents
        seen += [resource, *(content.text for content in contents if isinstance(content, TextResourceContents))]
    for template in (await client.list_resource_templates()).resource_templates:
        reference = ResourceTemplateReference(uri=template.uri_template)
        for variable in ("event_id", "conference_id", "queue_name", "call_control_id", "type", "session", "code"):
            seen.append(await client.complete(reference, {"name": variable, "value": ""}))
    for tool in ("list_conferences", "list_queues", "list_events"):
        seen.append(await client.call_tool(tool, {}))
    return "\n".join(map(str, seen))


async def test_only_the_refusal_names_the_code_of_a_request(era: str, world: World, database: Path) -> None:
    given = asking_about_all(database)
    async with guarded(world, era=era, **given) as other, guarded(world, era=era, **given) as client:
        codes = {
            await pending(other, "update_queue", **LEAVE),
            await pending(client, "delete_queue", queue_name="agents"),
        }
        seen = await everything_readable(client)
    assert not {code for code in codes if code in seen or code.replace("-", "") in seen}


@pytest.mark.parametrize("argument", ["code", "approval", "approve", "approval_code", "request_state", "reason"])
async def test_a_code_among_the_arguments_is_an_argument_that_does_not_exist(world: World, argument: str) -> None:
    async with guarded(world, approval="all") as client:
        code = await pending(client, "update_queue", **LEAVE)
        message = await refusal(client, "update_queue", **LEAVE, **{argument: code})
    assert f"There is no argument '{argument}'" in message
    assert changes(world.sandbox) == []


async def test_calls_that_differ_only_in_their_command_id_share_one_question(world: World) -> None:
    conference = room(world.sandbox)
    async with guarded(world) as client:
        code = await pending(client, "end_conference", conference_id=conference)
        other = await pending(client, "end_conference", conference_id=conference, command_id=code)
    assert other == code
    assert changes(world.sandbox) == []


async def test_the_refusal_says_who_answers_how_and_until_when(world: World, database: Path) -> None:
    clock = Clock(NOON)
    async with guarded(world, clock=clock, **asking_about_all(database)) as client:
        message = await refusal(client, "update_queue", **LEAVE)
    assert f"telnyx-conferencing approvals approve {code_in(message)} --database {url_of(database)}` (or" in message
    assert f"until {NOON + timedelta(minutes=5):%H:%M:%S} UTC" in message
    assert "Only they may" in message
