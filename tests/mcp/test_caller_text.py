"""What callers choose is data: it changes no question, gives no answer, and steers neither person nor terminal."""

import json
import re
from pathlib import Path

import httpx2
import pytest
from mcp_types import ElicitResult, PromptReference

from support.guarded_server import Person, changes, code_in, decided, guarded, room
from support.hostile_text import HOSTILE, unseen
from support.mcp import call, no, refusal, text, yes
from support.mcp_in_process import World
from support.webhooks import url_of
from telnyx_conferencing.server.adapters.sandbox_transport import SandboxTransport
from telnyx_conferencing.server.guard.ledger import NoSuchApproval
from telnyx_conferencing.tools.queues import CreateQueue

pytestmark = pytest.mark.anyio

NAMED = r"'[^'\n]{0,80}'"
WHO = rf"({NAMED}|unknown caller \S+)"
END = re.compile(rf"End conference {NAMED}\? 1 person is in it \({WHO}\)\. Everyone in it is hung up\.")
DELETE = re.compile(
    rf"Delete queue {NAMED}\? 0 calls in it\. Telnyx refuses this while calls wait in it\.( In full: '[^'\n]*'\.)?"
)
TAKE = re.compile(rf"Take the call with {WHO} out of its queue\? .* in queue 'support'\. Its place .* is lost\.")

each_text = pytest.mark.parametrize("chosen", HOSTILE)


@pytest.fixture
def world() -> World:
    return World()


def conference_of(world: World, chosen: str) -> str:
    """A conference with such a name, and such a caller in it."""
    conference = room(world.sandbox, chosen)
    [participant] = world.sandbox.state.conferences.by_id[conference].present.values()
    participant.leg.client_state = chosen
    return conference


class Labelling(SandboxTransport):
    """A Telnyx that lists people with labels, as ours does not."""

    def __init__(self, world: World, label: str) -> None:
        super().__init__(world.sandbox.app)
        self._label = label

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if not request.url.path.endswith("/participants"):
            return response
        listed = json.loads(await response.aread())
        people = [{**person, "label": self._label} for person in listed["data"]]
        return httpx2.Response(response.status_code, json={**listed, "data": people}, request=request)


# What a person is asked


@each_text
async def test_a_question_about_a_conference_keeps_its_form_for_any_names(era: str, world: World, chosen: str) -> None:
    person = Person(no)
    conference = conference_of(world, HOSTILE[chosen])
    labelling = Labelling(world, HOSTILE[chosen])
    async with guarded(world, era=era, answering=person.slowly, transport=labelling) as client:
        message = await refusal(client, "end_conference", conference_id=conference)
    [question] = person.questions
    assert END.fullmatch(question)
    assert unseen(question) == unseen(message) == []
    assert changes(world.sandbox) == []


@each_text
async def test_a_question_that_waits_keeps_its_form_too(world: World, chosen: str) -> None:
    conference = conference_of(world, HOSTILE[chosen])
    async with guarded(world, transport=Labelling(world, HOSTILE[chosen])) as client:
        message = await refusal(client, "end_conference", conference_id=conference)
    assert END.search(message)
    assert unseen(message) == []
    assert message.endswith("Only they may. Then repeat exactly this call.")
    assert changes(world.sandbox) == []


@each_text
async def test_a_question_about_a_queue_keeps_its_form(world: World, chosen: str) -> None:
    name = "".join(letter for letter in HOSTILE[chosen] if letter >= " " and letter != "\x7f")[:200]
    world.sandbox.state.queues.create(CreateQueue.model_construct(queue_name=name))
    person = Person(no)
    async with guarded(world, answering=person.slowly) as client:
        await refusal(client, "delete_queue", queue_name=name)
    [question] = person.questions
    assert DELETE.fullmatch(question)
    assert unseen(question) == []


@each_text
async def test_a_question_about_a_caller_keeps_its_form(world: World, chosen: str) -> None:
    leg = world.sandbox.state.queues.by_name["support"].calls[0].leg
    leg.from_ = HOSTILE[chosen]
    person = Person(no)
    async with guarded(world, answering=person.slowly) as client:
        await refusal(client, "leave_queue", call_control_id=leg.call_control_id)
    [question] = person.questions
    assert TAKE.fullmatch(question)
    assert unseen(question) == []


async def test_arguments_of_the_model_cannot_change_the_form_of_a_question(world: World) -> None:
    person = Person(no)
    conference = room(world.sandbox)
    chosen = {
        "update_supervisor": {
            "call_control_id": "v3:a\u202eb\u200bc",
            "supervisor_role": "whisper",
            "whisper_call_control_ids": ["v3:a\u202eb"],
        },
        "play_audio": {"call_control_ids": ["v3:\u202ea\u200b"], "audio_url": "https://example.com/\u202ea.mp3"},
        "update_participant": {"participant_id": "a\u202eb\u200b", "beep_enabled": "never"},
        "speak_text": {"call_control_ids": "everyone", "payload": "yes\u202e\n\x1b[2Jno\u200b", "voice": "female"},
    }
    async with guarded(world, answering=person.slowly, approval="all") as client:
        for tool, arguments in chosen.items():
            assert unseen(await refusal(client, tool, conference_id=conference, **arguments)) == []
    assert len(person.questions) == len(chosen)
    assert [unseen(question) for question in person.questions] == [[]] * len(chosen)


# What it can bring about


async def test_a_code_made_up_by_a_caller_does_not_exist(world: World, tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    async with guarded(world, database=url_of(database)) as client:
        conference = conference_of(world, HOSTILE["a code"])
        message = await refusal(client, "end_conference", conference_id=conference)
        with pytest.raises(NoSuchApproval):
            await decided(database, "K7QF-2M9X")
        await refusal(client, "end_conference", conference_id=conference)
    assert code_in(message.replace(HOSTILE["a code"], "")) != "K7QF-2M9X"
    assert changes(world.sandbox) == []


async def test_a_model_that_obeys_a_caller_is_stopped_at_each_call(era: str, world: World) -> None:
    rooms = [conference_of(world, f"{HOSTILE['instructions']} {number}") for number in range(5)]

    def only_the_third(question: str) -> ElicitResult:
        return yes(question) if "conference. 2'" in question else no(question)

    person = Person(only_the_third)
    async with guarded(world, era=era, answering=person.slowly) as client:
        for conference in rooms:
            await client.call_tool("end_conference", {"conference_id": conference})
    assert len(person.questions) == len(set(person.questions)) == 5
    assert changes(world.sandbox) == [f"POST /conferences/{rooms[2]}/actions/end"]


async def test_a_model_that_obeys_where_nobody_can_be_asked_sends_nothing(era: str, world: World) -> None:
    rooms = [conference_of(world, f"{HOSTILE['instructions']} {number}") for number in range(5)]
    async with guarded(world, era=era) as client:
        codes = {code_in(await refusal(client, "end_conference", conference_id=conference)) for conference in rooms}
        everything = [("delete_queue", {"queue_name": name}) for name in world.sandbox.state.queues.by_name]
        for tool, arguments in everything:
            codes.add(code_in(await refusal(client, tool, **arguments)))
    assert len(codes) == len(rooms) + len(everything)
    assert changes(world.sandbox) == []


async def test_one_yes_ends_one_conference_of_two_with_the_same_name(era: str, world: World) -> None:
    first, second = conference_of(world, "Standup"), conference_of(world, "Standup")
    answers = iter([yes, no])
    person = Person(lambda question: next(answers)(question))
    async with guarded(world, era=era, answering=person.slowly) as client:
        await call(client, "end_conference", conference_id=first)
        await refusal(client, "end_conference", conference_id=second)
    assert changes(world.sandbox) == [f"POST /conferences/{first}/actions/end"]


@each_text
async def test_what_a_model_reads_in_a_summary_is_quoted_and_on_one_line(world: World, chosen: str) -> None:
    conference = conference_of(world, HOSTILE[chosen])
    async with guarded(world) as client:
        for tool, arguments in {
            "list_conferences": {},
            "get_conference": {"conference_id": conference},
            "list_participants": {"conference_id": conference},
        }.items():
            result = await client.call_tool(tool, arguments)
            assert result.structured_content, text(result)
            assert unseen(result.structured_content["summary"]) == []


async def test_half_a_character_in_json_within_a_text_is_refused_as_a_wrong_value() -> None:
    async with guarded(World()) as client:
        given = {"conference_id": "Standup", "call_control_ids": '["\\ud800"]'}
        assert "call_control_ids" in await refusal(client, "mute_participants", **given)


async def test_with_numbers_masked_no_completion_tells_whether_a_number_begins_with_some_digits(world: World) -> None:
    conference = room(world.sandbox)
    [leg] = world.sandbox.state.conferences.by_id[conference].present
    prompt = PromptReference(type="ref/prompt", name="call_back")
    for is_masked, found in ((False, [leg]), (True, [])):
        async with guarded(world, with_events=True, mask_numbers=is_masked) as client:
            await world.settled()
            completed = await client.complete(ref=prompt, argument={"name": "agent", "value": "+12025559"})
            assert completed.completion.values == found
