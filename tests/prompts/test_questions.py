"""The approval question of each tool, from prompts/questions, names everything that matters."""

import os
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from mcp.client import Client

from support.examples import (
    AWKWARD_QUEUE,
    CALL,
    COMMAND_OF,
    CONFERENCE_ID,
    EXAMPLES,
    LEGS,
    OTHER_CALL,
    PARTICIPANT_ID,
    Example,
)
from support.guarded_server import guarded, room
from support.mcp import call
from support.mcp_in_process import World
from support.webhooks import url_of
from telnyx_conferencing.prompts.questions import tools
from telnyx_conferencing.server.sandbox.commands import StartCallRecording
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.call_recordings import StopCallRecording
from telnyx_conferencing.tools.queues import CreateQueue, EnqueueCall

FILES = sorted((Path(__file__).parents[2] / "prompts" / "questions").glob("*.md"))
SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "questions.md"
WRITES = [example for example in EXAMPLES if not COMMAND_OF[example.tool].is_read()]

UNDECIDED = frozenset(
    {"sensitive", "region", "command_id", "client_state", "gather_id"}  # where and by what name Telnyx keeps something
    | {"voice", "language", "voice_settings", "payload_type"}  # how words sound that are shown in full
    | {"beep_enabled", "comfort_noise", "duration_millis"}  # tones
    | {"maximum_tries", "valid_digits", "terminating_digit", "stop_playback_on_dtmf"}  # how keys are waited for
    | {"timeout_millis", "initial_timeout_millis", "inter_digit_timeout_millis"}
    | {"answering_machine_detection", "prevent_double_bridge"}  # what Telnyx looks out for
    | {"early_media"}  # whether ringing is heard
)
"""Arguments on which no person decides: a question leaves them out."""

OTHERWISE: Mapping[str, Any] = {
    "name": "Other",
    "queue_name": "agents",
    "payload": "Other words",
    "digits": "1",
    "max_size": 3,
    "format": "wav",
    "supervisor_role": "monitor",
    "role": "monitor",
    "channels": "dual",
    "recording_id": "another",
    "participant_id": "Ben",
    "audio_url": "https://example.com/other.wav",
    "call_control_ids": [CALL],
    "whisper_call_control_ids": [CALL],
    "media_name": "other music",
    "cause": "NOT_FOUND",
    "to": "+12025550163",
    "from": "+12025550164",
    "connection_id": "another",
    "from_display_name": "Another",
    "conference_config": {"conference_name": "Other"},
    "other_call_control_id": "v3:another",
    "supervise_call_control_id": "v3:another",
    "timeout_secs": 7,
    "time_limit_secs": 70,
}
"""Another value of an argument that must be given."""


class Scene:
    """A conference and queues in which the call legs of the examples really are."""

    def __init__(self) -> None:
        self.world = World()
        sandbox = self.world.sandbox
        self.conference_id = room(sandbox, people=3)
        people = list(sandbox.state.conferences.by_id[self.conference_id].present.values())
        people[1].mute = people[1].held = True
        queues = sandbox.state.queues
        queues.create(CreateQueue(queue_name=AWKWARD_QUEUE))
        other = sandbox.state.legs.arrive("+12025550155", "+12025550100").call_control_id
        queues.enqueue(EnqueueCall(call_control_id=other, queue_name=AWKWARD_QUEUE))
        waiting = queues.by_name["support"].calls[0].leg.call_control_id
        recordings = sandbox.state.recordings
        recordings.start_on_call(StartCallRecording(call_control_id=other, format="mp3", channels="single"))
        recordings.stop_on_call(StopCallRecording(call_control_id=other))
        (self._saved,) = recordings.by_id
        self._in_room = {CALL: people[0].leg.call_control_id, OTHER_CALL: people[1].leg.call_control_id}
        self._in_queue = {CALL: waiting, OTHER_CALL: other}

    def arguments(self, tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The same, with ids that exist here."""
        legs = self._in_queue if COMMAND_OF[tool].toolset() == "queues" else self._in_room
        if "recording_id" in COMMAND_OF[tool].route.parameters:
            legs = {PARTICIPANT_ID: self._saved, **legs}
        ids = {CONFERENCE_ID: self.conference_id, **legs}

        def here(value: Any) -> Any:
            match value:
                case dict():
                    return {name: here(item) for name, item in cast("dict[str, Any]", value).items()}
                case list():
                    return [here(item) for item in cast("list[Any]", value)]
                case _:
                    return ids.get(value, value)

        return here(dict(given))

    async def question(self, client: Client, tool: str, given: Mapping[str, Any]) -> str:
        """What a person would be asked."""
        answer = await call(client, tool, **self.arguments(tool, given))
        return answer["would_send"]["asks_first"]

    async def accepted(self, client: Client, tool: str, given: Mapping[str, Any]) -> str | None:
        """The same; None for arguments that are refused."""
        result = await client.call_tool(tool, self.arguments(tool, given))
        content: Any = result.structured_content
        return None if result.is_error else content["would_send"]["asks_first"]


@asynccontextmanager
async def dry_running(scene: Scene) -> AsyncGenerator[Client]:
    """A client of a server that sends nothing and says what it would ask about every write."""
    with TemporaryDirectory() as home:
        shared: dict[str, Any] = {"database": url_of(Path(home) / "events.db"), "with_events": True}
        async with guarded(scene.world, approval="never", **shared) as client:
            await call(client, "start_recording", conference_id=scene.conference_id, format="mp3")
        async with guarded(scene.world, approval="all", dry_run=True, **shared) as client:
            await call(client, "list_events")  # opens the store
            yield client


def test_every_write_has_its_question_and_no_other_tool_has() -> None:
    others = ["announce_positions", "get_recording", "request_grant"]
    assert tools() == sorted([*(command.tool_name() for command in COMMANDS if not command.is_read()), *others])


def test_no_sentence_occurs_in_two_questions() -> None:
    lines = [line for path in FILES for line in path.read_text().splitlines()]
    prose = [line for line in lines if re.search(r"[a-z]{3} [a-z]{2}", re.sub(r"{%.*?%}|{{.*?}}", "", line))]
    assert [line for line in prose if prose.count(line) > 1] == []


@pytest.mark.anyio
async def test_the_questions_are_those_that_were_reviewed() -> None:
    scene = Scene()
    parts = ["# What a person is asked", _HOW]
    async with dry_running(scene) as client:
        for example in WRITES:
            asked = [await scene.question(client, example.tool, given) for _, given in example.variants()]
            parts += [f"## {example.tool}", *(f"> {question}" for question in dict.fromkeys(asked))]
    asked_text = "\n\n".join(parts) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(asked_text)
    assert SNAPSHOT.read_text() == asked_text, "run UPDATE_SNAPSHOTS=1 make test"


_HOW = """\
The questions of `prompts/questions` as a person reads them, about the calls of `tests/support/examples.py`: first with
the arguments that must be given, then with all of them."""


FITS = 220
"""Characters that Claude Code shows of a long question in 80 columns: three lines."""


def decisive(example: Example) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Each argument on which a person decides, with pairs of calls that differ in it; some of these are refused."""
    for given in (example.minimal, *example.full):
        for name in given.keys() - UNDECIDED:
            without = {key: value for key, value in given.items() if key != name}
            other = not given[name] if isinstance(given[name], bool) else OTHERWISE.get(name, given[name])
            yield name, given, without
            yield name, given, {**without, name: other}
            yield name, example.minimal, {**example.minimal, name: given[name]}


@pytest.mark.anyio
@pytest.mark.parametrize("example", WRITES, ids=lambda example: example.tool)
async def test_a_question_names_each_argument_on_which_a_person_decides(example: Example) -> None:
    scene = Scene()
    wanted: set[str] = set()
    named: set[str] = set()
    async with dry_running(scene) as client:
        for name, *calls in decisive(example):
            one, other = [await scene.accepted(client, example.tool, given) for given in calls]
            wanted.add(name)
            if one and ((other and one != other) or f"'{calls[0].get(name)}'" in one or name in _FOUND_OUT):
                named.add(name)
    assert wanted - named == set()


_FOUND_OUT = ("conference_id", "call_control_id", "other_call_control_id", "recording_id")
"""Said by what was found out about them: the name of a conference, the number of a waiting call. See the snapshot."""


async def question_of(tool: str, **given: Any) -> str:
    scene = Scene()
    async with dry_running(scene) as client:
        return await scene.question(client, tool, given)


@pytest.mark.anyio
async def test_only_a_question_about_a_silent_supervisor_says_that_people_are_overheard() -> None:
    seen = {"conference_id": CONFERENCE_ID, "call_control_id": CALL}
    overheard = "The people in it do not know that they are overheard."
    assert overheard in await question_of("join_conference", **seen, supervisor_role="monitor")
    assert overheard not in await question_of("join_conference", **seen)


@pytest.mark.anyio
async def test_a_question_names_the_people_it_is_about() -> None:
    question = await question_of("mute_participants", conference_id=CONFERENCE_ID, call_control_ids=LEGS)
    assert question.startswith(
        "Mute +12025559000, +12025559001 in conference 'Standup'? 3 people are in it (+12025559000, "
    )
    assert "+12025559001 [muted, on hold]" in question


LONG_TEXT = "Please stay on the line. " * 12


@pytest.mark.anyio
async def test_a_long_text_stands_in_full_at_the_end_of_its_question() -> None:
    spoken = {"conference_id": CONFERENCE_ID, "call_control_ids": "everyone", "payload": LONG_TEXT, "voice": "female"}
    question = await question_of("speak_text", **spoken)
    assert re.match(r"Say 'Please stay [^']*…' to everyone in conference 'Standup'\? 3 people are in it", question)
    assert len(question.partition(" In full: ")[0]) < FITS
    assert question.endswith(f" In full: '{LONG_TEXT.strip()}'.")


@pytest.mark.anyio
async def test_many_numbers_are_listed_in_full_at_the_end_of_their_question() -> None:
    numbers = [f"+120255501{number:02}" for number in range(20)]
    question = await question_of("dial", to=numbers)
    assert question.startswith("Call 20 numbers ('+12025550100', '+12025550101', ")
    assert question.index("'+12025550104' and 15 more)") < FITS
    assert question.endswith(f"It calls {', '.join(map(repr, numbers))}.")


@pytest.mark.anyio
async def test_why_a_person_is_asked_follows_the_question_itself() -> None:
    given = {"conference_id": CONFERENCE_ID, "call_control_id": CALL, "supervisor_role": "monitor"}
    question = await question_of("join_conference", **given, end_conference_on_exit=True)
    asked, _, rest = question.partition("? ")
    assert asked.endswith("as supervisor (monitor)")
    assert rest.startswith("Why a person is asked (destructive): this makes the conference end and hangs up everyone")
