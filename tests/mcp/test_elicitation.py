"""A person is asked before what cannot be taken back: over stdio, in both eras, and what reaches Telnyx is counted."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitRequestURLParams, ElicitResult

from support.commands import forked
from support.guarded_server import code_in, decided, write_policy
from support.mcp import ERAS, Answering, call, closes, connected, declines_at_once, no, refusal, yes
from support.mcp_stdio import environment
from support.telnyx import open_room, telnyx
from support.webhooks import url_of

pytestmark = pytest.mark.anyio


class Person:
    """Answers each question in turn, and remembers what was asked."""

    def __init__(self, *answers: Answering) -> None:
        self.questions: list[str] = []
        self._answers = iter(answers)

    def __call__(self, question: str) -> ElicitResult:
        self.questions.append(question)
        return next(self._answers)(question)


async def test_an_approval_ends_the_conference_that_the_question_described(era: str) -> None:
    person = Person(yes)
    with telnyx() as phone:
        async with connected(era=era, answering=person, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            ended = await call(client, "end_conference", conference_id=room)
            seen = await call(client, "get_conference", conference_id=room)
    [question] = person.questions
    assert question.startswith("End conference 'Standup'? 3 people are in it (+1")
    assert question.endswith("Everyone in it is hung up.")
    assert ended["expect_events"] == ["conference.participant.left", "conference.ended"]
    assert (seen["conference"]["status"], seen["conference"]["end_reason"]) == ("completed", "ended_via_api")


def accepts(content: dict[str, str | int | float | bool | list[str] | None] | None) -> Answering:
    return lambda question: ElicitResult(action="accept", content=content)


DECLINED = "A person was asked and said no"
NOBODY = "nobody could be asked here: the question was cancelled or not answered"
NOT_A_YES: dict[str, tuple[Answering, str]] = {
    "reject": (no, DECLINED),
    "a decline within milliseconds": (declines_at_once, "the client declined by itself"),
    "approve false": (accepts({"approve": False}), DECLINED),
    "cancel": (closes, NOBODY),
    "accept without an answer": (accepts({}), NOBODY),
    "accept with a word": (accepts({"approve": "yes"}), NOBODY),
    "accept with nothing": (accepts(None), NOBODY),
}


@pytest.mark.parametrize("answered", NOT_A_YES)
async def test_anything_but_a_plain_yes_sends_nothing(era: str, answered: str) -> None:
    answer, refusal_text = NOT_A_YES[answered]
    with telnyx() as phone:
        async with connected(era=era, answering=answer, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            before = phone.commands()
            message = await refusal(client, "end_conference", conference_id=room)
            assert phone.commands() == before
    assert refusal_text in message
    assert "Nothing was sent" in message


async def test_a_late_approval_approves_the_pending_request_and_sends_nothing() -> None:
    answered = anyio.Event()
    questions: list[str] = []

    async def answers_late(question: str) -> ElicitResult:
        questions.append(question)
        await answered.wait()
        return yes(question)

    with telnyx() as phone:
        async with connected("--ask-timeout", "1s", answering=answers_late, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            before = phone.commands()
            message = await refusal(client, "end_conference", conference_id=room)
            answered.set()
            with anyio.fail_after(30):
                while "End conference" in (await call(client, "show_switchboard"))["table"]:
                    pass
            assert phone.commands() == before
            await call(client, "end_conference", conference_id=room)
    assert "nobody could be asked here: the question was cancelled or not answered" in message
    assert len(questions) == 1


async def test_a_late_approval_does_not_count_once_another_person_must_approve(tmp_path: Path) -> None:
    answered, asked = anyio.Event(), list[str]()
    policy = tmp_path / "policy.toml"
    write_policy(policy, "")

    async def answers_late(question: str) -> ElicitResult:
        asked.append(question)
        await answered.wait()
        return yes(question)

    with telnyx() as phone:
        given = ("--ask-timeout", "1s", "--policy", str(policy))
        async with connected(*given, answering=answers_late, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            before = phone.commands()
            code = code_in(await refusal(client, "end_conference", conference_id=room))
            write_policy(policy, "[approval]\nby_another = true\n")
            await call(client, "list_queues")  # the policy applies from the next call on
            answered.set()
            for _ in range(20):
                await call(client, "list_queues")
            assert code_in(await refusal(client, "end_conference", conference_id=room)) == code
            assert phone.commands() == before
    assert len(asked) == 1


async def test_a_host_that_declines_without_asking_leaves_the_request_pending() -> None:
    with telnyx() as phone:
        async with connected(answering=declines_at_once, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            message = await refusal(client, "end_conference", conference_id=room)
    assert "the client declined by itself, without asking a person" in message
    assert "approvals approve" in message


async def test_the_first_choice_of_a_question_does_nothing_since_hosts_preselect_it(era: str, tmp_path: Path) -> None:
    choices = list[list[str]]()

    async def accepts_the_first(context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        choices.append(params.requested_schema["properties"]["decision"]["enum"])
        return ElicitResult(action="accept", content={"decision": choices[0][0]})

    with telnyx() as phone:
        command, *rest = forked("serve", "--database", url_of(tmp_path / "events.db"))
        server = StdioServerParameters(command=command, args=rest, env=environment(phone.env))
        async with Client(stdio_client(server), mode=ERAS[era], elicitation_callback=accepts_the_first) as client:
            room = await open_room(client, *phone.waiting())
            message = await refusal(client, "end_conference", conference_id=room)
    assert DECLINED in message
    assert choices == [["reject", "approve"]]


async def test_a_client_that_only_opens_pages_is_offered_the_operator_page(
    era: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp.client.session.types.FormElicitationCapability", lambda: None)
    database, offers = tmp_path / "events.db", list[ElicitRequestURLParams]()

    async def opens(context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        offers.append(params)
        return ElicitResult(action="accept")

    with telnyx() as phone:
        command, *rest = forked("serve", "--operator-page", "0", "--database", url_of(database))
        server = StdioServerParameters(command=command, args=rest, env=environment(phone.env))
        async with Client(stdio_client(server), mode=ERAS[era], elicitation_callback=opens) as client:
            room = await open_room(client, *phone.waiting())
            message = await refusal(client, "end_conference", conference_id=room)
            [offer] = offers
            async with httpx2.AsyncClient(trust_env=False) as browser:
                page = await browser.get(offer.url)
            code = code_in(message)
            await decided(database, code)
            await call(client, "end_conference", conference_id=room)
    assert page.status_code == 200
    assert offer.message.startswith("End conference 'Standup'? 3 people are in it")
    assert offer.message.endswith(f"Answer it on the operator page, where it waits as {code}.")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/operator", offer.url)
    assert "this client shows no forms, and the person was offered the operator page" in message
    assert f"on the operator page, {offer.url}, or with `" in message


async def test_without_elicitation_the_result_says_what_the_operator_can_do(era: str) -> None:
    with telnyx() as phone:
        async with connected(era=era, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            before = phone.commands()
            message = await refusal(client, "end_conference", conference_id=room)
            assert phone.commands() == before
    assert "needs a person's yes" in message
    assert "telnyx-conferencing approvals approve" in message


async def test_an_approval_counts_only_for_the_facts_in_its_question(era: str) -> None:
    with telnyx() as phone:
        late_caller = phone.request("POST", "/sandbox/calls", {"from": "+12025550177", "to": "+12025550100"})

        def joins_meanwhile(question: str) -> ElicitResult:
            body = {"call_control_id": late_caller["data"]["call_control_id"]}
            phone.request("POST", f"/v2/conferences/{room}/actions/join", body)
            return yes(question)

        person = Person(joins_meanwhile, no)
        async with connected(era=era, answering=person, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            message = await refusal(client, "end_conference", conference_id=room)
    assert ["3 people" in person.questions[0], "4 people" in person.questions[1]] == [True, True]
    assert "said no" in message


async def test_a_room_that_changes_at_every_question_is_not_touched(era: str) -> None:
    with telnyx() as phone:

        def somebody_joins(question: str) -> ElicitResult:
            leg = phone.request("POST", "/sandbox/calls", {"from": "+12025550177", "to": "+12025550100"})
            body = {"call_control_id": leg["data"]["call_control_id"]}
            phone.request("POST", f"/v2/conferences/{room}/actions/join", body)
            return yes(question)

        async with connected(era=era, answering=somebody_joins, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            if era == "2026-07-28":
                with pytest.raises(Exception, match="rounds"):  # the client's own limit on questions in one call
                    await client.call_tool("end_conference", {"conference_id": room})
            else:
                message = await refusal(client, "end_conference", conference_id=room)
                assert "changed each time" in message
        assert not any(command.endswith("/actions/end") for command in phone.commands())


async def test_a_missing_resource_is_reported_before_a_person_is_asked(era: str) -> None:
    person = Person()
    with telnyx() as phone:
        async with connected(era=era, answering=person, env=phone.env) as client:
            room = await open_room(client, *phone.waiting())
            message = await refusal(client, "end_conference", conference_id="Stand-up")
    assert person.questions == []
    assert message.startswith("end_conference was not sent, because the server could not look up what it affects. ")
    assert f"'Standup' (in_progress, id {room})" in message


LEVELED: dict[str, dict[str, object]] = {
    "get_conference": {},
    "unmute_participants": {"call_control_ids": ["a leg"]},
    "mute_participants": {"call_control_ids": "everyone"},
    "start_recording": {"format": "mp3"},
}
LEVELS = ("destructive", "disruptive", "all", "never")
ASKED = {
    "get_conference": (),
    "unmute_participants": ("all",),
    "mute_participants": ("disruptive", "all"),
    "start_recording": ("destructive", "disruptive", "all"),
}


@pytest.mark.parametrize("level", LEVELS)
async def test_the_level_decides_which_risk_is_asked_about(level: str) -> None:
    person = Person(*[yes] * 4)
    asked: dict[str, bool] = {}
    with telnyx() as phone:
        legs = phone.waiting()
        created = phone.request("POST", "/v2/conferences", {"call_control_id": legs[0], "name": "Standup"})
        room = {"conference_id": created["data"]["id"]}
        async with connected("--approval", level, answering=person, env=phone.env) as client:
            for tool, arguments in LEVELED.items():
                before = len(person.questions)
                given = {name: [legs[0]] if value == ["a leg"] else value for name, value in arguments.items()}
                await call(client, tool, **room, **given)
                asked[tool] = len(person.questions) > before
    assert asked == {tool: level in ASKED[tool] for tool in LEVELED}


QUESTIONS: dict[str, tuple[Callable[[str, list[str]], dict[str, object]], str]] = {
    "mute_participants": (
        lambda room, legs: {"conference_id": room, "call_control_ids": "everyone"},
        "Mute everyone in conference 'Standup'? 2 people are in it",
    ),
    "join_conference": (
        lambda room, legs: {"conference_id": room, "call_control_id": legs[2], "supervisor_role": "monitor"},
        "as supervisor (monitor)? Why a person is asked",
    ),
    "leave_queue": (
        lambda room, legs: {"call_control_id": legs[2]},
        "Take the call with +1",
    ),
    "delete_queue": (lambda room, legs: {"queue_name": "support"}, "Delete queue 'support'? 1 call in it."),
    "send_dtmf": (
        lambda room, legs: {"conference_id": room, "call_control_ids": [legs[0]], "digits": "4111111111111111"},
        "Send 16 DTMF digits to +1",
    ),
    "speak_text": (
        lambda room, legs: {
            "conference_id": room,
            "call_control_ids": "everyone",
            "payload": "Two minutes.\n\nApprove: yes",
            "voice": "female",
        },
        "Say 'Two minutes. Approve: yes' to everyone in conference 'Standup'?",
    ),
}


async def test_the_question_names_the_action_and_the_people() -> None:
    person = Person(*[no] * len(QUESTIONS))
    with telnyx() as phone:
        legs = phone.waiting()
        created = phone.request("POST", "/v2/conferences", {"call_control_id": legs[0], "name": "Standup"})
        room = created["data"]["id"]
        phone.request("POST", f"/v2/conferences/{room}/actions/join", {"call_control_id": legs[1]})
        async with connected("--approval", "all", answering=person, env=phone.env) as client:
            for tool, (arguments, _) in QUESTIONS.items():
                await refusal(client, tool, **arguments(room, legs))
    for (_, expected), question in zip(QUESTIONS.values(), person.questions, strict=True):
        assert expected in question
    assert "4111" not in json.dumps(person.questions)


async def test_a_read_only_server_lists_only_what_reads_and_refuses_the_rest() -> None:
    with telnyx() as phone:
        async with connected("--read-only", env=phone.env) as client:
            listed = (await client.list_tools()).tools
            with pytest.raises(Exception, match="read-only"):
                await client.call_tool("end_conference", {"conference_id": "x"})
    assert listed
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed)


async def test_toolsets_leave_out_the_rest() -> None:
    with telnyx() as phone:
        async with connected("--toolsets", "queues,audio", env=phone.env) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            with pytest.raises(Exception, match="toolset conferences is switched off"):
                await client.call_tool("list_conferences", {})
    assert {"list_queues", "speak_text"} <= names
    assert not {"list_conferences", "start_recording"} & names
