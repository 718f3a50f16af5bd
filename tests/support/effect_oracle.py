"""Random sequences of tool calls against the sandbox, and an oracle that finds effects nobody approved.

The oracle knows no list of risky tools. It compares the sandbox before and after each step: who was hung up, which room
ended, who lost a place in a queue, who hears a room without taking part, and what was recorded. Each such effect must
follow from an approved call, or from a state that an approved call set up.
"""

import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult, ElicitResult, TextContent
from pydantic import BaseModel, ValidationError

from support.guarded_server import changes, guarded
from support.mcp_in_process import World
from support.random_policies import RandomPolicy
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger
from telnyx_conferencing.server.sandbox.bridges import BridgeEnd
from telnyx_conferencing.server.sandbox.commands import BridgeCalls, StartCallRecording, StartRecording
from telnyx_conferencing.server.sandbox.conference import Conference, JoinOptions, Participant
from telnyx_conferencing.server.sandbox.legs import Leg
from telnyx_conferencing.server.sandbox.queues import QueuedCall
from telnyx_conferencing.server.sandbox.recordings import Recording
from telnyx_conferencing.server.sandbox.state import SandboxState
from telnyx_conferencing.server.sandbox.supervision import Supervision
from telnyx_conferencing.server.sandbox.transcription import is_transcribed
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.call_recordings import PauseCallRecording, StopCallRecording
from telnyx_conferencing.tools.queues import EnqueueCall

TOOLS: Mapping[str, type[Command]] = {command.tool_name(): command for command in COMMANDS}
KINDS = (
    *(name for name, tool in TOOLS.items() for _ in range(1 if tool.is_read() else 8 if tool.worst_effect else 3)),
    *("advance",) * 20,
    *("arrive",) * 4,
    *("hangs_up",) * 12,
    *("another_application",) * 12,
    *("grant",) * 4,
)
"""What a step may be, the tools whose risk depends on the state most often."""

NUMBERS = ("+12025550150", "+12025550195", "+12025550151", "+12025550100")
"""The second one hangs up after 20 seconds; the last is the account's own, which calls itself."""
ROOMS = ("Refunds", "Second", "Third")
QUEUES = ("support", "fresh", "agents")
AUDIBLE = ("always", "on_enter")
UNHEARD = ("monitor", "whisper")
_PAUSES = (1, 3, 35, 70)

Step = tuple[str, int, bool]
"""A tool or another step, the seed of its arguments, and the operator's answer."""


@dataclass
class Snapshot:
    """The sandbox at one moment."""

    alive: set[str]
    places: dict[str, str]
    """Of each live leg in a queue or conference."""
    present: dict[tuple[str, str], Participant]
    roles: dict[tuple[str, str], str]
    open_rooms: set[str]
    recording: set[str]
    recorded: set[str]
    """Call legs that are recorded by themselves."""
    saved: set[str]
    """Saved recordings."""
    transcribed: set[str]
    """Call legs that are transcribed."""
    kept: set[str]
    """Waiting legs that keep their place when they hang up."""
    ended_in_queue: set[str]
    """Legs that have hung up and keep their place."""
    supervising: dict[str, str]
    """The role of each supervisor of a call outside a conference."""
    supervised: dict[str, str]
    """Of each leg that supervises another: that other leg."""
    looks: dict[str, Any]
    """Of each conference and queue by its name: everything about it that a tool can change."""
    dialled: dict[str, str]
    """The number of each dialled leg."""


@dataclass
class Granted:
    """A grant, counted independently of the server: to hang up these legs in this room."""

    legs: frozenset[str]
    room: str | None
    times: int
    left: int

    def covers(self, leg: str, place: str) -> bool:
        return self.left > 0 and leg in self.legs and self.room in (None, place.removeprefix("conference "))


@dataclass
class Violation(AssertionError):
    """An effect that no approval covers, or outside the policy, with the steps that led to it."""

    kind: str
    """What sort of effect it is, without names."""
    what: str
    steps: list[str]

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {number}. {step}" for number, step in enumerate(self.steps, 1))])


@dataclass
class Oracle:
    """Runs steps and checks each one."""

    world: World
    client: Client
    answers: "Operator"
    policy: RandomPolicy
    store: str
    """The URL of the server's store."""
    steps: list[str] = field(default_factory=list[str])
    approved_hosts: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    approved_limits: set[str] = field(default_factory=set[str])
    """Conferences whose duration was approved."""
    approved_bridges: set[str] = field(default_factory=set[str])
    """Legs in a bridge whose end was approved."""
    left_by_transfer: set[str] = field(default_factory=set[str])
    """Legs that are hung up when an approved transfer of the call that they are connected with is answered."""
    dialled: dict[str, tuple[bool, Mapping[str, Any]]] = field(
        default_factory=dict[str, "tuple[bool, Mapping[str, Any]]"]
    )
    """Per dialled leg: whether the dial was approved, and its arguments with those of conference_config."""
    writes: int = 0
    """Requests that reached Telnyx and were to change something."""
    grants: list[Granted] = field(default_factory=list[Granted])
    granted_leg: str = ""
    """The leg that the call of this step hangs up by a grant."""
    _sent_at: list[float] = field(default_factory=list[float])

    async def run(self, steps: Sequence[Step]) -> None:
        for kind, choice, answer in steps:
            await self._step(kind, random.Random(choice), answer)

    async def _step(self, kind: str, chance: random.Random, answer: bool) -> None:
        await self.world.settled()
        before = self.snapshot()
        self.answers.start(answer)
        self.granted_leg = ""
        if kind == "grant":
            await self._ask_for_grant(chance)
        elif kind in TOOLS:
            arguments = Chooser(self, chance).valid_arguments(TOOLS[kind])
            self.steps.append(f"{kind} {arguments}")
            sent = len(changes(self.world.sandbox))
            result = await self._call(kind, arguments)
            content: Any = result.structured_content
            done = not result.is_error
            self.steps[-1] += f" -> {self._outcome(done)}"
            self._note(kind, arguments, content, before) if done else None
            if done and kind == "hangup_call" and self.answers.given is None and self.policy.asks_destructive:
                self._use_grant(before, arguments["call_control_id"])
            self._check_policy(before, len(changes(self.world.sandbox)) - sent)
            self._check(before, kind, arguments if done else {}, content if done else None)
        else:
            self.steps.append(await self._without_tool(kind, chance))
            if kind == "another_application":
                self.approved_hosts |= self.hosts()
                return
            self._check_dialled_entries(before)
            self._check(before, kind, {}, None)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool without the client's check of the result against its schema, which takes most of the time."""
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        try:
            return await self.client.session.send_request(request, CallToolResult)
        except MCPError as unknown:  # the policy removes the tool
            return CallToolResult(content=[TextContent(type="text", text=str(unknown))], is_error=True)

    def _outcome(self, done: bool) -> str:
        asked = {None: "not asked", True: "approved", False: "declined"}[self.answers.given]
        return f"{'done' if done else 'refused'}, {asked}"

    async def _without_tool(self, kind: str, chance: random.Random) -> str:
        sandbox = self.world.sandbox
        legs, choice = self.legs(), chance.randrange(4096)
        if kind == "advance":
            pause = _PAUSES[choice % len(_PAUSES)]
            await sandbox.advance(pause)
            return f"{pause} s pass"
        if kind == "hangs_up" and legs:
            leg = legs[choice % len(legs)]
            self._hung_up = leg
            sandbox.state.legs.person_hangs_up(sandbox.state.legs.by_id[leg])
            return f"the caller of {leg} hangs up"
        if kind == "another_application" and len(legs) > 1:
            await sandbox.advance(1)  # of two moves at the same time nobody knows which came first
            return self._moved_by_another(chance, *chance.sample(legs, 2))
        leg = sandbox.state.legs.arrive(f"+1202555{8000 + len(self.steps)}", "+12025550100")
        return f"{leg.call_control_id} arrives"

    def _moved_by_another(self, chance: random.Random, leg: str, other: str) -> str:
        """Another application on the account moves a call, or two; what it ends is its own affair."""
        state = self.world.sandbox.state
        if not (state.legs.by_id[leg].is_alive and state.legs.by_id[other].is_alive):
            return "another application does nothing"
        rooms = [room for room in state.conferences.by_id.values() if room.status != "completed"]
        if rooms and chance.random() < 0.5:
            room, is_host = chance.choice(rooms), chance.random() < 0.5
            if leg not in room.present:
                room.admit(state.legs.by_id[leg], JoinOptions(ends_on_exit=is_host))
            return f"another application brings {leg} into {room.name}, host: {is_host}"
        if any(state.legs.by_id[end].answered_at is None for end in (leg, other)) or self._peer(leg) == other:
            return "another application does nothing"
        state.bridges.bridge(BridgeCalls(call_control_id=leg, other_call_control_id=other))
        self.approved_bridges |= {leg, other}
        return f"another application connects {leg} with {other}"

    async def _ask_for_grant(self, chance: random.Random) -> None:
        legs, rooms = self.legs(), self.rooms()
        legs = chance.sample(legs, min(len(legs), 3))
        place = chance.choice(rooms) if rooms and chance.random() < 0.5 else None
        if not legs or any(grant.left for grant in self.grants):
            return  # with one open grant at a time it is certain which one a call uses
        times = chance.randint(1, 2)
        arguments: dict[str, Any] = {"tool": "hangup_call", "limits": {"call_control_id": legs}, "minutes": 240}
        arguments |= {"count": times, **({"conference_id": place} if place else {})}
        result = await self._call("request_grant", arguments)
        self.steps.append(f"request_grant {arguments} -> {self._outcome(not result.is_error)}")
        if not result.is_error:
            if self.answers.given is not True:
                self._fail("unapproved grant", "a grant was made without a person's yes")
            self.grants.append(Granted(frozenset(legs), place, times, times))

    def _use_grant(self, before: Snapshot, leg: str) -> None:
        """Count down the grant that covers this call."""
        covering = [grant for grant in self.grants if grant.covers(leg, before.places.get(leg, ""))]
        if not covering:
            self._fail("hung up", f"{leg} was hung up without a question, and no grant covers it")
        self.granted_leg = leg
        covering[0].left -= 1

    async def check_audit(self) -> None:
        """Every request that was to change something is in the audit, which lists it before it is sent."""
        async with Ledger.open(self.store) as ledger:
            recorded = [record for record in await ledger.newest(1_000) if record.entry["outcome"] == "sends"]
        if len(recorded) < self.writes:
            self._fail("not in the audit", f"{self.writes} requests were sent, and {len(recorded)} are in the audit")

    # What the oracle knows from approved calls

    def _note(self, tool: str, arguments: Mapping[str, Any], content: Any, before: Snapshot) -> None:
        """Note what an approved call sets up. Its question must say what follows later."""
        approved = self.answers.given is True
        config: dict[str, Any] = arguments.get("conference_config") or {}
        given = {**arguments, **config}
        if tool == "dial":
            is_silent = given.get("supervisor_role") in UNHEARD or "supervise_call_control_id" in given
            for leg in self.snapshot().dialled.keys() - before.dialled.keys():
                self.dialled[leg] = (approved, given)
            if approved and is_silent:
                self._require_words("hear")
        if approved and tool == "create_conference":
            self.approved_limits.add(content["conference"]["id"])
            if given.get("duration_minutes"):
                self._require_words("conference end")
        if approved and tool in ("bridge_calls", "transfer_call"):
            leg = arguments["call_control_id"]
            self.approved_bridges |= {leg, arguments.get("other_call_control_id", ""), self._peer(leg)}
            self.left_by_transfer |= {self._peer(leg)} if tool == "transfer_call" else set()
        if approved and (given.get("end_conference_on_exit") or given.get("soft_end_conference_on_exit")):
            self._require_words("conference end")
            if tool != "dial":
                named = arguments.get("call_control_id") or arguments["participant_id"]
                self.approved_hosts.add((self._id(arguments["conference_id"]), self._leg_of(named)))

    def _require_words(self, words: str) -> None:
        if words not in self.answers.question:
            self._fail("set up unnamed", f"the approved question does not say {words!r}: {self.answers.question}")

    def _peer(self, leg: str) -> str:
        location = self.world.sandbox.state.legs.by_id[leg].location
        return location.peer.call_control_id if isinstance(location, BridgeEnd) else ""

    def _id(self, id_or_name: str) -> str:
        """The id of a conference that is given by its id or name."""
        rooms = self.world.sandbox.state.conferences
        return id_or_name if id_or_name in rooms.by_id else getattr(rooms.active_by_name(id_or_name), "id", "")

    def _leg_of(self, named: str) -> str:
        rooms = self.world.sandbox.state.conferences.by_id.values()
        people = (person for room in rooms for person in (*room.present.values(), *room.left))
        legs = (
            person.leg.call_control_id
            for person in people
            if named in (person.id, person.leg.call_control_id, person.leg.label)
        )
        return next(legs, "")

    def _conference(self, conference_id: str) -> Conference:
        return self.world.sandbox.state.conferences.by_id[conference_id]

    # The checks

    def snapshot(self) -> Snapshot:
        state = self.world.sandbox.state
        rooms = list(state.conferences.by_id.values())
        queued = [call for queue in state.queues.by_name.values() for call in queue.calls]
        present = {(room.id, leg): item for room in rooms for leg, item in room.present.items()}
        places: dict[str, str] = {}
        for leg in state.legs.alive():
            match leg.location:
                case QueuedCall():
                    places[leg.call_control_id] = f"queue {leg.location.queue.name}"
                case Participant():
                    places[leg.call_control_id] = f"conference {leg.location.conference.id}"
                case BridgeEnd():
                    places[leg.call_control_id] = "bridge"
                case _:
                    places[leg.call_control_id] = "parked"
        return Snapshot(
            alive={leg.call_control_id for leg in state.legs.alive()},
            places=places,
            present=present,
            roles={key: item.role for key, item in present.items()},
            open_rooms={room.id for room in rooms if room.status != "completed"},
            recording={room.id for room in rooms if _is_recording(room)},
            recorded={leg.call_control_id for leg in state.legs.alive() if _is_recorded(leg)},
            saved={item.id for item in state.recordings.by_id.values() if item.ended_at is not None},
            transcribed={leg.call_control_id for leg in state.legs.alive() if is_transcribed(leg)},
            kept={call.leg.call_control_id for call in queued if call.keep_after_hangup},
            ended_in_queue={call.leg.call_control_id for call in queued if not call.leg.is_alive},
            supervising={
                leg.call_control_id: leg.location.role
                for leg in state.legs.alive()
                if isinstance(leg.location, Supervision)
            },
            supervised={
                leg.call_control_id: leg.location.supervised.call_control_id
                for leg in state.legs.alive()
                if isinstance(leg.location, Supervision)
            },
            looks={f"conference {room.name}": _look(room) for room in rooms if room.status != "completed"}
            | {
                f"queue {name}": (
                    queue.max_size,
                    [(call.leg.call_control_id, call.keep_after_hangup) for call in queue.calls],
                )
                for name, queue in state.queues.by_name.items()
            },
            dialled={leg.call_control_id: leg.to for leg in state.legs.by_id.values() if leg.direction == "outgoing"},
        )

    def _check(self, before: Snapshot, kind: str, arguments: Mapping[str, Any], content: Any) -> None:
        after = self.snapshot()
        if self.answers.level_never:
            return
        self._check_rooms(before, after, kind)
        self._check_hangups(before, after, kind)
        self._check_queues(before, after, kind)
        self._check_entries(before, after, kind, arguments)
        self._check_supervision(before, after, kind)
        self._check_recordings(before, after, kind)
        if content is not None and "download_urls" in str(content) and self.answers.given is not True:
            self._fail("links exposed", "a recording's links were handed out")

    def _check_policy(self, before: Snapshot, sent: int) -> None:
        """Nothing changes by a tool that the policy does not allow, and everything that is sent is counted."""
        after = self.snapshot()
        self.writes += sent
        changed = [
            name
            for name in before.looks.keys() | after.looks.keys()
            if before.looks.get(name) != after.looks.get(name) and not self.policy.allows(name)
        ]
        if changed:
            self._fail("outside the scope", f"{changed} were changed, outside the scope")
        numbers = [to for leg, to in after.dialled.items() if leg not in before.dialled]
        if outside := [number for number in numbers if not self.policy.allows_number(number)]:
            self._fail("outside the scope", f"{outside} were called, outside the scope")
        if sent and self.policy.read_only:
            self._fail("read-only", "a read-only server sent a command")
        if self.policy.calls_per_minute is not None and self.policy.calls_per_minute < self._in_last_minute(sent):
            self._fail("limit", f"more than {self.policy.calls_per_minute} commands were sent in a minute")
        ended = before.alive - after.alive
        if self.policy.most_people is not None and len(ended) > self.policy.most_people:
            self._fail("limit", f"{len(ended)} people were hung up, and the policy allows {self.policy.most_people}")

    def _in_last_minute(self, sent: int) -> int:
        now = self.world.sandbox.clock.now().timestamp()
        self._sent_at = [at for at in self._sent_at if at > now - 60] + [now] * sent
        return len(self._sent_at)

    def _check_dialled_entries(self, before: Snapshot) -> None:
        """Time alone changes much; of what a tool set up earlier, only a dialled leg enters a conference."""
        after = self.snapshot()
        for room_id, leg in after.present.keys() - before.present.keys():
            name = f"conference {self._conference(room_id).name}"
            if leg in after.dialled and not self.policy.allows(name):
                self._fail("outside the scope", f"{self._who(leg)} entered {name}, outside the scope")

    def _check_rooms(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        for room_id in before.open_rooms - after.open_rooms:
            room = self._conference(room_id)
            if room.end_reason == "all_left":
                continue
            if kind in TOOLS:
                self._require("conference ended", f"conference {room.name!r} ended ({room.end_reason})", room.name)
            elif room.end_reason == "host_left":
                host = room.ended_by.call_control_id if room.ended_by else ""
                if (room_id, host) not in self.approved_hosts and not self._entered_as_host(host):
                    self._fail(
                        "conference ended later",
                        f"conference {room.name!r} ended because {host} left, and no approved call made it its host",
                    )
            elif room.end_reason == "time_exceeded" and room_id not in self.approved_limits:
                self._fail("conference ended later", f"conference {room.name!r} ended at a limit that was not approved")

    def _entered_as_host(self, leg: str) -> bool:
        return self.dialled.get(leg, (False, {}))[0]

    def _check_hangups(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        for leg in before.alive - after.alive:
            if before.supervised.get(leg) in before.alive - after.alive:
                continue  # a supervisor's call ends with the call it supervises: the question about the dial says so
            if kind in TOOLS and (leg == self.granted_leg or leg in self.left_by_transfer):
                continue
            if kind in TOOLS:
                # A caller whose first event is still on its way is named by a short id.
                # Who is at the other end of a bridge that another application made is not in any event.
                # The end of a call of the account with itself ends with its other end.
                far = self.world.sandbox.state.legs.by_id[leg].far_leg
                ends = (leg, far.call_control_id if far else "")
                is_bridged = any(before.places.get(end) == "bridge" for end in ends)
                bridged = "|the call that is connected with" if is_bridged else ""
                names = f"{self._who(leg)}|{leg[:14]}{bridged}"
                self._require("hung up", f"{self._who(leg)} was hung up", names, more=True)
            elif kind == "hangs_up" and leg != self._hung_up and before.places.get(leg) == "bridge":
                continue  # the person at the other end hung up
            elif kind == "advance" and before.places.get(leg) == "bridge":
                limited = [call_leg for call_leg in before.alive - after.alive if call_leg != leg]
                by_limit = any(self._ended_by_limit(call_leg) for call_leg in limited)
                if by_limit and leg not in self.approved_bridges and not self._ended_by_limit(leg):
                    self._fail(
                        "hung up later",
                        f"{self._who(leg)} was hung up when the time limit of the call it was bridged with ended",
                    )

    def _ended_by_limit(self, leg: str) -> bool:
        return any(
            event["data"]["event_type"] == "call.hangup"
            and event["data"]["payload"]["call_control_id"] == leg
            and event["data"]["payload"]["hangup_cause"] == "time_limit"
            for event in self.world.sandbox.events
        )

    def _who(self, leg: str) -> str:
        call = self.world.sandbox.state.legs.by_id[leg]
        return call.to if call.direction == "outgoing" else call.from_

    def _check_queues(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        if kind not in TOOLS:
            return  # the caller hung up, or the time that this queue was given is over
        for leg, place in before.places.items():
            now = after.places.get(leg)
            if (
                place.startswith("queue ")
                and now is not None
                and now != place
                and (now == "parked" or now.startswith("queue "))
            ):
                self._require("place lost", f"{self._who(leg)} lost the place in {place}", more=True)
        for leg in before.kept - after.kept:
            if after.places.get(leg) == before.places.get(leg):
                self._require("place lost", f"{self._who(leg)} loses the place when they hang up", self._who(leg))

    def _check_entries(self, before: Snapshot, after: Snapshot, kind: str, arguments: Mapping[str, Any]) -> None:
        for key, participant in after.present.items():
            leg = key[1]
            is_new = key not in before.present or before.present[key] is not participant
            was_silent = not is_new and before.roles[key] in UNHEARD
            if is_new and leg != arguments.get("call_control_id") and self._was_dial_approved(leg):
                continue  # answering the far end of a call of the account with itself lets it enter
            if participant.role in UNHEARD and not was_silent:
                self._check_silent(leg, kind, f"{self._who(leg)} became {participant.role}")
            elif is_new and participant.mute and kind in TOOLS and arguments.get("beep_enabled") not in AUDIBLE:
                self._check_silent(leg, kind, f"{self._who(leg)} entered muted and without a beep")
            elif is_new and participant.mute and kind == "advance":
                approved, config = self.dialled.get(leg, (True, {}))
                if not approved and config.get("beep_enabled") not in AUDIBLE:
                    self._fail("overheard", f"{self._who(leg)} entered muted and without a beep")

    def _was_dial_approved(self, leg: str) -> bool:
        return self.dialled.get(leg, (False, {}))[0]

    def _check_supervision(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        """A supervisor hears a call outside a conference once the dial is answered."""
        for leg in after.supervised.keys() - before.supervised.keys():
            if not self.dialled.get(leg, (False, {}))[0]:
                self._fail("overheard", f"{self._who(leg)} supervises {self._who(after.supervised[leg])}")

        for leg, role in after.supervising.items():
            if kind in TOOLS and role in UNHEARD and before.supervising.get(leg) == "barge":
                self._require("overheard", f"{self._who(leg)} became {role} of a call")

    def _check_silent(self, leg: str, kind: str, what: str) -> None:
        if kind in TOOLS:
            self._require("overheard", what)
        elif kind == "advance" and not self.dialled.get(leg, (False, {}))[0]:
            self._fail("overheard", what)

    def _check_recordings(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        if kind in TOOLS:
            for room_id in after.recording - before.recording:
                self._require(
                    f"conference {self._conference(room_id).name!r} is recorded", self._conference(room_id).name
                )

            for leg in after.recorded - before.recorded:
                self._require("recorded", f"{self._who(leg)} is recorded", f"{self._who(leg)}|{leg[:14]}")
            for leg in after.transcribed - before.transcribed:
                name = f"{self._who(leg)}|{leg[:14]}"
                self._require("transcribed", f"{self._who(leg)} is transcribed", name, more=True)
            for recording_id in before.saved - after.saved:
                self._require("recording deleted", f"recording {recording_id} was deleted", recording_id)

    def _require(self, kind: str, what: str, *names: str, more: bool = False) -> None:
        """The call of this step must have been approved, by a question with these names."""
        if self.answers.given is not True:
            self._fail(kind, what)
        missing = [name for name in names if not any(form in self.answers.question for form in name.split("|"))]
        if missing and not (more and " more" in self.answers.question):
            self._fail(kind, f"{what}, and the approved question does not name {missing}: {self.answers.question}")

    def _fail(self, kind: str, what: str) -> None:
        raise Violation(kind, what, self.steps)

    # Choices

    def legs(self) -> list[str]:
        return [leg.call_control_id for leg in self.world.sandbox.state.legs.alive()]

    def legs_in(self, kind: str, name: str) -> list[str]:
        """The call legs in a conference or queue."""
        state = self.world.sandbox.state
        if kind == "conference_id":
            room = state.conferences.by_id.get(self._id(name))
            return list(room.present) if room is not None else []
        queue = state.queues.by_name.get(name)
        return [call.leg.call_control_id for call in queue.calls] if queue is not None else []

    def hosts(self) -> set[tuple[str, str]]:
        """The legs that end a conference by leaving it, with that conference."""
        present = self.snapshot().present.items()
        return {key for key, person in present if person.ends_on_exit or person.soft_ends_on_exit}

    def rooms(self) -> list[str]:
        return list(self.world.sandbox.state.conferences.by_id)

    _hung_up: str = ""
    """The leg whose caller hung up last."""


def _is_recording(room: Conference) -> bool:
    return any(isinstance(activity, Recording) and activity.paused_at is None for activity in room.activities)


def _is_recorded(leg: Leg) -> bool:
    return any(isinstance(activity, Recording) for activity in leg.activities)


def _look(room: Conference) -> Any:
    """Everything about a conference that a tool can change, but who hears what for how long."""
    people = {
        leg: (
            person.role,
            person.whisper_to,
            person.mute,
            person.held,
            person.ends_on_exit,
            person.soft_ends_on_exit,
            person.beep,
        )
        for leg, person in room.present.items()
    }
    return room.id, room.status, people, [type(activity).__name__ for activity in room.activities]


class Operator:
    """Answers every question of a step with the same yes or no."""

    def __init__(self, *, level_never: bool = False) -> None:
        self.level_never = level_never
        self._answer = False
        self.given: bool | None = None
        """The answer of this step; None when nobody was asked."""
        self.question = ""
        self.asked = 0

    def start(self, answer: bool) -> None:
        self._answer, self.given, self.question = answer, None, ""

    async def __call__(self, question: str) -> ElicitResult:
        self.asked += 1
        self.given, self.question = self._answer, question
        if self._answer:
            return ElicitResult(action="accept", content={"approve": True})
        return ElicitResult(action="decline")


class Chooser:
    """Makes the arguments of a tool from the current state: every field by its name or its type."""

    def __init__(self, oracle: Oracle, chance: random.Random) -> None:
        self._oracle = oracle
        self._chance = chance
        self._fields: frozenset[str] = frozenset()
        self._fitting: list[str] = []
        """The legs on which the tool can have an effect, if few are in such a state."""
        self._near: list[str] = []
        """The legs in the conference or queue that was chosen, if one of these is to be chosen too."""

    def valid_arguments(self, tool: type[Command]) -> dict[str, Any]:
        """Arguments that the tool takes, if a few attempts find some."""
        self._fields = frozenset(tool.model_fields)
        fitting = getattr(self._oracle.snapshot(), _FITTING.get(tool.tool_name(), ""), ())
        self._fitting = sorted(fitting) if self._chance.random() < _NEAR_SHARE else []
        return self._valid(tool)

    def _valid(self, model: type[BaseModel]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for _ in range(_ATTEMPTS):
            self._near = self._fitting
            made = self.arguments(model)
            try:
                model.model_validate(made)
            except ValidationError:
                continue
            break
        return made

    def arguments(self, model: type[BaseModel]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, about in model.model_fields.items():
            # A spoken prompt is never sent as a field: the call waits until it has ended, and this clock stands still.
            if about.exclude and name in ("payload", "voice"):
                continue
            if about.is_required() or self._chance.random() < _SHARES.get(name, _OPTIONAL_SHARE):
                value = self._value(name, about.annotation)
                if value is not None:
                    made[about.alias or name] = value
        return made

    def _value(self, name: str, annotation: Any) -> Any:
        legs = self._near or self._oracle.legs()
        some = self._chance.sample(legs, min(len(legs), 3))
        pools: Mapping[str, Sequence[Any]] = {
            **dict.fromkeys(_LEG_ARGUMENTS, legs),
            "conference_id": [*self._oracle.rooms(), *ROOMS],
            "call_control_ids": ["everyone", some, *([leg] for leg in legs)],
            "whisper_call_control_ids": [[leg] for leg in legs],
            "recording_id": list(self._oracle.world.sandbox.state.recordings.by_id),
        }
        pool = pools.get(name, _VALUES.get(name))
        if pool is not None:
            chosen = self._chance.choice(pool) if pool else None
            brings_in = "start_conference_on_enter" in self._fields
            if name in ("conference_id", "queue_name") and not brings_in and self._chance.random() < _NEAR_SHARE:
                self._near = self._oracle.legs_in(name, str(chosen))
            return chosen
        return None if name.endswith("media_name") else self._by_type(annotation)

    def _by_type(self, annotation: Any) -> Any:
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return self._chance.choice(inner)
        if origin in (Annotated, Union, UnionType):
            return self._by_type(next(kind for kind in inner if kind is not type(None)))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._valid(annotation)
        if annotation is bool:
            return self._chance.random() < _TRUE_SHARE
        return 2 if annotation is int else None


_ATTEMPTS = 8
_NEAR_SHARE = 0.7
_OPTIONAL_SHARE = 0.35
_SHARES = {"conference_config": 0.6, "command_id": 0.1}
_TRUE_SHARE = 0.8
_LEG_ARGUMENTS = ("call_control_id", "other_call_control_id", "supervise_call_control_id", "participant_id")
_FITTING = {
    "switch_supervisor_role": "supervising",
    **dict.fromkeys(("stop_call_recording", "pause_call_recording", "resume_call_recording"), "recorded"),
    "stop_transcription": "transcribed",
    "remove_queue_call": "ended_in_queue",
}
"""The legs in a snapshot that fit a tool, by its name."""
_URL = ("https://example.com/a.mp3",)
_VALUES: Mapping[str, Sequence[Any]] = {
    "queue_name": QUEUES,
    "name": ROOMS,
    "conference_name": ROOMS,
    "to": (*NUMBERS, list(NUMBERS[:2]), list(NUMBERS[2:])),
    "command_id": ("one", "two"),
    "from_display_name": ("Anna",),
    "from_": ("+12025550100",),
    "connection_id": ("sandbox",),
    "time_limit_secs": (30,),
    "max_wait_time_secs": (5,),
    "timeout_secs": (30,),
    "duration_minutes": (1,),
    "digits": ("12",),
    "valid_digits": ("12",),
    "voice": ("female",),
    "payload": ("aGk=",),
    "client_state": ("aGk=",),
    "audio_url": _URL,
    "invalid_audio_url": _URL,
    "hold_audio_url": _URL,
    **dict.fromkeys(("filter", "region", "language", "voice_settings", "page_number"), ()),
}
"""Values of arguments that name nothing in the sandbox; none to leave an argument out."""


def arrange(world: World, chance: random.Random) -> None:
    """A start: conferences, waiting callers, bridged, supervised, recorded and parked calls."""
    state = world.sandbox.state
    place = iter(range(9000, 10_000))

    def caller() -> Leg:
        return state.legs.arrive(f"+1202555{next(place)}", "+12025550100")

    arrange_rooms(state, chance, caller)
    for name in chance.sample(QUEUES, chance.randint(0, 2)):
        state.queues.enqueue(EnqueueCall(call_control_id=caller().call_control_id, queue_name=name))
        kept = caller()
        enqueue = EnqueueCall(call_control_id=kept.call_control_id, queue_name=name, keep_after_hangup=True)
        state.queues.enqueue(enqueue)
        if chance.random() < 0.5:
            state.legs.person_hangs_up(kept)
    if chance.random() < 0.5:
        first, second = caller(), caller()
        bridge = BridgeCalls(call_control_id=first.call_control_id, other_call_control_id=second.call_control_id)
        state.bridges.bridge(bridge)
        if chance.random() < 0.5:
            state.supervisors.supervise(caller(), first, "barge")
    for end in chance.choices(("saved", "running", "paused"), k=chance.randint(0, 2)):
        record(state, caller(), end)
    caller()


def arrange_rooms(state: SandboxState, chance: random.Random, caller: Callable[[], Leg]) -> None:
    """Conferences with hosts and supervisors, some of them recorded."""
    for name in ROOMS[: chance.randint(1, 3)]:
        room = state.conferences.start(caller(), name, JoinOptions())
        for _ in range(chance.randint(0, 3)):
            room.admit(caller(), JoinOptions(mute=chance.random() < 0.2))
        host = chance.choice(list(room.present.values()))
        host.ends_on_exit, host.soft_ends_on_exit = chance.random() < 0.3, chance.random() < 0.2
        if chance.random() < 0.3:
            room.admit(caller(), JoinOptions(role="monitor"))
        if chance.random() < 0.3:
            start = StartRecording(conference_id=room.id, format="mp3", channels="single")
            state.recordings.start(start)


def record(state: SandboxState, leg: Leg, end: str) -> None:
    """A recording of a call: saved, running or paused."""
    state.legs.answer(leg)
    id_ = leg.call_control_id
    state.recordings.start_on_call(StartCallRecording(call_control_id=id_, format="mp3", channels="single"))
    if end == "saved":
        state.recordings.stop_on_call(StopCallRecording(call_control_id=id_))
    elif end == "paused":
        state.recordings.pause_on_call(PauseCallRecording(call_control_id=id_))


@asynccontextmanager
async def oracle(start: int, policy: RandomPolicy | None = None) -> AsyncGenerator[Oracle]:
    """An oracle over a sandbox with a random start, and a server on it. `start`: the seed of the arrangement."""
    policy = policy or RandomPolicy()
    with TemporaryDirectory() as home:
        world = World()
        store = url_of(Path(home) / "store.db")
        given: dict[str, Any] = {"database": store}
        if policy.text:
            given["policy"] = Path(home) / "policy.toml"
            given["policy"].write_text(policy.text)
        operator = Operator(level_never=policy.level == "never")
        async with guarded(
            world, answering=operator, with_events=True, clock=world.sandbox.clock.now, approval=None, **given
        ) as client:
            arrange(world, random.Random(start))
            await world.settled()
            checked = Oracle(world, client, operator, policy, store)
            checked.approved_hosts = checked.hosts()
            yield checked
