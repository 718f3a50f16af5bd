"""Random sequences of tool calls against the sandbox, and an oracle that finds effects nobody approved.

The oracle knows no list of risky tools. It compares the sandbox before and after each step: who was hung up, which room
ended, who lost a place in a queue, who hears a room without taking part, and what was recorded. Each such effect must
follow from an approved call, or from a state that an approved call set up.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from mcp.client import Client
from mcp_types import ElicitResult
from pydantic import BaseModel

from support.guarded_server import guarded
from support.mcp_in_process import World
from telnyx_conferencing.server.sandbox.calls import BridgeEnd, Supervision
from telnyx_conferencing.server.sandbox.conference import Conference, JoinOptions, Participant
from telnyx_conferencing.server.sandbox.legs import Leg
from telnyx_conferencing.server.sandbox.queues import QueuedCall
from telnyx_conferencing.server.sandbox.recordings import Recording
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.call_recordings import DeleteRecording

TOOLS: Mapping[str, type[Command]] = {command.tool_name(): command for command in COMMANDS}
OTHER_STEPS = ("advance", "arrive", "hangs_up", "grant")
"""What happens beside Telnyx's tools: time passes, a caller calls, a caller hangs up, the agent asks for a grant."""

NUMBERS = ("+12025550150", "+12025550195", "+12025550151")
"""The second one hangs up after 20 seconds."""
AUDIBLE = ("always", "on_enter")
_PAUSES = (1, 3, 25, 70)

Step = tuple[str, int, int, bool]
"""A tool or another step, a choice of arguments, which optional arguments are given, and the operator's answer."""


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
    supervising: Mapping[str, str]
    """The role of each supervisor of a call outside a conference."""
    hosts: set[tuple[str, str]]


@dataclass
class Granted:
    """What a person has allowed beforehand, counted a second time: hanging up these legs in this room."""

    legs: frozenset[str]
    room: str | None
    left: int

    def covers(self, leg: str, place: str) -> bool:
        return self.left > 0 and leg in self.legs and self.room in (None, place.removeprefix("conference "))


@dataclass
class Violation(AssertionError):
    """An effect that no approval covers, with the steps that led to it."""

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
    scoped: bool = False
    """Whether the policy allows the conference "Second" and the queue "fresh" only."""
    steps: list[str] = field(default_factory=list[str])
    approved_hosts: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    approved_limits: set[str] = field(default_factory=set[str])
    """Conferences whose duration was approved."""
    approved_bridges: set[str] = field(default_factory=set[str])
    """Legs in a bridge whose end was approved."""
    approved_entries: int = 0
    """Dials whose silent or hosting entry was approved; the leg joins when it answers."""
    dialled: dict[str, tuple[bool, Mapping[str, Any]]] = field(
        default_factory=dict[str, "tuple[bool, Mapping[str, Any]]"]
    )
    """Per number: whether the dial was approved, and its conference_config."""
    checked: int = 0
    grants: list[Granted] = field(default_factory=list[Granted])
    granted_leg: str = ""
    """The leg that the call of this step hangs up by a grant."""

    async def run(self, steps: Sequence[Step]) -> None:
        for kind, choice, mask, answer in steps:
            await self._step(kind, choice, mask, answer)

    async def _step(self, kind: str, choice: int, mask: int, answer: bool) -> None:
        before = self.snapshot()
        self.answers.start(answer)
        self.granted_leg = ""
        if kind == "grant":
            await self._ask_for_grant(choice, mask)
        elif kind in TOOLS:
            arguments = Chooser(self, choice, mask).arguments(TOOLS[kind])
            self.steps.append(f"{kind} {arguments}")
            result = await self.client.call_tool(kind, arguments)
            content: Any = result.structured_content
            done = not result.is_error
            self.steps[-1] += f" -> {self._outcome(done)}"
            self._note(kind, arguments, content) if done else None
            if done and kind == "hangup_call" and self.answers.given is None and not self.answers.level_never:
                self._use_grant(before, arguments["call_control_id"])
            self._check(before, kind, arguments if done else {}, content if done else None)
        else:
            self.steps.append(await self._without_tool(kind, choice))
            self._check(before, kind, {}, None)

    def _outcome(self, done: bool) -> str:
        asked = {None: "not asked", True: "approved", False: "declined"}[self.answers.given]
        return f"{'done' if done else 'refused'}, {asked}"

    async def _without_tool(self, kind: str, choice: int) -> str:
        sandbox = self.world.sandbox
        legs = self.legs()
        if kind == "advance":
            pause = _PAUSES[choice % len(_PAUSES)]
            await sandbox.advance(pause)
            return f"{pause} s pass"
        if kind == "hangs_up" and legs:
            leg = legs[choice % len(legs)]
            self._hung_up = leg
            sandbox.state.legs.person_hangs_up(sandbox.state.legs.by_id[leg])
            return f"the caller of {leg} hangs up"
        leg = sandbox.state.legs.arrive(f"+1202555{8000 + len(self.steps)}", "+12025550100")
        return f"{leg.call_control_id} arrives"

    async def _ask_for_grant(self, choice: int, mask: int) -> None:
        legs, rooms = self.legs()[choice % 3 :: 3], self.rooms()
        place = rooms[choice % len(rooms)] if mask & 1 and rooms else None
        if not legs or any(one.left for one in self.grants):
            return  # with one open grant at a time it is certain which one a call uses
        arguments: dict[str, Any] = {"tool": "hangup_call", "limits": {"call_control_id": legs}, "minutes": 240}
        arguments |= {"count": 1 + mask % 2, **({"conference_id": place} if place else {})}
        result = await self.client.call_tool("request_grant", arguments)
        self.steps.append(f"request_grant {arguments} -> {self._outcome(not result.is_error)}")
        if not result.is_error:
            if self.answers.given is not True:
                self._fail("a grant was made without a person's yes")
            self.grants.append(Granted(frozenset(legs), place, 1 + mask % 2))

    def _use_grant(self, before: Snapshot, leg: str) -> None:
        """Count down the grant that covers this call."""
        covering = [one for one in self.grants if one.covers(leg, before.places.get(leg, ""))]
        if not covering:
            self._fail(f"{leg} was hung up without a question, and no grant covers it")
        self.granted_leg = leg
        covering[0].left -= 1

    # What the oracle knows from approved calls

    def _note(self, tool: str, arguments: Mapping[str, Any], content: Any) -> None:
        approved = self.answers.given is True
        config: dict[str, Any] = arguments.get("conference_config") or {}
        if tool == "dial":
            for number in [str(arguments["to"])]:
                was = self.dialled.get(number, (True, {}))[0]
                self.dialled[number] = (approved and was, dict(config))
        if approved and tool == "create_conference":
            self.approved_limits.add(content["conference"]["id"])
        if approved and tool == "bridge_calls":
            self.approved_bridges |= {arguments["call_control_id"], arguments.get("other_call_control_id", "")}
        sets_end = arguments.get("end_conference_on_exit") or arguments.get("soft_end_conference_on_exit")
        if approved and sets_end:
            leg = arguments.get("call_control_id") or self._leg_of(
                arguments["conference_id"], arguments["participant_id"]
            )
            self.approved_hosts.add((arguments["conference_id"], leg))

    def _leg_of(self, conference_id: str, named: str) -> str:
        for participant in self._conference(conference_id).present.values():
            if named in (participant.id, participant.leg.call_control_id, participant.leg.label):
                return participant.leg.call_control_id
        return ""

    def _conference(self, conference_id: str) -> Conference:
        return self.world.sandbox.state.conferences.by_id[conference_id]

    # The checks

    def snapshot(self) -> Snapshot:
        state = self.world.sandbox.state
        rooms = list(state.conferences.by_id.values())
        present = {(room.id, leg): one for room in rooms for leg, one in room.present.items()}
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
            roles={key: one.role for key, one in present.items()},
            open_rooms={room.id for room in rooms if room.status != "completed"},
            recording={room.id for room in rooms if _is_recording(room)},
            recorded={leg.call_control_id for leg in state.legs.alive() if _is_recorded(leg)},
            saved={one.id for one in state.recordings.by_id.values() if one.ended_at is not None},
            supervising={
                leg.call_control_id: leg.location.role
                for leg in state.legs.alive()
                if isinstance(leg.location, Supervision)
            },
            hosts={key for key, one in present.items() if one.ends_on_exit or one.soft_ends_on_exit},
        )

    def _check(self, before: Snapshot, kind: str, arguments: Mapping[str, Any], content: Any) -> None:
        after = self.snapshot()
        self.checked += 1
        if self.scoped and kind in TOOLS:
            self._check_scope(before, after)
        if self.answers.level_never:
            return
        self._check_rooms(before, after, kind)
        self._check_hangups(before, after, kind)
        self._check_queues(before, after, kind)
        self._check_entries(before, after, kind, arguments)
        self._check_recordings(before, after, kind)
        self._check_supervisors(before, after, kind)
        if content is not None and "download_urls" in str(content) and self.answers.given is not True:
            self._fail("a recording's links were handed out")

    def _check_scope(self, before: Snapshot, after: Snapshot) -> None:
        """With a scope of the conference "Second" and the queue "fresh", nothing else changes by a tool."""
        outside = [leg for leg, place in before.places.items() if self._is_outside(place)]
        moved = [leg for leg in outside if after.places.get(leg) != before.places[leg]]
        entered = [leg for leg, place in after.places.items() if self._is_outside(place) and leg not in outside]
        if moved or entered:
            self._fail(f"{[self._who(leg) for leg in (*moved, *entered)]} were touched, outside the scope")

    def _is_outside(self, place: str) -> bool:
        kind, _, name = place.partition(" ")
        if kind == "queue":
            return name != "fresh"
        return kind == "conference" and self._conference(name).name != "Second"

    def _check_rooms(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        for room_id in before.open_rooms - after.open_rooms:
            room = self._conference(room_id)
            if room.end_reason == "all_left":
                continue
            if kind in TOOLS:
                self._require(f"conference {room.name!r} ended ({room.end_reason})", room.name)
            elif room.end_reason == "host_left":
                host = room.ended_by.call_control_id if room.ended_by else ""
                if (room_id, host) not in self.approved_hosts and not self._entered_as_host(host):
                    self._fail(
                        f"conference {room.name!r} ended because {host} left, and no approved call made it its host"
                    )
            elif room.end_reason == "time_exceeded" and room_id not in self.approved_limits:
                self._fail(f"conference {room.name!r} ended at a limit that was not approved")

    def _entered_as_host(self, leg: str) -> bool:
        number = self.world.sandbox.state.legs.by_id[leg].to
        return self.dialled.get(number, (False, {}))[0]

    def _check_hangups(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        for leg in before.alive - after.alive:
            if kind in TOOLS and leg == self.granted_leg:
                continue
            if kind in TOOLS:
                # A caller whose first event is still on its way is named by a short id.
                self._require(f"{self._who(leg)} was hung up", f"{self._who(leg)}|{leg[:14]}", more=True)
            elif kind == "hangs_up" and leg != self._hung_up and before.places.get(leg) == "bridge":
                continue  # the person at the other end hung up
            elif kind == "advance" and before.places.get(leg) == "bridge":
                limited = [one for one in before.alive - after.alive if one != leg]
                by_limit = any(self._ended_by_limit(one) for one in limited)
                if by_limit and leg not in self.approved_bridges and not self._ended_by_limit(leg):
                    self._fail(
                        f"{self._who(leg)} was hung up when the time limit of the call it was bridged with ended"
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
                self._require(f"{self._who(leg)} lost the place in {place}", more=True)

    def _check_entries(self, before: Snapshot, after: Snapshot, kind: str, arguments: Mapping[str, Any]) -> None:
        for key, participant in after.present.items():
            leg = key[1]
            is_new = key not in before.present or before.present[key] is not participant
            was_silent = not is_new and before.roles[key] in ("monitor", "whisper")
            if participant.role in ("monitor", "whisper") and not was_silent:
                self._check_silent(leg, kind, f"{self._who(leg)} became {participant.role}")
            elif is_new and participant.mute and kind in TOOLS and arguments.get("beep_enabled") not in AUDIBLE:
                self._check_silent(leg, kind, f"{self._who(leg)} entered muted and without a beep")
            elif is_new and participant.mute and kind == "advance":
                approved, config = self.dialled.get(self._who(leg), (True, {}))
                if not approved and config.get("beep_enabled") not in AUDIBLE:
                    self._fail(f"{self._who(leg)} entered muted and without a beep")

    def _check_silent(self, leg: str, kind: str, what: str) -> None:
        if kind in TOOLS:
            self._require(what)
        elif kind == "advance" and not self.dialled.get(self._who(leg), (False, {}))[0]:
            self._fail(what)

    def _check_recordings(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        if kind in TOOLS:
            for room_id in after.recording - before.recording:
                self._require(
                    f"conference {self._conference(room_id).name!r} is recorded", self._conference(room_id).name
                )
            for leg in after.recorded - before.recorded:
                self._require(f"{self._who(leg)} is recorded", f"{self._who(leg)}|{leg[:14]}")
            for recording_id in before.saved - after.saved:
                self._require(f"recording {recording_id} was deleted", recording_id)

    def _check_supervisors(self, before: Snapshot, after: Snapshot, kind: str) -> None:
        for leg, role in after.supervising.items():
            if kind in TOOLS and role in ("monitor", "whisper") and before.supervising.get(leg) == "barge":
                self._require(f"{self._who(leg)} became {role} of a call")

    def _require(self, what: str, *names: str, more: bool = False) -> None:
        """The call of this step must have been approved, by a question with these names."""
        if self.answers.given is not True:
            self._fail(what)
        missing = [name for name in names if not any(form in self.answers.question for form in name.split("|"))]
        if missing and not (more and " more" in self.answers.question):
            self._fail(f"{what}, and the approved question does not name {missing}: {self.answers.question}")

    def _fail(self, what: str) -> None:
        raise Violation(what, self.steps)

    # Choices

    def legs(self) -> list[str]:
        return [leg.call_control_id for leg in self.world.sandbox.state.legs.alive()]

    def recordings(self) -> list[str]:
        return list(self.world.sandbox.state.recordings.by_id)

    def rooms(self) -> list[str]:
        return list(self.world.sandbox.state.conferences.by_id)

    _hung_up: str = ""


def _is_recording(room: Conference) -> bool:
    return any(
        type(activity).__name__ == "ActiveRecording" or hasattr(activity, "paused") for activity in room.activities
    )


def _is_recorded(leg: Leg) -> bool:
    return any(isinstance(activity, Recording) for activity in leg.activities)


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

    def __init__(self, oracle: Oracle, choice: int, mask: int) -> None:
        self._oracle = oracle
        self._choice = choice
        self._mask = mask

    _names_saved = False

    def arguments(self, model: type[BaseModel]) -> dict[str, Any]:
        self._names_saved = model is DeleteRecording
        made: dict[str, Any] = {}
        for name, about in model.model_fields.items():
            if about.is_required() or self._bit():
                value = self._value(name, about.annotation)
                if value is not None:
                    made[about.alias or name] = value
        return made

    def _bit(self) -> bool:
        self._mask, bit = self._mask >> 1, self._mask & 1
        return bool(bit)

    def _pick(self, values: Sequence[Any]) -> Any:
        if not values:
            return None
        self._choice, index = divmod(self._choice, len(values))
        return values[index]

    def _value(self, name: str, annotation: Any) -> Any:
        legs = self._oracle.legs()
        pools: Mapping[str, Sequence[Any]] = {
            **dict.fromkeys(_LEG_ARGUMENTS, legs),
            "conference_id": self._oracle.rooms(),
            "recording_id": self._oracle.recordings() if name == "recording_id" and self._names_saved else [],
            "call_control_ids": ["everyone", *([leg] for leg in legs), legs[:3]],
            "whisper_call_control_ids": [[leg] for leg in legs],
        }
        if name in pools:
            return self._pick(pools[name])
        if name in _VALUES:
            return self._pick(_VALUES[name])
        return None if name.endswith("media_name") else self._by_type(annotation)

    def _by_type(self, annotation: Any) -> Any:
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return self._pick(inner)
        if origin in (Annotated, Union, UnionType):
            return self._by_type(next(kind for kind in inner if kind is not type(None)))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.arguments(annotation)
        return True if annotation is bool else 2 if annotation is int else None


_LEG_ARGUMENTS = ("call_control_id", "other_call_control_id", "supervise_call_control_id", "participant_id")
_URL = ("https://example.com/a.mp3",)
_VALUES: Mapping[str, Sequence[Any]] = {
    "queue_name": ("support", "agents", "fresh"),
    "name": ("Refunds", "Second"),
    "conference_name": ("Refunds", "Second"),
    "to": NUMBERS,
    "from_": ("+12025550100",),
    "connection_id": ("sandbox",),
    "time_limit_secs": (5,),
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
    **dict.fromkeys(("filter", "command_id", "region", "language", "voice_settings", "page_number"), ()),
}
"""Values of arguments that name nothing in the sandbox; none to leave an argument out."""


@asynccontextmanager
async def oracle(*, approval: str | None = None, **given: Any) -> AsyncGenerator[Oracle]:
    """An oracle over a fresh sandbox with a conference of three callers, and a server on it."""
    world = World()
    state = world.sandbox.state
    first, *others = [state.legs.arrive(f"+1202555{9000 + place}", "+12025550100") for place in range(3)]
    conference = state.conferences.start(first, "Refunds", JoinOptions())
    for leg in others:
        conference.admit(leg, JoinOptions())
    operator = Operator(level_never=approval == "never")
    async with guarded(world, answering=operator, with_events=True, approval=approval, **given) as client:
        yield Oracle(world, client, operator, scoped="policy" in given)
