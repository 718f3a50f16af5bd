"""A scripted model: each of its calls follows from the results of the calls before."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Arguments = Callable[["Script"], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call."""

    tool: str
    arguments: Arguments
    """Made from the results before."""


@dataclass
class Script:
    """The story, and what the tools have answered so far."""

    steps: Sequence[Step]
    answers: list[Any] = field(default_factory=list[Any])
    """Structured content, or the text of a refusal, one a step."""

    def heard(self, said: Any) -> None:
        """Take in what a tool has answered, as a framework shows it to its model."""
        self.answers.append(_read(said))

    @property
    def next(self) -> Step | None:
        return self.steps[len(self.answers)] if len(self.answers) < len(self.steps) else None

    def answer(self, tool: str, number: int = -1) -> Any:
        """What one of the calls of a tool has answered, the last one unless told otherwise."""
        exchanges = zip(self.steps, self.answers, strict=False)
        return [answer for step, answer in exchanges if step.tool == tool][number]

    @property
    def room(self) -> str:
        """The conference that was opened."""
        return self.answer("create_conference")["conference"]["id"]


def _read(said: Any) -> Any:
    if isinstance(said, str):
        try:
            return json.loads(said)
        except ValueError:
            return said
    return said


def _first_two(script: Script) -> list[str]:
    return [call["call_control_id"] for call in script.answer("list_queue_calls")["calls"][:2]]


STORY = (
    Step("list_queue_calls", lambda _: {"queue_name": "support"}),
    Step("create_conference", lambda script: {"call_control_id": _first_two(script)[0], "name": "Delivery"}),
    Step(
        "join_conference",
        lambda script: {"conference_id": script.room, "call_control_id": _first_two(script)[1]},
    ),
    Step(
        "wait_for_event",
        lambda script: {
            "types": script.answer("join_conference")["expect_events"],
            "conference_id": script.room,
            "call_control_id": _first_two(script)[1],
        },
    ),
    Step("mute_participants", lambda script: {"conference_id": script.room, "call_control_ids": "everyone"}),
    Step("unmute_participants", lambda script: script.answer("mute_participants")["undo"]["arguments"]),
    Step("end_conference", lambda script: {"conference_id": script.room}),
    Step("conference_summary", lambda script: {"conference_id": script.room}),
)
"""Two waiting callers are brought together, and the conference is ended, about which a person is asked."""

AGAIN = (*STORY[:-1], STORY[-2], STORY[-1])
"""The same where the person is asked outside the conversation: then the call is repeated."""
