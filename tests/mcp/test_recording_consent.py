"""Recording consent, as an agent meets it: nobody is recorded who has not heard that they are."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import anyio
import pytest
from anyio import to_thread
from mcp.client import Client

from support.command_line import run
from support.guarded_server import changes, guarded, legs_in, room, write_policy
from support.mcp import call, refusal
from support.mcp_in_process import World
from support.webhooks import eventually, url_of
from telnyx_conferencing.server.adapters import call_watch
from telnyx_conferencing.server.sandbox.call_audio import CallPlayback
from telnyx_conferencing.server.sandbox.conference import JoinOptions
from telnyx_conferencing.server.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

ANNOUNCE = (
    '[recording]\nconsent = "announce"\nannouncement = "This call is recorded for training."\nlanguage = "en-US"\n'
)
KEYED = ANNOUNCE.replace('"announce"', '"keyed"') + 'digit = "1"\n'
FILE = '[recording]\nconsent = "announce"\nannouncement_url = "https://cdn.example.com/recorded.mp3"\n'
START: dict[str, Any] = {"format": "mp3"}

Policed = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def policed(world: World, tmp_path: Path) -> Policed:
    """A client of a server with this policy, where nobody is asked."""

    def serve(rules: str, **given: Any) -> AbstractAsyncContextManager[Client]:
        policy = tmp_path / "policy.toml"
        write_policy(policy, rules)
        return guarded(
            world,
            with_events=True,
            **given,
            approval="never",
            toolsets="all",
            policy=policy,
            database=url_of(tmp_path / "events.db"),
        )

    return serve


def recording(world: World, conference_id: str) -> str | None:
    """The sandbox's own record: the status of the conference's recording."""
    found = [
        saved
        for saved in world.sandbox.state.recordings.by_id.values()
        if saved.conference and saved.conference.id == conference_id
    ]
    return found[-1].status if found else None


async def passes(world: World, seconds: int) -> None:
    """Let time pass, and let the server act on what happens meanwhile."""
    for _ in range(seconds):
        await world.sandbox.advance(1)
        await world.settled()


async def until_recording_is(world: World, conference_id: str, state: str) -> None:
    async def is_in_it() -> bool:
        return recording(world, conference_id) == state

    await eventually(is_in_it)
    await world.settled()


async def announced(client: Client, world: World, **whom: Any) -> dict[str, Any]:
    """Play the announcement, until it has ended."""
    answer = await call(client, "announce_recording", **whom)
    await passes(world, 5)
    return answer


async def test_a_conference_is_recorded_only_after_everyone_in_it_has_heard_the_announcement(
    era: str, world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=3)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        refused = await refusal(client, "start_recording", conference_id=standup, **START)
        assert "+12025559000, +12025559001, +12025559002 must have heard that they are recorded first" in refused
        answer = await call(client, "announce_recording", conference_id="Standup")
        assert answer["playing_to"] == legs_in(world, standup)
        await passes(world, 1)
        await refusal(client, "start_recording", conference_id=standup, **START)  # it is still being said
        await passes(world, 4)
        assert (await call(client, "announce_recording", conference_id=standup))["playing_to"] == []
        await call(client, "start_recording", conference_id=standup, **START)
        assert recording(world, standup) == "recording"
        told = await call(client, "list_events", conference_id=standup, types=["recording.consent.*"])
        assert [event["type"] for event in told["events"]].count("recording.consent.heard") == 3


async def test_recording_by_another_tool_needs_the_announcement_too(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    first, second = legs_in(world, standup)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller.call_control_id)
        await announced(client, world, call_control_ids=[first])
        before = changes(world.sandbox)
        on_call = {**START, "channels": "single"}
        await refusal(client, "start_call_recording", call_control_id=caller.call_control_id, **on_call)
        # On a leg of a conference, everyone in it is recorded.
        refused = await refusal(client, "start_call_recording", call_control_id=first, **on_call)
        assert "+12025559001 must have heard" in refused
        await refusal(client, "resume_recording", conference_id=standup)
        assert changes(world.sandbox) == before
        await announced(client, world, call_control_ids=[caller.call_control_id, second])
        await call(client, "start_call_recording", call_control_id=caller.call_control_id, **on_call)
        await call(client, "start_call_recording", call_control_id=first, **on_call)


async def test_an_announcement_that_is_cut_short_was_not_heard(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "announce_recording", conference_id=standup)
        for tool, arguments in (
            ("stop_call_audio", {}),
            ("speak_to_call", {"payload": "Hi", "voice": "female", "language": "en-US", "stop": "all"}),
        ):
            assert "the recording announcement plays" in await refusal(client, tool, call_control_id=leg, **arguments)
        world.sandbox.state.call_audio.queue_of(world.sandbox.state.legs.by_id[leg]).stop_all()
        await passes(world, 5)
        await refusal(client, "start_recording", conference_id=standup, **START)


async def test_an_announcement_without_spaces_that_is_cut_short_was_not_heard(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    japanese = ANNOUNCE.replace("This call is recorded for training.", "この通話は品質向上のため録音されています。")
    async with policed(japanese.replace("en-US", "ja-JP")) as client:
        await passes(world, 1)
        await call(client, "announce_recording", conference_id=standup)
        await passes(world, 1)
        world.sandbox.state.call_audio.queue_of(world.sandbox.state.legs.by_id[leg]).stop_all()
        await passes(world, 5)
        await refusal(client, "start_recording", conference_id=standup, **START)
        await passes(world, 22)
        await call(client, "announce_recording", conference_id=standup)
        await passes(world, 5)
        await call(client, "start_recording", conference_id=standup, **START)


async def test_the_announcement_is_not_stopped_from_the_other_end_of_a_bridge(world: World, policed: Policed) -> None:
    arriving = [world.sandbox.state.legs.arrive(f"+120255590{place}", "+12025550100") for place in (60, 61)]
    first, second = (leg.call_control_id for leg in arriving)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        for leg in first, second:
            await call(client, "answer_call", call_control_id=leg)
        await call(client, "bridge_calls", call_control_id=first, other_call_control_id=second)
        await call(client, "announce_recording", call_control_ids=[first])
        speech = {"call_control_id": second, "payload": "Hi", "voice": "AWS.Polly.Joanna", "stop": "all"}
        for target in "opposite", "both":
            refused = await refusal(client, "speak_to_call", **speech, target_legs=target)
            assert "the recording announcement plays" in refused
        await call(client, "speak_to_call", **speech)


async def test_other_speech_on_the_call_does_not_pass_for_the_announcement(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    speech = {"call_control_id": leg, "voice": "female", "language": "en-US"}
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "speak_to_call", payload="one two three four five six seven eight nine ten", **speech)
        await passes(world, 1)
        await call(client, "announce_recording", conference_id=standup)
        await call(client, "speak_to_call", payload="Hello", **speech)
        await passes(world, 1)
        await refusal(client, "start_recording", conference_id=standup, **START)
        await passes(world, 6)
        await call(client, "start_recording", conference_id=standup, **START)


async def test_with_consent_keyed_each_person_must_also_press_the_key(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    state = world.sandbox.state
    first, second = (state.legs.by_id[leg] for leg in legs_in(world, standup))
    async with policed(KEYED) as client:
        await passes(world, 1)
        state.gathers.press(second, "1")  # before they were asked
        await announced(client, world, conference_id=standup)
        state.gathers.press(first, "1")
        state.gathers.press(second, "2")
        await passes(world, 1)
        refused = await refusal(client, "start_recording", conference_id=standup, **START)
        assert "+12025559001 must have heard it and pressed the key first" in refused
        state.gathers.press(second, "1")
        await passes(world, 1)
        await call(client, "start_recording", conference_id=standup, **START)


# People who join later


async def recorded(client: Client, world: World, standup: str) -> None:
    await passes(world, 1)
    await announced(client, world, conference_id=standup)
    await call(client, "start_recording", conference_id=standup, **START)
    await passes(world, 1)


async def test_people_whom_the_server_adds_hear_it_before_they_join(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        await call(client, "answer_call", call_control_id=caller)
        joining = {"conference_id": standup, "call_control_id": caller}
        assert "+12025559050 must have heard" in await refusal(client, "join_conference", **joining)
        for config in ({"id": standup}, {"conference_name": "Standup"}):
            refused = await refusal(client, "dial", to="+12025550150", conference_config=config)
            assert "dial without conference_config" in refused
        await announced(client, world, call_control_ids=[caller])
        await call(client, "join_conference", **joining)
        await passes(world, 2)
    assert recording(world, standup) == "recording"
    assert "record_pause" not in " ".join(changes(world.sandbox))


async def test_an_announcement_that_telnyx_refuses_is_played_when_it_is_called_again(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=2)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        assert "not answered" in await refusal(client, "announce_recording", call_control_ids=[caller])
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, call_control_ids=[caller])
        await call(client, "join_conference", conference_id=standup, call_control_id=caller)
        notes = await call(client, "list_events", call_control_id=caller, types=["recording.consent.*"])
    kinds = [event["type"].rpartition(".")[2] for event in notes["events"]]
    assert kinds == ["heard", "announced", "failed", "announced"]


async def test_the_announcement_plays_to_the_others_if_it_cannot_be_played_to_one(
    world: World, policed: Policed
) -> None:
    ringing = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        answer = await call(client, "announce_recording", call_control_ids=[ringing, leg])
        assert answer["playing_to"] == [leg]
        assert answer["summary"].endswith("plays to 1 person, and could not be played to 1 person.")
        [failed] = answer["failed"]
        assert failed["call_control_id"] == ringing
        assert "not answered" in failed["why"]


async def test_the_timeline_and_the_archive_show_what_a_person_heard_before_they_joined(
    world: World, policed: Policed, tmp_path: Path
) -> None:
    standup = room(world.sandbox, people=2)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, call_control_ids=[caller])
        await call(client, "join_conference", conference_id=standup, call_control_id=caller)
        await passes(world, 1)
        timeline = await client.read_resource(f"telnyx://conferences/{standup}/timeline")
    archive, database = str(tmp_path / "standup.zip"), url_of(tmp_path / "events.db")
    exported = await to_thread.run_sync(lambda: run("export", standup, "--output", archive, "--database", database))
    verified = await to_thread.run_sync(lambda: run("verify", archive))
    assert (exported.returncode, verified.returncode) == (0, 0), verified.stdout
    with ZipFile(archive) as files:
        for text in (files.read("timeline.md").decode(), str(timeline.contents[0])):
            assert "'+12025559050' heard the recording announcement to its end." in text
            assert text.index("'+12025559050' heard") < text.index("'+12025559050' joined")


async def test_a_recording_does_not_start_while_a_person_is_called_into_the_conference(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=1)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await announced(client, world, conference_id=standup)
        await call(client, "dial", to="+12025550150", conference_config={"id": standup})
        refused = await refusal(client, "start_recording", conference_id=standup, **START)
        assert "+12025550150 will join when they answer" in refused
        await passes(world, 4)
        assert "+12025550150 must have heard" in await refusal(
            client, "start_recording", conference_id=standup, **START
        )


@pytest.mark.parametrize("second", [{"conference_config": {"conference_name": "Other"}}, {}])
async def test_a_second_call_to_the_same_number_does_not_hide_the_first(
    world: World, policed: Policed, second: dict[str, Any]
) -> None:
    standup = room(world.sandbox)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await announced(client, world, conference_id=standup)
        number = "+12025550150"
        await call(client, "dial", to=["+12025550152", number], conference_config={"id": standup})
        again = await call(client, "dial", to=number, **second)
        await call(client, "hangup_call", call_control_id=again["call"]["call_control_id"])
        await passes(world, 1)
        refused = await refusal(client, "start_recording", conference_id=standup, **START)
        assert f"{number} will join when they answer" in refused


async def test_the_policy_applies_to_the_announcement(world: World, policed: Policed) -> None:
    room(world.sandbox, "Standup", people=1)
    other = room(world.sandbox, "Other", people=2)
    rules = '[scope]\nconferences = ["St*"]\n[limits.tool.announce_recording]\nmost_people = 1\ncalls_per_minute = 1\n'
    async with policed(ANNOUNCE + rules) as client:
        await passes(world, 1)
        first, _ = legs_in(world, other)
        assert "would touch 2 people" in await refusal(client, "announce_recording", conference_id=other)
        assert "only conferences named St*" in await refusal(client, "announce_recording", call_control_ids=[first])
        assert changes(world.sandbox) == []
        await call(client, "announce_recording", conference_id="Standup")
        assert "allows 1 call" in await refusal(client, "announce_recording", conference_id="Standup")


async def test_a_queue_announcement_does_not_cut_the_recording_announcement_short(
    world: World, policed: Policed
) -> None:
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller.call_control_id)
        await call(client, "enqueue_call", call_control_id=caller.call_control_id, queue_name="own")
        await call(client, "announce_recording", call_control_ids=[caller.call_control_id])
        await passes(world, 1)
        position = {"queue_name": "own", "voice": "AWS.Polly.Joanna"}
        assert (await call(client, "announce_positions", **position))["skipped"] == [caller.call_control_id]
        await passes(world, 5)
        assert len((await call(client, "announce_positions", **position))["announced"]) == 1


async def test_a_recorded_call_opens_and_joins_no_conference_into_which_a_person_is_called(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, call_control_ids=[caller, *legs_in(world, standup)])
        await call(client, "start_call_recording", call_control_id=caller, channels="single", **START)
        for config, tool, given in (
            ({"conference_name": "New"}, "create_conference", {"name": "New"}),
            ({"id": standup}, "join_conference", {"conference_id": standup}),
        ):
            await call(client, "dial", to="+12025550150", conference_config=config)
            refused = await refusal(client, tool, call_control_id=caller, **given)
            assert "+12025550150 will join when they answer" in refused


async def test_a_recorded_call_gets_no_supervisor_who_has_not_heard_it(world: World, policed: Policed) -> None:
    arriving = [world.sandbox.state.legs.arrive(f"+120255590{place}", "+12025550100") for place in (60, 61)]
    first, second = (leg.call_control_id for leg in arriving)
    async with policed(ANNOUNCE) as client, policed(ANNOUNCE) as other:
        await passes(world, 1)
        for leg in first, second:
            await call(client, "answer_call", call_control_id=leg)
        await call(client, "bridge_calls", call_control_id=first, other_call_control_id=second)
        await announced(client, world, call_control_ids=[first, second])
        await passes(world, 10)  # until then the process that has connected them knows it from its command
        await call(client, "start_call_recording", call_control_id=first, channels="single", **START)
        supervisor = {"to": "+12025550150", "supervise_call_control_id": first, "supervisor_role": "barge"}
        for leg in first, second:
            for process in client, other:
                refused = await refusal(process, "dial", **supervisor | {"supervise_call_control_id": leg})
                assert "a supervisor would be recorded" in refused
        await call(client, "stop_call_recording", call_control_id=first)
        await passes(world, 1)
        await call(client, "dial", **supervisor)


async def test_a_call_has_one_recording_at_a_time(world: World, policed: Policed) -> None:
    """A pause and a stop concern the newest recording only."""
    caller = world.sandbox.state.legs.arrive("+12025559060", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, call_control_ids=[caller])
        record = {"call_control_id": caller, "channels": "single", **START}
        await call(client, "start_call_recording", **record)
        assert "recorded already" in await refusal(client, "start_call_recording", **record)
        await call(client, "stop_call_recording", call_control_id=caller)
        await call(client, "start_call_recording", **record)


async def test_a_call_is_not_recorded_while_it_is_being_transferred(world: World, policed: Policed) -> None:
    caller = world.sandbox.state.legs.arrive("+12025559060", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, call_control_ids=[caller])
        transfer = await call(client, "transfer_call", call_control_id=caller, to="+12025550150")
        record = {"call_control_id": caller, "channels": "single", **START}
        assert "+12025550150 must have heard" in await refusal(client, "start_call_recording", **record)
        assert "+12025550150 must have heard" in await refusal(client, "start_transcription", call_control_id=caller)
        await call(client, "hangup_call", call_control_id=transfer["new_call_control_id"])
        await passes(world, 1)
        await call(client, "start_call_recording", **record)


async def test_a_call_is_recorded_only_after_its_supervisor_has_heard_it(world: World, policed: Policed) -> None:
    arriving = [world.sandbox.state.legs.arrive(f"+120255590{place}", "+12025550100") for place in (60, 61)]
    first, second = (leg.call_control_id for leg in arriving)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        for leg in first, second:
            await call(client, "answer_call", call_control_id=leg)
        await call(client, "bridge_calls", call_control_id=first, other_call_control_id=second)
        await announced(client, world, call_control_ids=[first, second])
        dialled = await call(
            client, "dial", to="+12025550150", supervise_call_control_id=first, supervisor_role="barge"
        )
        await passes(world, 5)
        for leg in first, second:
            record = {"call_control_id": leg, "channels": "single", **START}
            assert "+12025550150 must have heard" in await refusal(client, "start_call_recording", **record)
        await announced(client, world, call_control_ids=[dialled["call"]["call_control_id"]])
        await call(client, "start_call_recording", **record)


async def test_a_supervisor_of_a_call_in_the_conference_counts(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    [first, _] = legs_in(world, standup)
    supervisor = {"to": "+12025550150", "supervise_call_control_id": first, "supervisor_role": "barge"}
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await announced(client, world, conference_id=standup)
        dialled = await call(client, "dial", **supervisor)
        refused = await refusal(client, "start_recording", conference_id=standup, **START)
        assert "+12025550150 must have heard" in refused
        await call(client, "hangup_call", call_control_id=dialled["call"]["call_control_id"])
        await passes(world, 1)
        await call(client, "start_recording", conference_id=standup, **START)
        assert "a supervisor would be recorded" in await refusal(client, "dial", **supervisor)


async def test_another_process_knows_who_is_called_into_the_conference(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    async with policed(ANNOUNCE) as client, policed(ANNOUNCE) as other:
        await passes(world, 1)
        await announced(client, world, conference_id=standup)
        await call(
            client, "dial", to=["+12025550150", "+12025550151"], conference_config={"conference_name": "Standup"}
        )
        refused = await refusal(other, "start_recording", conference_id=standup, **START)
        assert "+12025550150, +12025550151 will join when they answer" in refused
        await passes(world, 4)

        async def have_joined() -> bool:  # the other process reads the store from time to time
            refused = await refusal(other, "start_recording", conference_id=standup, **START)
            return "+12025550150, +12025550151 must have heard" in refused

        await eventually(have_joined)
        await announced(other, world, conference_id=standup)
        await call(other, "start_recording", conference_id=standup, **START)


async def test_of_a_start_and_a_join_at_the_same_moment_one_is_refused(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client, policed(ANNOUNCE) as other:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, conference_id=standup)
        for joining in client, other:
            async with anyio.create_task_group() as calls:
                calls.start_soon(lambda: client.call_tool("start_recording", {"conference_id": standup, **START}))
                join = {"conference_id": standup, "call_control_id": caller}
                calls.start_soon(joining.call_tool, "join_conference", join)
            joined = caller in legs_in(world, standup)
            assert not (joined and recording(world, standup)), "the person who joined is recorded"


async def test_the_recording_pauses_for_the_supervisor_of_a_person_who_joins_by_other_means(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=1)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        await call(client, "answer_call", call_control_id=caller.call_control_id)
        await announced(client, world, call_control_ids=[caller.call_control_id])
        supervisor = {"to": "+12025550150", "supervisor_role": "barge"}
        dialled = await call(client, "dial", **supervisor, supervise_call_control_id=caller.call_control_id)
        world.sandbox.state.conferences.by_id[standup].admit(caller, JoinOptions())
        await passes(world, 1)
        await until_recording_is(world, standup, "paused")
        [paused] = (await call(client, "list_events", types=["recording.consent.paused"]))["events"]
        assert paused["payload"]["call_control_ids"] == [dialled["call"]["call_control_id"]]
        await passes(world, 10)
        await until_recording_is(world, standup, "recording")


async def test_the_recording_pauses_for_a_person_who_joins_by_other_means_and_the_gap_is_reported(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=2)
    state = world.sandbox.state
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        stranger = state.legs.arrive("+12025559050", "+12025550100")
        state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 1)
        await until_recording_is(world, standup, "paused")
        assert "+12025559050 must have heard" in await refusal(client, "resume_recording", conference_id=standup)
        await passes(world, 6)
        await until_recording_is(world, standup, "recording")
        told = (await call(client, "list_events", conference_id=standup, types=["recording.consent.*"]))["events"]
        resumed, heard, announcement, paused = told[:4]
        assert [event["type"].rpartition(".")[2] for event in told[:4]] == ["resumed", "heard", "announced", "paused"]
        assert paused["payload"]["call_control_ids"] == [stranger.call_control_id]
        assert 0 < resumed["payload"]["gap_seconds"] <= 6
        assert heard["call_control_id"] == announcement["call_control_id"] == stranger.call_control_id
        timeline = await client.read_resource(f"telnyx://conferences/{standup}/timeline")
    lines = str(timeline.contents[0])
    assert "The server paused the recording: " in lines
    assert "The server resumed the recording after a gap of" in lines


async def test_a_recording_that_a_call_was_to_pause_in_the_gap_stays_paused(world: World, policed: Policed) -> None:
    """A caller may read out a card number."""
    standup = room(world.sandbox, people=1)
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        stranger = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
        world.sandbox.state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 1)
        await until_recording_is(world, standup, "paused")
        assert "paused already" in await refusal(client, "pause_recording", conference_id="Standup")
        await passes(world, 6)
        assert recording(world, standup) == "paused"
        await call(client, "resume_recording", conference_id=standup)


async def test_two_servers_on_one_store_announce_once_and_the_recording_goes_on(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    state = world.sandbox.state
    async with policed(ANNOUNCE) as client, policed(ANNOUNCE):
        await recorded(client, world, standup)
        stranger = state.legs.arrive("+12025559050", "+12025550100")
        state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 8)
        heard = await call(client, "list_events", call_control_id=stranger.call_control_id)
        assert [event["type"] for event in heard["events"]].count("recording.consent.announced") == 1
    assert recording(world, standup) == "recording"
    assert changes(world.sandbox).count(f"POST /calls/{stranger.call_control_id}/actions/speak") == 1


async def test_a_person_who_joins_in_the_second_in_which_the_recording_starts_is_noticed(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=1)
    state = world.sandbox.state
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await announced(client, world, conference_id=standup)
        async with anyio.create_task_group() as calls:
            calls.start_soon(lambda: client.call_tool("start_recording", {"conference_id": standup, **START}))
            state.conferences.by_id[standup].admit(state.legs.arrive("+12025559050", "+12025550100"), JoinOptions())
        await passes(world, 1)
        assert recording(world, standup) in (None, "paused")


async def test_a_recording_that_paused_for_a_person_goes_on_when_they_have_left(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    state = world.sandbox.state
    async with policed(KEYED) as client:
        for leg in legs_in(world, standup):
            await passes(world, 1)
            await announced(client, world, call_control_ids=[leg])
            state.gathers.press(state.legs.by_id[leg], "1")
        await passes(world, 1)
        await call(client, "start_recording", conference_id=standup, **START)
        stranger = state.legs.arrive("+12025559050", "+12025550100")
        state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 6)
        assert recording(world, standup) == "paused"
        state.legs.person_hangs_up(stranger)
        await passes(world, 2)
    assert recording(world, standup) == "recording"


async def test_a_call_that_is_recorded_is_connected_only_with_people_who_have_heard_it(
    world: World, policed: Policed
) -> None:
    state = world.sandbox.state
    one, other = (state.legs.arrive(f"+1202555906{place}", "+12025550100").call_control_id for place in (0, 1))
    async with policed(ANNOUNCE) as client:
        for leg in (one, other):
            await call(client, "answer_call", call_control_id=leg)
        await announced(client, world, call_control_ids=[one])
        await call(client, "start_call_recording", call_control_id=one, channels="single", **START)
        bridge = {"call_control_id": one, "other_call_control_id": other}
        assert "+12025559061 must have heard" in await refusal(client, "bridge_calls", **bridge)
        assert "this call is recorded" in await refusal(client, "transfer_call", call_control_id=one, to="+12025550150")
        await announced(client, world, call_control_ids=[other])
        await call(client, "bridge_calls", **bridge)


async def test_a_call_that_is_recorded_joins_no_conference_with_people_who_have_not_heard_it(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=2)
    caller = world.sandbox.state.legs.arrive("+12025559060", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, call_control_ids=[caller])
        await call(client, "start_call_recording", call_control_id=caller, channels="single", **START)
        join = {"conference_id": standup, "call_control_id": caller}
        assert "+12025559000, +12025559001 must have heard" in await refusal(client, "join_conference", **join)
        await announced(client, world, conference_id=standup)
        await call(client, "join_conference", **join)


async def test_a_recorded_call_is_connected_with_no_call_whose_supervisor_has_not_heard_it(
    world: World, policed: Policed
) -> None:
    state = world.sandbox.state
    one, other = (state.legs.arrive(f"+1202555906{place}", "+12025550100").call_control_id for place in (0, 1))
    async with policed(ANNOUNCE) as client:
        for leg in (one, other):
            await call(client, "answer_call", call_control_id=leg)
        await announced(client, world, call_control_ids=[one, other])
        supervisor = {"to": "+12025550150", "supervise_call_control_id": other, "supervisor_role": "barge"}
        await call(client, "dial", **supervisor)
        await call(client, "start_call_recording", call_control_id=one, channels="single", **START)
        bridge = {"call_control_id": one, "other_call_control_id": other}
        assert "+12025550150 must have heard" in await refusal(client, "bridge_calls", **bridge)


async def test_a_call_that_another_process_connects_now_counts_with_its_supervisor(
    world: World, policed: Policed
) -> None:
    state = world.sandbox.state
    one, other = (state.legs.arrive(f"+1202555906{place}", "+12025550100").call_control_id for place in (0, 1))
    async with policed(ANNOUNCE) as client, policed(ANNOUNCE) as process:
        for leg in (one, other):
            await call(client, "answer_call", call_control_id=leg)
        await announced(client, world, call_control_ids=[one, other])
        supervisor = {"to": "+12025550150", "supervise_call_control_id": other, "supervisor_role": "barge"}
        await call(client, "dial", **supervisor)
        await passes(world, 5)
        await call(client, "bridge_calls", call_control_id=one, other_call_control_id=other)
        record = {"call_control_id": one, "channels": "single", **START}
        await refusal(process, "start_call_recording", **record)


async def test_a_recorded_call_that_waits_in_a_queue_is_connected_with_nobody_who_has_not_heard_it(
    world: World, policed: Policed
) -> None:
    one, other = (
        world.sandbox.state.legs.arrive(f"+1202555906{digit}", "+12025550100").call_control_id for digit in range(2)
    )
    async with policed(ANNOUNCE) as client:
        for leg in (one, other):
            await call(client, "answer_call", call_control_id=leg)
        await announced(client, world, call_control_ids=[one])
        await call(client, "start_call_recording", call_control_id=one, channels="single", **START)
        await call(client, "enqueue_call", call_control_id=one, queue_name="recorded")
        await passes(world, 1)
        bridge = {"call_control_id": other, "queue_name": "recorded"}
        assert "+12025559061 must have heard" in await refusal(client, "bridge_calls", **bridge)
        await announced(client, world, call_control_ids=[other])
        await call(client, "bridge_calls", **bridge)


@pytest.mark.slow
async def test_a_recording_is_not_forgotten_after_many_other_calls(world: World, policed: Policed) -> None:
    one, other = (
        world.sandbox.state.legs.arrive(f"+1202555906{digit}", "+12025550100").call_control_id for digit in range(2)
    )
    async with policed(ANNOUNCE) as client:
        for leg in (one, other):
            await call(client, "answer_call", call_control_id=leg)
        await announced(client, world, call_control_ids=[one])
        await call(client, "start_call_recording", call_control_id=one, channels="single", **START)
        for _ in range(1_001):
            await call(client, "list_queues")
        bridge = {"call_control_id": one, "other_call_control_id": other}
        assert "+12025559061 must have heard" in await refusal(client, "bridge_calls", **bridge)


@pytest.mark.slow
async def test_a_recording_by_another_process_is_not_forgotten_after_many_other_calls(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=2)
    caller = world.sandbox.state.legs.arrive("+12025559060", "+12025550100").call_control_id
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await call(client, "answer_call", call_control_id=caller)
        await announced(client, world, conference_id=standup)
        await call(client, "start_recording", conference_id=standup, **START)
        for _ in range(1_001):
            await call(client, "list_queues")
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        join = {"conference_id": standup, "call_control_id": caller}
        assert "+12025559060 must have heard" in await refusal(client, "join_conference", **join)


async def test_transcription_needs_the_announcement_too(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    first, second = legs_in(world, standup)
    async with policed(ANNOUNCE) as client:
        await passes(world, 1)
        await announced(client, world, call_control_ids=[first])
        everyone = {"call_control_id": "everyone", "conference_id": standup}
        for whom in (everyone, {"call_control_id": first}, {"call_control_id": second}):
            assert "+12025559001 must have heard" in await refusal(client, "start_transcription", **whom)
        await announced(client, world, call_control_ids=[second])
        await call(client, "start_transcription", **everyone)
        stranger = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
        world.sandbox.state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 2)
    started = [change for change in changes(world.sandbox) if change.endswith("transcription_start")]
    assert len(started) == 2


# Failures and restarts


@pytest.mark.parametrize("failing", ["/participants$", "/record_pause$"])
async def test_a_recording_pauses_for_a_stranger_also_if_telnyx_fails_at_first(
    world: World,
    policed: Policed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: str,
) -> None:
    monkeypatch.setattr(call_watch, "_RETRY_DELAY_S", 0.2)

    async def has_failed() -> bool:
        return "could not be reviewed" in caplog.text

    standup = room(world.sandbox, people=1)
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        world.sandbox.faults.add(Fault("status", path=failing))
        stranger = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
        world.sandbox.state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await world.sandbox.advance(1)
        await eventually(has_failed, pause_s=0.001)
        assert recording(world, standup) == "recording"
        world.sandbox.faults.clear()
        await until_recording_is(world, standup, "paused")
        paused = await call(client, "list_events", types=["recording.consent.paused"])
        [event] = paused["events"]
    assert event["payload"]["call_control_ids"] == [stranger.call_control_id]
    assert event["payload"]["recorded_ms"] >= 1000


async def test_a_stranger_hears_the_announcement_once_while_no_recording_can_be_paused(
    world: World, policed: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_watch, "_RETRY_DELAY_S", 0.01)
    standup = room(world.sandbox, people=1)
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        world.sandbox.faults.add(Fault("status", path="/record_pause$"))
        stranger = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
        world.sandbox.state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await world.sandbox.advance(1)

        async def of_stranger(event_type: str) -> list[dict[str, Any]]:
            found = await call(client, "list_events", types=[event_type], call_control_id=stranger.call_control_id)
            return found["events"]

        await eventually(lambda: of_stranger("recording.consent.heard"))
        assert len(await of_stranger("recording.consent.announced")) == 1


async def test_a_recording_in_which_nobody_heard_the_announcement_pauses_when_a_server_starts_that_needs_consent(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=1)
    async with policed("") as client:
        await call(client, "start_recording", conference_id=standup, **START)
        await passes(world, 1)
    async with policed(ANNOUNCE) as client:
        await call(client, "list_events")  # opens the store
        await until_recording_is(world, standup, "paused")
        await passes(world, 5)
        await until_recording_is(world, standup, "recording")


async def test_a_recording_pauses_when_the_policy_is_edited_to_need_consent(
    world: World, policed: Policed, tmp_path: Path
) -> None:
    standup = room(world.sandbox, people=1)
    async with policed("") as client:
        await call(client, "start_recording", conference_id=standup, **START)
        write_policy(tmp_path / "policy.toml", ANNOUNCE)
        await call(client, "list_conferences")
        await until_recording_is(world, standup, "paused")


async def test_a_dry_run_pauses_and_announces_nothing(world: World, policed: Policed, tmp_path: Path) -> None:
    standup = room(world.sandbox, people=1)
    async with policed("") as client:
        await call(client, "start_recording", conference_id=standup, **START)
    before = changes(world.sandbox)
    async with policed(ANNOUNCE, dry_run=True) as client:
        await call(client, "list_events")  # opens the store
        stranger = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
        world.sandbox.state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 2)
    assert changes(world.sandbox) == before


async def test_a_recording_that_is_saved_late_does_not_keep_the_next_one_paused(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    async with policed(ANNOUNCE) as client:
        await recorded(client, world, standup)
        world.sandbox.faults.add(Fault("lose", event_type="recording.saved"))
        await call(client, "stop_recording", conference_id=standup)
        saved = world.sandbox.events[-1]["data"]
        world.sandbox.faults.clear()
        world.stored.add(saved["id"])
        await call(client, "start_recording", conference_id=standup, **START)
        stranger = world.sandbox.state.legs.arrive("+12025559050", "+12025550100")
        await world.sandbox.advance(1)
        world.sandbox.state.conferences.by_id[standup].admit(stranger, JoinOptions())
        await passes(world, 1)
        await until_recording_is(world, standup, "paused")
        world.sandbox.state.context.emit(saved["event_type"], saved["payload"])
        await passes(world, 5)
        await until_recording_is(world, standup, "recording")


async def test_a_key_that_was_pressed_before_the_announcement_does_not_count_when_its_event_is_late(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    async with policed(KEYED) as client:
        await passes(world, 1)
        world.sandbox.faults.add(Fault("reorder", event_type="dtmf"))
        world.sandbox.state.gathers.press(world.sandbox.state.legs.by_id[leg], "1")
        await world.sandbox.advance(1)
        await announced(client, world, conference_id=standup)
        assert "pressed the key" in await refusal(client, "start_recording", conference_id=standup, **START)


async def test_a_key_that_is_pressed_while_the_announcement_plays_counts_when_it_has_been_heard(
    world: World, policed: Policed
) -> None:
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    async with policed(KEYED) as client:
        await passes(world, 1)
        await call(client, "announce_recording", conference_id=standup)
        await passes(world, 1)
        world.sandbox.state.gathers.press(world.sandbox.state.legs.by_id[leg], "1")
        await passes(world, 1)
        assert "the recording announcement plays" in await refusal(client, "stop_call_audio", call_control_id=leg)
        await refusal(client, "start_recording", conference_id=standup, **START)
        await passes(world, 4)
        await call(client, "start_recording", conference_id=standup, **START)


async def test_the_end_of_another_file_beside_the_announcement_is_not_its_end(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=1)
    [leg] = legs_in(world, standup)
    async with policed(FILE) as client:
        await passes(world, 1)
        await call(client, "announce_recording", conference_id=standup)
        queue = world.sandbox.state.call_audio.queue_of(world.sandbox.state.legs.by_id[leg])
        queue.add(CallPlayback("playback", 1, {"media_url": "https://cdn.example.com/beep.mp3"}, overlay=True))
        await passes(world, 2)
        await refusal(client, "start_recording", conference_id=standup, **START)
        await passes(world, 10)
        await call(client, "start_recording", conference_id=standup, **START)


async def test_without_the_rule_nothing_changes(world: World, policed: Policed) -> None:
    standup = room(world.sandbox, people=2)
    async with policed("") as client:
        await call(client, "start_recording", conference_id=standup, **START)
        assert "no recording announcement" in await refusal(client, "announce_recording", conference_id=standup)
    assert recording(world, standup) == "recording"
