"""Twenty everyday jobs of a call centre, each done through the tools alone. docs/jobs.md has the figures."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.call_centre import (
    AGENT,
    BUSY,
    CALLER,
    EXPERT,
    MACHINE,
    MUSIC,
    SUPERVISOR,
    VOICE,
    CallCentre,
    call_centre,
)

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parents[2] / "docs" / "jobs.md"
HOLD = {**MUSIC, "loop": "infinity"}


async def greet_and_route(at: CallCentre) -> None:
    caller = await at.rings()
    await at.tool("answer_call", call_control_id=caller)
    menu = {"payload": "Welcome. For sales press 1.", "voice": VOICE, "maximum_digits": 1}
    await at.tool("gather_from_call", call_control_id=caller, **menu)
    await at.passes(3)
    await at.presses(caller, "1")
    pressed = await at.until("call.gather.ended", leg=caller)
    assert pressed["payload"]["digits"] == "1"
    await at.tool("enqueue_call", call_control_id=caller, queue_name="sales")
    await at.tool("play_to_call", call_control_id=caller, **HOLD)
    await at.passes(30)
    assert at.world.sandbox.state.queues.by_name["sales"].calls[0].leg is at.leg(caller)


async def queue_with_music(at: CallCentre) -> None:
    caller = await at.answered()
    await at.tool("enqueue_call", call_control_id=caller, queue_name="sales")
    await at.tool("play_to_call", call_control_id=caller, **HOLD)
    await at.passes(120)


async def enqueue_caller(at: CallCentre) -> str:
    """A caller who waits in the queue with music."""
    caller = await at.answered()
    await at.telnyx.post(f"/calls/{caller}/actions/enqueue", {"queue_name": "sales"})
    await at.telnyx.post(f"/calls/{caller}/actions/playback_start", HOLD)
    await at.passes(5)
    at.follow(caller)
    return caller


async def take_the_next(at: CallCentre) -> None:
    caller = await enqueue_caller(at)
    listed = await at.tool("list_queue_calls", queue_name="sales")
    assert listed["calls"][0]["call_control_id"] == caller
    agent = (await at.tool("dial", to=AGENT))["call"]["call_control_id"]
    await at.until("call.answered", "call.hangup", leg=agent)
    await at.tool("stop_call_audio", call_control_id=caller)
    await at.tool("bridge_calls", call_control_id=agent, queue_name="sales")
    place = at.leg(caller).location
    assert getattr(place, "peer", None) is at.leg(agent)


async def caller_and_agent(at: CallCentre) -> tuple[str, str, str]:
    """A caller and an agent in a conference; the third is the conference."""
    caller, agent = await at.answered(), await at.colleague()
    return caller, agent, await at.room(caller, agent)


async def coach(at: CallCentre) -> None:
    _, agent, room = await caller_and_agent(at)
    whisper = {"id": room, "supervisor_role": "whisper", "whisper_call_control_ids": [agent]}
    boss = (await at.tool("dial", to=SUPERVISOR, conference_config=whisper))["call"]["call_control_id"]
    await at.until("conference.participant.joined", "call.hangup", leg=boss)
    assert at.world.sandbox.state.conferences.by_id[room].present[boss].whisper_to == (agent,)


async def barge_in(at: CallCentre) -> None:
    _, _, room = await caller_and_agent(at)
    boss = await at.colleague(SUPERVISOR)
    await at.telnyx.act(room, "join", call_control_id=boss, supervisor_role="monitor")
    await at.tool("list_participants", conference_id=room)
    await at.tool("update_supervisor", conference_id=room, call_control_id=boss, supervisor_role="barge")
    assert not at.world.sandbox.state.conferences.by_id[room].present[boss].muted


async def monitor(at: CallCentre) -> None:
    _, _, room = await caller_and_agent(at)
    config = {"id": room, "supervisor_role": "monitor"}
    boss = (await at.tool("dial", to=SUPERVISOR, conference_config=config))["call"]["call_control_id"]
    await at.until("conference.participant.joined", "call.hangup", leg=boss)
    assert at.world.sandbox.state.conferences.by_id[room].present[boss].muted


async def consult(at: CallCentre) -> tuple[str, str, str, str]:
    """Hold the caller and bring an expert: caller, agent, expert and conference."""
    caller, agent, room = await caller_and_agent(at)
    await at.tool("hold_participants", conference_id=room, call_control_ids=[caller], **MUSIC)
    expert = (await at.tool("dial", to=EXPERT, conference_config={"id": room}))["call"]["call_control_id"]
    await at.until("conference.participant.joined", "call.hangup", leg=expert)
    await at.passes(20)
    return caller, agent, expert, room


async def warm_transfer(at: CallCentre) -> None:
    caller, agent, expert, room = await consult(at)
    await at.tool("unhold_participants", conference_id=room, call_control_ids=[caller])
    await at.tool("leave_conference", conference_id=room, call_control_id=agent)
    assert at.world.sandbox.state.conferences.by_id[room].present.keys() == {caller, expert}
    assert len(at.tools) <= 6


async def consult_and_return(at: CallCentre) -> None:
    caller, agent, expert, room = await consult(at)
    await at.tool("unhold_participants", conference_id=room, call_control_ids=[caller])
    await at.tool("hangup_call", call_control_id=expert)
    assert at.world.sandbox.state.conferences.by_id[room].present.keys() == {caller, agent}
    assert len(at.tools) <= 6


async def transfer_to_busy(at: CallCentre) -> None:
    caller = await at.answered()
    transferred = await at.tool("transfer_call", call_control_id=caller, to=BUSY)
    ended = await at.until("call.bridged", "call.hangup", leg=transferred["new_call_control_id"])
    assert ended["payload"]["hangup_cause"] == "user_busy"
    sorry = {"payload": "Sorry, they are on another call. Please hold.", "voice": VOICE}
    await at.tool("speak_to_call", call_control_id=caller, **sorry)
    await at.tool("enqueue_call", call_control_id=caller, queue_name="sales")
    await at.tool("play_to_call", call_control_id=caller, **HOLD)
    await at.passes(10)


async def call_back(at: CallCentre) -> None:
    leg = await enqueue_caller(at)
    await at.hangs_up(leg)
    at.follow(leg)
    left = await at.tool("list_events", types=["call.dequeued"], queue_name="sales")
    assert left["events"][0]["payload"]["reason"] == "hangup"
    number = (await at.tool("list_events", types=["call.hangup"], call_control_id=leg))["events"][0]["payload"]["from"]
    assert number == CALLER
    await at.tool("may_call", numbers=[number])
    agent = (await at.tool("dial", to=AGENT))["call"]["call_control_id"]
    await at.until("call.answered", "call.hangup", leg=agent)
    caller = (await at.tool("dial", to=number))["call"]["call_control_id"]
    at.watch(caller)
    await at.until("call.answered", "call.hangup", leg=caller)
    await at.tool("bridge_calls", call_control_id=caller, other_call_control_id=agent)
    assert getattr(at.leg(caller).location, "peer", None) is at.leg(agent)


async def call_three(at: CallCentre) -> None:
    numbers = [AGENT, EXPERT, SUPERVISOR]
    await at.tool("may_call", numbers=numbers)
    await at.tool("dial", to=numbers, conference_config={"conference_name": "War room"})
    await at.passes(3)
    await at.tool("list_participants", conference_id="War room")
    [room] = at.world.sandbox.state.conferences.by_id.values()
    assert len(room.present) == 3


async def voicemail(at: CallCentre) -> None:
    caller = await at.rings()
    await at.tool("answer_call", call_control_id=caller)
    greeting = {"payload": "Please leave a message after the beep. It is recorded.", "voice": VOICE}
    await at.tool("speak_to_call", call_control_id=caller, **greeting)
    await at.until("call.speak.ended", "call.hangup", leg=caller)
    message = {"format": "mp3", "channels": "single", "play_beep": True, "max_length": 120}
    await at.tool("start_call_recording", call_control_id=caller, **message)
    await at.passes(12)
    await at.hangs_up(caller)
    await at.until("call.recording.saved", leg=caller)
    saved = await at.tool("list_recordings", filter={"call_control_id": caller})
    assert saved["recordings"][0]["duration_millis"] == 13_000
    assert at.questions <= 1


async def message_on_machine(at: CallCentre) -> None:
    dialled = await at.tool("dial", to=MACHINE, answering_machine_detection="greeting_end")
    callee = dialled["call"]["call_control_id"]
    found = await at.until("call.machine.greeting.ended", "call.hangup", leg=callee)
    assert found["type"] == "call.machine.greeting.ended"
    message = {"payload": "This is Acme about your order. Please call us back.", "voice": VOICE}
    await at.tool("speak_to_call", call_control_id=callee, **message)
    await at.until("call.speak.ended", "call.hangup", leg=callee)
    await at.tool("hangup_call", call_control_id=callee)
    assert not at.leg(callee).is_alive


async def hold_with_announcement(at: CallCentre) -> None:
    caller, _, room = await caller_and_agent(at)
    on_caller = {"conference_id": room, "call_control_ids": [caller]}
    await at.tool("hold_participants", **on_caller, **MUSIC)
    await at.passes(30)
    await at.tool("speak_text", **on_caller, payload="Thank you for waiting. One more minute.", voice=VOICE)
    await at.until("conference.participant.speak.ended", leg=caller)
    await at.passes(20)
    await at.tool("unhold_participants", **on_caller)


async def roll_call(at: CallCentre) -> None:
    caller, agent, room = await caller_and_agent(at)
    await at.telnyx.act(room, "hold", call_control_ids=[caller])
    await at.telnyx.act(room, "mute", call_control_ids=[agent])
    await at.passes(10)
    listed = await at.tool("list_participants", conference_id=room)
    assert f"{CALLER} on hold" in listed["summary"]
    assert f"{AGENT} muted" in listed["summary"]


async def record_with_consent(at: CallCentre) -> None:
    _, agent, room = await caller_and_agent(at)
    announcement = {"payload": "This call is recorded. Please say if you object.", "voice": VOICE}
    await at.tool("speak_text", conference_id=room, call_control_ids=["everyone"], **announcement)
    await at.passes(5)
    await at.tool("start_recording", conference_id=room, format="mp3", play_beep=True)
    await at.passes(20)
    await at.tool("pause_recording", conference_id=room)
    await at.passes(15)
    await at.tool("resume_recording", conference_id=room)
    await at.passes(10)
    await at.tool("stop_recording", conference_id=room)
    [recording] = at.world.sandbox.state.recordings.by_id.values()
    assert recording.view()["duration_millis"] < 40_000
    assert at.leg(agent).is_alive


async def ask_for_pin(at: CallCentre) -> None:
    caller, _, room = await caller_and_agent(at)
    asked = {"payload": "Please key in your PIN.", "voice": VOICE, "maximum_digits": 4, "sensitive": True}
    await at.tool("gather_dtmf", conference_id=room, call_control_id=caller, **asked)
    await at.presses(caller, "4711")
    keyed = await at.until("call.gather.ended", leg=caller)
    assert keyed["payload"]["digits"] == "(4 digits)"


async def abandoned(at: CallCentre) -> None:
    leg = await enqueue_caller(at)
    await at.passes(40)
    await at.hangs_up(leg)
    at.follow(leg)
    left = await at.tool("list_events", types=["call.dequeued"], queue_name="sales")
    assert [event["payload"]["reason"] for event in left["events"]] == ["hangup"]


async def listen_in(at: CallCentre) -> None:
    caller, agent = await at.answered(), await at.colleague()
    await at.bridged(caller, agent)
    supervise = {"supervise_call_control_id": agent, "supervisor_role": "monitor"}
    boss = (await at.tool("dial", to=SUPERVISOR, **supervise))["call"]["call_control_id"]
    await at.until("call.answered", "call.hangup", leg=boss)
    assert getattr(at.leg(boss).location, "role", None) == "monitor"


async def back_to_the_queue(at: CallCentre) -> None:
    caller, _, _ = await caller_and_agent(at)
    await at.tool("update_client_state", call_control_id=caller, client_state="wants a refund; was with +12025550150")
    await at.tool("enqueue_call", call_control_id=caller, queue_name="sales")
    await at.tool("play_to_call", call_control_id=caller, **HOLD)
    await at.passes(10)
    started = at.telnyx.events("call.playback.started")[-1]["payload"]
    assert started["client_state"]


async def summary(at: CallCentre) -> None:
    caller, agent, room = await caller_and_agent(at)
    await at.passes(60)
    await at.hangs_up(caller)
    await at.hangs_up(agent)
    at.follow(caller)
    content = await at.tool("conference_summary", conference_id=room)
    await at.tool("list_recordings", filter={"conference_id": room})
    assert content["conference"]["name"] == "Case"


@dataclass(frozen=True)
class Job:
    """A job of a call centre."""

    number: str
    title: str
    run: Callable[[CallCentre], Awaitable[None]]


JOBS = (
    Job("1", "Answer, greet and route by digit", greet_and_route),
    Job("2", "Queue a caller with hold music", queue_with_music),
    Job("3", "An agent takes the next caller", take_the_next),
    Job("4", "Coach an agent by whisper", coach),
    Job("5", "Barge in", barge_in),
    Job("6", "Monitor", monitor),
    Job("7", "Warm transfer with consultation", warm_transfer),
    Job("7", "The same, and back to the agent", consult_and_return),
    Job("8", "Blind transfer, the target is busy", transfer_to_busy),
    Job("9", "Call back a caller who hung up", call_back),
    Job("10", "Call three numbers into a room", call_three),
    Job("11", "Voicemail", voicemail),
    Job("12", "A message on an answering machine, after its greeting", message_on_machine),
    Job("13", "Hold with music and an announcement", hold_with_announcement),
    Job("14", "Roll call", roll_call),
    Job("15", "Record with consent, pause for a card number", record_with_consent),
    Job("16", "Ask for a PIN with a spoken prompt", ask_for_pin),
    Job("17", "Abandoned calls", abandoned),
    Job("18", "Listen in on a bridged call", listen_in),
    Job("19", "Put a caller back in the queue with a note", back_to_the_queue),
    Job("20", "Summary after a call", summary),
)

_HEAD = """\
# Jobs

Twenty jobs of a call centre, each done on the sandbox with this server's tools only, while a person approves each
question. `--toolsets all` offers all tools in the table. Made by `UPDATE_SNAPSHOTS=1 make test`, which measures the
figures.

*Silence* is the number of seconds in which the caller hears no person, no music and no ringing, on the sandbox's clock,
if the agent takes one second for each tool call. A wait for an event is a tool call too.

| | job | tools, in order | calls | questions | silence |
|---|---|---|---|---|---|
"""


def row(job: Job, at: CallCentre) -> str:
    tools = ", ".join(f"`{tool}`" for tool in at.tools)
    return f"| {job.number} | {job.title} | {tools} | {len(at.tools)} | {at.questions} | {at.silence_s} s |\n"


async def done(job: Job) -> str:
    """Do a job; its row in the document."""
    async with call_centre() as at:
        await job.run(at)
        return row(job, at)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.run.__name__)
async def test_a_job_of_a_call_centre_takes_the_calls_questions_and_silence_that_the_document_says(job: Job) -> None:
    made = await done(job)
    text = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    if os.environ.get("UPDATE_SNAPSHOTS"):
        rows = {line.split("|")[2]: f"{line}\n" for line in text.splitlines() if line.startswith("| ")}
        rows[made.split("|")[2]] = made
        DOCUMENT.write_text(_HEAD + "".join(rows[f" {one.title} "] for one in JOBS if f" {one.title} " in rows))
    assert made in DOCUMENT.read_text(), "run UPDATE_SNAPSHOTS=1 make test"


def test_the_document_has_the_jobs_and_nothing_else() -> None:
    text = DOCUMENT.read_text()
    assert text.startswith(_HEAD)
    assert [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| ")][1:] == [
        job.title for job in JOBS
    ]
