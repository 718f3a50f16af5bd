"""Stories that a sandbox plays, and the projection of their events and accepted commands."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from support.sandbox_client import leg_of
from telnyx_conferencing.server.events.envelope import parse_event_data
from telnyx_conferencing.server.events.event import StoredEvent, Via
from telnyx_conferencing.server.events.projection.projection import Projection
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.errors import ApiError, not_found
from telnyx_conferencing.tools import COMMANDS, calls
from telnyx_conferencing.tools.base import Command

Json = dict[str, Any]

START = datetime(2025, 1, 1, 12, tzinfo=UTC)
COMMAND_OF: Mapping[str, type[Command]] = {command.tool_name(): command for command in COMMANDS}


@dataclass
class Story:
    """A sandbox whose clock moves a little before each action, so that no two events have the same time."""

    sandbox: Sandbox = field(default_factory=lambda: Sandbox(ManualClock(START)))
    accepted: list[tuple[str, Json, datetime]] = field(default_factory=list[tuple[str, Json, datetime]])

    @property
    def now(self) -> datetime:
        return self.sandbox.clock.now()

    def wait(self, seconds: float) -> None:
        self.sandbox.clock.move_to(self.now + timedelta(seconds=seconds))
        self.sandbox.run_due()

    def do(self, tool: str, **arguments: Any) -> Any:
        """Run a command. Returns the `data` of its answer. Raises `ApiError`."""
        return self._carry_out(COMMAND_OF[tool](**arguments), tool, arguments)

    def also(self, command: Command) -> Any:
        """The same for a command that is no tool."""
        return self._carry_out(command, command.tool_name(), {})

    def _carry_out(self, command: Command, tool: str, arguments: Json) -> Any:
        self.wait(0.0137)
        answer = self.sandbox.state.run(command)
        self.accepted.append((tool, arguments, self.now))
        return (answer or {}).get("data")

    def arrival(self, number: str = "+12025550177") -> str:
        self.wait(0.0137)
        return self.sandbox.state.legs.arrive(number, "+12025550100").call_control_id

    def hang_up(self, call: str) -> None:
        self.wait(0.0137)
        legs = self.sandbox.state.legs
        legs.person_hangs_up(legs.live(call))

    def speak(self, conference_id: str, call: str) -> None:
        self.wait(0.0137)
        world = self.sandbox.state
        world.conferences.by_id[conference_id].give_floor(world.legs.by_id[call])

    def press(self, call: str, digits: str) -> None:
        self.wait(0.0137)
        self.sandbox.state.gathers.press(self.sandbox.state.legs.by_id[call], digits)

    def part(self, name: str) -> str:
        """The call_control_id of a leg of the scene."""
        return leg_of(self.sandbox, name)

    def events(self) -> list[StoredEvent]:
        return as_stored_events(self.sandbox.events)

    def projection(self, events: Iterable[StoredEvent] | None = None, **kept: int) -> Projection:
        """The projection of a server that received these events (by default all), and sent all the commands."""
        projection = fold(self.events() if events is None else events, **kept)
        for tool, arguments, at in self.accepted:
            projection.record_command(tool, arguments, at)
        return projection

    def pages(self, tool: str, **arguments: Any) -> list[Json]:
        """All items of a list, as the API answers."""
        command = COMMAND_OF[tool](**(arguments | {"page_size": 100}))
        answer = self.sandbox.state.run(command)
        assert answer is not None
        assert answer["meta"]["total_pages"] <= 1
        return answer["data"]

    def ask(self, projection: Projection) -> None:
        """Merge the API's answers about all conferences and queues."""
        for room in self.pages("list_conferences"):
            people = self.pages("list_participants", conference_id=room["id"])
            projection.merge_conference(room, people, self.now)
        for queue in self.pages("list_queues"):
            projection.merge_queue(queue, self.pages("list_queue_calls", queue_name=queue["name"]), self.now)


def as_stored_events(envelopes: Iterable[Json], received_at: datetime = START) -> list[StoredEvent]:
    """Posted events, as the store has them."""
    read = (
        parse_event_data(envelope, via=Via.SANDBOX, verified=True, received_at=received_at) for envelope in envelopes
    )
    return [store(event, number) for number, event in enumerate(read, 1)]


def store(event: Any, number: int) -> StoredEvent:
    names = ("id", "type", "occurred_at", "payload", "via", "verified")
    found = ("conference_id", "call_control_id", "call_session_id", "queue")
    fields = {name: getattr(event, name) for name in (*names, *found)}
    return StoredEvent(**fields, number=number, received_at=event.occurred_at)


def event(
    type_: str, at: float = 0.0, *, id_: str | None = None, call: str | None = None, **payload: Any
) -> StoredEvent:
    """An event `at` seconds after the start."""
    happened = START + timedelta(seconds=at)
    fields = {"call_control_id": call, **payload}
    return StoredEvent(
        id=id_ or f"{type_}@{at}@{call}@{payload.get('conference_id', payload.get('queue'))}",
        type=type_,
        occurred_at=happened,
        payload={name: value for name, value in fields.items() if value is not None},
        conference_id=payload.get("conference_id"),
        call_control_id=call,
        queue=payload.get("queue"),
        received_at=happened,
    )


def fold(events: Iterable[StoredEvent], **kept: int) -> Projection:
    projection = Projection(**kept)
    for event in events:
        projection.add(event)
    return projection


def dump(projection: Projection, now: datetime) -> Json:
    """Everything that a projection says, by URI."""
    rooms = projection.conferences(now)
    queues = projection.queues(now)
    return {
        "telnyx://conferences": {room.id: room.status for room in rooms},
        "telnyx://queues": sorted(queue.name for queue in queues),
        **{f"telnyx://conferences/{room.id}": _all_of(projection, room, now) for room in rooms},
        **{f"telnyx://queues/{queue.name}": queue.model_dump(exclude={"name"}) for queue in queues},
    }


def _all_of(projection: Projection, room: Any, now: datetime) -> Json:
    summary = projection.summary(room.id, now)
    assert summary is not None
    texts = {"timeline": projection.timeline(room.id, now), "drawing": projection.timeline_svg(room.id, now)}
    return {**room.model_dump(), "summary": summary.model_dump(), **texts}


# Random stories. A step is a number that picks an action, two that pick what it acts on, and the seconds after it.

Steps = Sequence[tuple[int, int, int, float]]
steps: st.SearchStrategy[Steps] = st.lists(
    st.tuples(
        st.integers(0, 999),
        st.integers(0, 7),
        st.integers(0, 7),
        st.sampled_from([0.0, 0.251, 1.732, 7.077, 61.913]),
    ),
    min_size=5,
    max_size=60,
)


def play(numbers: Steps) -> Story:
    """The story of these steps. It begins with a conference of two. Actions that the sandbox refuses have no effect."""
    story = Story()
    room = story.do("create_conference", call_control_id=story.part("agent"), name="Room 0")["id"]
    story.do("join_conference", conference_id=room, call_control_id=story.part("caller 1"))
    for action, one, other, seconds in numbers:
        with suppress(ApiError):
            _ACTIONS[action % len(_ACTIONS)](_Choice(story, one, other))
        story.wait(seconds + 0.0011)
    return story


@dataclass
class _Choice:
    story: Story
    one: int
    other: int

    def _pick(self, items: Sequence[str], number: int) -> str:
        if not items:
            raise not_found("There is none.")
        return items[number % len(items)]

    @property
    def call(self) -> str:
        alive = [leg.call_control_id for leg in self.story.sandbox.state.legs.alive()]
        return self._pick(alive, self.one)

    @property
    def room(self) -> str:
        rooms = self.story.sandbox.state.conferences.by_id
        is_open = [id_ for id_, room in rooms.items() if room.status != "completed"]
        return self._pick(is_open[-2:] or list(rooms), self.other)

    @property
    def queue(self) -> str:
        return ["support", "agents", "sales / évé?"][self.other % 3]

    @property
    def member(self) -> str:
        return self._pick(list(self.story.sandbox.state.conferences.by_id[self.room].present), self.one)

    @property
    def members(self) -> list[str] | str:
        return "everyone" if self.one == 0 else [self.member]

    @property
    def waiting(self) -> str:
        held = self.story.sandbox.state.queues.by_name.get(self.queue)
        return self._pick([call.leg.call_control_id for call in held.calls] if held else [], self.one)


def _to_members(tool: str, **more: Any) -> Callable[[_Choice], None]:
    def act(it: _Choice) -> None:
        it.story.do(tool, conference_id=it.room, call_control_ids=it.members, **more)

    return act


def _to_room(tool: str, **more: Any) -> Callable[[_Choice], None]:
    def act(it: _Choice) -> None:
        it.story.do(tool, conference_id=it.room, **more)

    return act


def _create(it: _Choice) -> None:
    it.story.do(
        "create_conference",
        call_control_id=it.call,
        name=f"Room {it.other}",
        start_conference_on_create=it.other != 7,
        duration_minutes=1 if it.other == 6 else None,
    )


def _join(**more: Any) -> Callable[[_Choice], None]:
    def act(it: _Choice) -> None:
        it.story.do("join_conference", conference_id=it.room, call_control_id=it.call, **more)

    return act


def _enqueue(**more: Any) -> Callable[[_Choice], None]:
    def act(it: _Choice) -> None:
        it.story.do("enqueue_call", queue_name=it.queue, call_control_id=it.call, **more)

    return act


def _supervise(it: _Choice) -> None:
    role = ["barge", "monitor", "none", "whisper"][it.other % 4]
    heard_by = {"whisper_call_control_ids": [it.member]} if role == "whisper" else {}
    who = _Choice(it.story, it.one + 1, it.other).member
    it.story.do("update_supervisor", conference_id=it.room, call_control_id=who, supervisor_role=role, **heard_by)


def _dial(it: _Choice) -> None:
    config = {"conference_name": f"Room {it.other}"}
    number = ["+12025550155", "+12025550198", "+12025550199"][it.one % 3]
    it.story.also(
        calls.Dial.model_validate(
            {"connection_id": "sandbox", "from": "+12025550100", "to": number, "conference_config": config}
        )
    )


_ACTIONS: Sequence[Callable[[_Choice], Any]] = (
    *(_create, _dial, lambda it: it.story.arrival()),
    *(_join(), _join(), _join(mute=True), _join(hold=True), _join(supervisor_role="monitor")),
    *(_join(end_conference_on_exit=True), _join(soft_end_conference_on_exit=True)),
    *(_join(start_conference_on_enter=True),),
    lambda it: it.story.do("leave_conference", conference_id=it.room, call_control_id=it.member),
    *(_to_members("hold_participants"), _to_members("mute_participants"), _to_members("unmute_participants")),
    lambda it: it.story.do("unhold_participants", conference_id=it.room, call_control_ids=[it.member]),
    _supervise,
    _to_members("play_audio", audio_url="https://example.com/hold.mp3?token=secret"),
    _to_members("play_audio", media_name="chime", loop=3),
    _to_members("speak_text", payload="Please wait a moment", voice="female"),
    _to_members("stop_audio"),
    *(_to_room("start_recording", format="wav"), _to_room("stop_recording")),
    *(_to_room("pause_recording"), _to_room("resume_recording")),
    *(_enqueue(), _enqueue(max_wait_time_secs=9), _enqueue(keep_after_hangup=True), _enqueue()),
    lambda it: it.story.do("leave_queue", call_control_id=it.waiting),
    lambda it: it.story.do("remove_queue_call", queue_name=it.queue, call_control_id=it.waiting),
    lambda it: it.story.do(
        "update_queue_call", queue_name=it.queue, call_control_id=it.waiting, keep_after_hangup=it.other > 3
    ),
    lambda it: it.story.do("delete_queue", queue_name=it.queue),
    lambda it: it.story.also(calls.BridgeCalls(call_control_id=it.call, queue_name=it.queue)),
    lambda it: it.story.hang_up(it.call),
    lambda it: it.story.hang_up(it.call),
    lambda it: it.story.speak(it.room, it.member),
    lambda it: it.story.speak(it.room, it.member),
    lambda it: it.story.press(it.call, "123#"),
    _to_room("end_conference"),
)


# Random events that no Telnyx would send in that order.

_TYPES = (
    *("conference.created", "conference.ended", "conference.participant.joined", "conference.participant.left"),
    *("conference.participant.joined", "conference.participant.left", "conference.floor.changed"),
    *("conference.playback.started", "conference.playback.ended"),
    *("conference.participant.speak.started", "conference.participant.speak.ended"),
    *("conference.recording.saved", "conference.odd.news", "call.enqueued", "call.dequeued"),
    *("call.enqueued", "call.dequeued", "call.initiated", "call.hangup", "call.bridged", "what.is.this"),
)


@st.composite
def odd_events(draw: st.DrawFn) -> list[StoredEvent]:
    """Of few legs, rooms and queues, many at the same time."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(_TYPES),
                st.integers(0, 9),
                st.sampled_from([None, "leg-a", "leg-b", "leg-c"]),
                st.sampled_from(["x", "y"]),
                st.sampled_from([None, "leave", "hangup", "bridged", "news"]),
            ),
            max_size=30,
        )
    )
    return [_odd(number, choice) for number, choice in enumerate(drawn)]


def _odd(number: int, drawn: tuple[str, int, str | None, str, str | None]) -> StoredEvent:
    type_, at, call, place, reason = drawn
    id_ = f"{number * 7919 % 97:02}-{number}"  # not sorted as they were made
    where = {"queue": place} if "queued" in type_ else {} if type_.startswith("call") else {"conference_id": place}
    odd = {"recording_id": f"r{at}", "media_name": reason} if type_.startswith("conference") else {}
    return event(type_, at / 4, id_=id_, call=call, reason=reason, **{"from": f"+1{at}"}, **where, **odd)


@st.composite
def shuffled_batches(draw: st.DrawFn, events: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    """All of them in another order, some more than once, in batches."""
    again = draw(st.lists(st.sampled_from(events), max_size=10)) if events else []
    twice = [replace(event, number=event.number + 1_000, via=Via.CATCH_UP) for event in again]
    order = draw(st.permutations([*events, *twice]))
    cuts = draw(st.lists(st.integers(0, len(order)), max_size=4).map(sorted))
    return list(_between([0, *cuts, len(order)], order))


def _between(cuts: Sequence[int], order: Sequence[StoredEvent]) -> Iterator[list[StoredEvent]]:
    for begin, end in pairwise(cuts):
        yield list(order[begin:end])
