"""What can go wrong at Telnyx, each said so that the model can act on it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ...tools.base import Command, Retry
from ...tools.words import quoted
from ..errors import CallFailed

DEDUPE_SECONDS = 60
"""How long Telnyx remembers a `command_id`, by its documentation."""

_BY_STATE = 422

_ADVICE = {
    401: "Telnyx does not accept the API key. Repeating will not help: the operator must set TELNYX_API_KEY.",
    403: "The API key may not do this. Repeating will not help: the operator must give it the right.",
    404: "What it names does not exist or is over.",
    409: "It collides with the state at Telnyx: look again, then decide.",
    422: "Nothing was done. Correct the argument, or look at the state again: the call or conference may have ended.",
}


_HINTS = (
    (r"only an incoming call", "It is up or outgoing: hangup_call ends it, get_call shows it."),
    (
        r"not (been )?answered",
        "It still rings: wait_for_event with call.answered and this call_control_id, then repeat the call; dial with "
        "conference_config joins by itself.",
    ),
    (r"name in use", "It is open: list_conferences has its id, and join_conference brings the call into it."),
    (r"queue exists", "Use it as it is; update_queue changes its size."),
    (
        r"conference has already ended",
        "list_conferences shows those that are open; conference_summary tells of this one.",
    ),
    (
        r"already ended|no longer active",
        "The call is over: list_active_calls shows those that are up; dial calls anew.",
    ),
    (r"conference is full", "Somebody must leave first (leave_conference), or open another with create_conference."),
    (r"queue is full", "update_queue makes room, or take a call out of it, or use another (list_queues)."),
    (r"already in conference", "It is where it should be: list_participants shows it. Nothing more is needed."),
    (r"already queued", "It waits there already: list_queue_calls shows its place. Nothing more is needed."),
    (r"already recording", "It is recorded already: pause_recording, stop_recording, or leave it so."),
    (r"not recording", "Nothing is recorded: start_recording begins one; list_recordings has those that are saved."),
    (r"recording is paused", "resume_recording goes on with it."),
    (r"not paused", "It runs: nothing to resume. pause_recording pauses it, stop_recording saves it."),
    (r"queue is empty", "Nobody waits there alive: list_queues shows where calls wait."),
    (r"not queued", "It waits nowhere: enqueue_call puts it in a queue, join_conference in a conference."),
    (r"already bridged", "It is connected already: nothing more is needed; join_conference or hangup_call ends that."),
    (r"call is active", "leave_queue takes a live call out of its queue."),
)
"""What to do, by words of Telnyx's title or detail, where the state stands in the way. The first that fits."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of Telnyx's `errors`."""

    code: str
    title: str
    detail: str
    argument: str

    def __str__(self) -> str:
        code = f" (code {self.code})" if self.code else ""
        named = f" [{self.argument}]" if self.argument else ""
        detail = f": {self.detail}" if self.detail and self.detail != self.title else ""
        return f"{self.title}{code}{detail}{named}"


def read_problems(body: Any) -> tuple[Problem, ...]:
    """Telnyx's `errors`, whatever of them is readable. Their text is quoted: it may repeat what a caller sent."""
    errors = cast("dict[str, Any]", body).get("errors") if isinstance(body, dict) else None
    entries = cast("list[Any]", errors) if isinstance(errors, list) else []
    return tuple(_problem(cast("dict[str, Any]", entry)) for entry in entries[:5] if isinstance(entry, dict))


def _problem(entry: dict[str, Any]) -> Problem:
    source: Any = entry.get("source")
    pointer = cast("dict[str, Any]", source).get("pointer") if isinstance(source, dict) else None
    return Problem(
        code=_text(entry.get("code"), 20),
        title=_text(entry.get("title") or "refused", 100),
        detail=_text(entry.get("detail"), 300),
        argument=_text(pointer, 60).strip("/").replace("/", "."),
    )


def _text(value: Any, longest: int) -> str:
    return "" if value is None else quoted(str(value), longest)[1:-1]


class TelnyxRefused(CallFailed):
    """Telnyx answered that it will not do this; nothing was done."""

    outcome = "refused by Telnyx"

    def __init__(self, command: Command, status: int, problems: Sequence[Problem], known: str = "") -> None:
        self.command = command
        self.status = status
        self.request_id: str | None = None
        """Telnyx's own id of the request, by which its support finds it."""
        self.problems = tuple(problems)
        said = "; ".join(str(problem).rstrip(".") for problem in problems) or "no reason given"
        advice = known or _hint(status, problems) or _ADVICE.get(status, "Nothing was done.")
        super().__init__(f"Telnyx refused {command.tool_name()} with {status}: {said}. {advice}")


def _hint(status: int, problems: Sequence[Problem]) -> str:
    """What leads on, where Telnyx's words tell what stands in the way; empty where they do not."""
    said = " ".join(f"{problem.title} {problem.detail}" for problem in problems).lower() if status == _BY_STATE else ""
    return next((f"Nothing was done. {hint}" for words, hint in _HINTS if re.search(words, said)), "")


class RateLimited(CallFailed):
    """Telnyx has had too many requests."""

    def __init__(self, command: Command, retry_after: float | None) -> None:
        self.retry_after = retry_after
        when = f"in {retry_after:.0f} s" if retry_after else "in a while"
        super().__init__(f"Telnyx limits the rate of requests (429): nothing was done. Repeat the call {when}.")


class TelnyxFailed(CallFailed):
    """Telnyx could not answer a question; a read has no outcome to be unsure of."""

    def __init__(self, command: Command, reason: str) -> None:
        super().__init__(f"{command.tool_name()} got no answer: {reason}. It only reads: repeat it later.")


class Unreachable(CallFailed):
    """No connection: nothing was sent."""

    def __init__(self, command: Command, reason: str) -> None:
        super().__init__(
            f"Telnyx cannot be reached ({reason}): nothing was sent by {command.tool_name()}. "
            "Repeat it later; if it goes on, the operator should check the network and TELNYX_BASE_URL."
        )


class OutcomeUnknown(CallFailed):
    """The command may or may not have been carried out."""

    outcome = "unknown outcome"

    def __init__(self, command: Command, reason: str) -> None:
        self.command = command
        super().__init__(
            f"The outcome of {command.tool_name()} is unknown: {reason}. It may or may not have been done. "
            + _how_to_repeat(command)
        )


def _how_to_repeat(command: Command) -> str:
    if command.retry is Retry.DEDUPED:
        command_id = getattr(command, "command_id", None)
        return (
            f"To be sure, repeat the call within {DEDUPE_SECONDS} s with command_id {command_id}: "
            "Telnyx then does it once at the most. Later than that, look at the state first."
        )
    if command.retry is Retry.IDEMPOTENT:
        return "Repeating it is safe: twice is the same as once."
    return "Do not repeat it blindly, it would happen twice: look at the state first, or ask the person."
