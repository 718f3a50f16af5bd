"""No recording contains a person whom the server added and who has not heard the announcement."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.client import Client

from support.guarded_server import guarded, room, write_policy
from support.mcp import call
from support.mcp_in_process import World
from telnyx_conferencing.server.sandbox.conference import JoinOptions
from telnyx_conferencing.server.sandbox.recordings import Recording

ANNOUNCE = '[recording]\nconsent = "announce"\nannouncement = "You are recorded."\nlanguage = "en-US"\n'
NUMBER = "+12025550150"

KINDS = (
    *("start", "start", "announce", "announce", "caller", "join", "dial", "start and join"),
    *("stranger", "pause", "resume", "leg", "seconds", "seconds", "stop"),
)
STEPS = st.lists(st.sampled_from(KINDS), min_size=3, max_size=14)


class Observer:
    """The sandbox's own record of who is recorded, and who was announced to."""

    def __init__(self, world: World, conference_id: str) -> None:
        self.world = world
        self.conference = world.sandbox.state.conferences.by_id[conference_id]
        self.strangers: set[str] = set()
        """Who joined by other means than the server."""
        self.gaps: set[str] = set()
        """Those of them who joined while the conference was recorded."""

    def heard(self) -> set[str]:
        """Who has heard speech to its end. Nothing but the announcement is said here."""
        events = [event["data"] for event in self.world.sandbox.events]
        return {
            request["payload"]["call_control_id"] for request in events if request["event_type"] == "call.speak.ended"
        }

    def recorded(self) -> set[str]:
        """Who is recorded now, in the conference or by a recording of a leg in it."""
        rooms = [activity for activity in self.conference.activities if isinstance(activity, Recording)]
        present = dict(self.conference.present)
        of_legs = [
            activity for leg in present.values() for activity in leg.leg.activities if isinstance(activity, Recording)
        ]
        return set(present) if any(activity.status == "recording" for activity in (*rooms, *of_legs)) else set()


async def passes(world: World, seconds: int = 1) -> None:
    for _ in range(seconds):
        await world.sandbox.advance(1)
        await world.settled()


async def act(step: str, client: Client, observer: Observer, caller: str) -> None:
    world, standup = observer.world, observer.conference.id
    state = world.sandbox.state
    in_standup = {"conference_id": standup}
    first = next(iter(state.conferences.by_id[standup].present), caller)
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "start": ("start_recording", {**in_standup, "format": "mp3"}),
        "leg": ("start_call_recording", {"call_control_id": first, "format": "mp3", "channels": "single"}),
        "announce": ("announce_recording", in_standup),
        "caller": ("announce_recording", {"call_control_ids": [caller]}),
        "join": ("join_conference", {**in_standup, "call_control_id": caller}),
        "dial": ("dial", {"to": NUMBER, "conference_config": {"id": standup}}),
        "pause": ("pause_recording", in_standup),
        "resume": ("resume_recording", in_standup),
        "stop": ("stop_call_audio", {"call_control_id": first}),
    }
    if step == "stranger" and not observer.strangers:
        stranger = state.legs.arrive("+12025559099", "+12025550100")
        observer.strangers.add(stranger.call_control_id)
        observer.gaps |= {stranger.call_control_id} if observer.recorded() else set()
        state.conferences.by_id[standup].admit(stranger, JoinOptions())
    elif step == "seconds":
        await passes(world, 3)
    else:
        async with anyio.create_task_group() as at_once:
            for name in step.split(" and "):
                if name in calls:
                    at_once.start_soon(client.call_tool, *calls[name])


async def reported(client: Client) -> set[str]:
    """For whom the server says that it paused a recording."""
    answer = await call(client, "list_events", types=["recording.consent.paused"])
    return {leg for event in answer["events"] for leg in event["payload"]["call_control_ids"]}


async def check(steps: list[str]) -> None:
    world = World()
    standup = room(world.sandbox, people=2)
    caller = world.sandbox.state.legs.arrive("+12025559050", "+12025550100").call_control_id
    observer = Observer(world, standup)
    with TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.toml"
        write_policy(policy, ANNOUNCE)
        async with guarded(world, with_events=True, approval="never", toolsets="all", policy=policy) as client:
            await passes(world)
            await client.call_tool("answer_call", {"call_control_id": caller})
            for step in steps:
                await act(step, client, observer, caller)
                assert observer.recorded() - observer.strangers <= observer.heard(), step
                await passes(world)
                assert observer.recorded() - observer.strangers <= observer.heard(), step
                # Who joined by other means is recorded no longer than until the server has noticed.
                assert observer.recorded() <= observer.heard(), step
            assert observer.gaps <= await reported(client)


@pytest.mark.parametrize("part", range(2))
def test_no_recording_contains_a_person_who_has_not_heard_that_they_are_recorded(part: int) -> None:
    @settings(max_examples=8, deadline=None)
    @given(STEPS)
    def property_holds(steps: list[str]) -> None:
        anyio.run(check, steps)

    property_holds()
