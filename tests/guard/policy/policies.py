"""Commands, rules and facts for tests of the policy."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st

from support.examples import COMMAND_OF, EXAMPLES
from telnyx_conferencing.server.guard.place import Place, PlaceKind
from telnyx_conferencing.server.guard.policy import (
    ApprovalRules,
    ConferenceFacts,
    LimitRules,
    Measures,
    Policy,
    RecordingFacts,
    Rules,
    ScopeRules,
    ToolRules,
    read_rules,
)
from telnyx_conferencing.server.guard.situation import Person, QueueState, Waiting
from telnyx_conferencing.tools import TOOLS, TOOLSETS
from telnyx_conferencing.tools.base import Command

T = TypeVar("T")

COMMANDS: Mapping[str, Command] = {
    name: COMMAND_OF[example.tool].model_validate(arguments)
    for example in EXAMPLES
    for name, arguments in example.variants()
}
"""Every tool with the arguments of its examples, under the examples' names."""


def command(tool: str, **given: Any) -> Command:
    """A tool's command: the first example's arguments, and those given."""
    example = next(example for example in EXAMPLES if example.tool == tool)
    return COMMAND_OF[tool].model_validate({**example.minimal, **given})


def run_now(answer: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing: an event loop for each example would take most of the time."""
    try:
        answer.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


def policy(*texts: str) -> Policy:
    """The policy of these files."""
    return Policy([read_rules(text) for text in texts])


def waiting_in_support(call_control_id: str, connection_id: str | None) -> dict[str, Waiting]:
    """A call that waits in queue support."""
    return {call_control_id: Waiting(Person(call_control_id), "support", 1, connection_id=connection_id)}


@dataclass
class Known:
    """What is true, and what was asked."""

    conferences: Mapping[str, ConferenceFacts] = field(default_factory=dict[str, ConferenceFacts])
    queues: Mapping[str, str] = field(default_factory=dict[str, str])
    queued: Mapping[str, Waiting] = field(default_factory=dict[str, Waiting])
    connections: Mapping[str, str] = field(default_factory=dict[str, str])
    places: Mapping[str, Place] = field(default_factory=dict[str, Place])
    recordings: Mapping[str, RecordingFacts] = field(default_factory=dict[str, RecordingFacts])
    asked: list[str] = field(default_factory=list[str])

    async def conference(self, conference_id: str) -> ConferenceFacts:
        self.asked.append(f"conference {conference_id}")
        return self.conferences.get(conference_id, ConferenceFacts(None, None, None))

    async def conference_named(self, name: str) -> ConferenceFacts | None:
        self.asked.append(f"conference named {name}")
        return next((facts for facts in self.conferences.values() if facts.name == name), None)

    async def queue(self, name: str) -> QueueState:
        self.asked.append(f"queue {name}")
        return QueueState(self.queues.get(name), 0)

    async def searched_place(self, call_control_id: str) -> Place:
        waiting = await self.waiting(call_control_id)
        return Place(PlaceKind.QUEUE, queue=waiting.queue) if waiting else await self.place(call_control_id)

    async def waiting(self, call_control_id: str, queue: str | None = None) -> Waiting | None:
        self.asked.append(f"queue of {call_control_id}")
        return self.queued.get(call_control_id)

    async def connection_of(self, call_control_id: str) -> str | None:
        self.asked.append(f"connection of {call_control_id}")
        return self.connections.get(call_control_id)

    async def recording(self, recording_id: str) -> RecordingFacts:
        self.asked.append(f"recording {recording_id}")
        return self.recordings.get(recording_id, RecordingFacts(None, None))

    async def place(self, call_control_id: str) -> Place:
        self.asked.append(f"place of {call_control_id}")
        return self.places.get(call_control_id, Place(PlaceKind.NOWHERE))


async def out_of_scope(rules: Policy, touching: Command, facts: Known) -> str | None:
    """Why a policy does not let a command touch what it names, by these facts."""
    return await rules.out_of_scope(touching, facts, facts)


_NAMES = [tool.tool_name() for tool in TOOLS]
_WRITES = [command.tool_name() for command in COMMAND_OF.values() if not command.is_read()]
_PATTERNS = st.lists(st.sampled_from([*_NAMES, "list_*", "*_conference", "*"]), max_size=4)
_MOST = st.none() | st.integers(0, 30)
_MEASURES: dict[str, Any] = dict.fromkeys(Measures.model_fields, _MOST)


def _some(*entries: str) -> Any:
    return st.none() | st.lists(st.sampled_from(entries), max_size=2)


TOOL_RULES = st.builds(
    ToolRules,
    toolsets=st.none() | st.lists(st.sampled_from(TOOLSETS)),
    allow=st.none() | _PATTERNS,
    deny=_PATTERNS,
    read_only=st.sampled_from([False, False, True]),
)
SCOPE_RULES = st.builds(
    ScopeRules,
    conferences=_some("Stand*", "*", "Sales"),
    queues=_some("support", "tier *", "*"),
    connections=_some("1", "2"),
    regions=_some("US", "Europe"),
    audio_hosts=_some("example.com", "*.example.com", "*"),
    audio_http=st.none() | st.booleans(),
)
LIMIT_RULES = st.builds(
    LimitRules,
    **_MEASURES,
    risk=st.dictionaries(
        st.sampled_from(["routine", "disruptive", "destructive"]), st.builds(Measures, **_MEASURES), max_size=2
    ),
    tool=st.dictionaries(st.sampled_from(_NAMES), st.builds(Measures, **_MEASURES), max_size=3),
)
APPROVAL_RULES = st.builds(
    ApprovalRules,
    level=st.none() | st.sampled_from(["destructive", "disruptive", "all", "never"]),
    tool=st.dictionaries(st.sampled_from(_WRITES), st.sampled_from(["ask", "ask_each", "never", "refuse"]), max_size=6),
)
RULES = st.builds(Rules, tools=TOOL_RULES, scope=SCOPE_RULES, limits=LIMIT_RULES, approval=APPROVAL_RULES)
"""Any rules but hours."""
ANY_COMMAND = st.sampled_from(list(COMMANDS.values()))
