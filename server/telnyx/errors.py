"""What can go wrong at Telnyx, each said so that the model can act on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ...tools.base import Command, Retry
from ...tools.words import quoted
from ..errors import CallFailed

DEDUPE_SECONDS = 60
"""How long Telnyx remembers a `command_id`, by its documentation."""

_ADVICE = {
    401: "Telnyx does not accept the API key. Repeating will not help: the operator must set TELNYX_API_KEY.",
    403: "The API key may not do this. Repeating will not help: the operator must give it the right.",
    404: "What it names does not exist or is over.",
    409: "It collides with the state at Telnyx: look again, then decide.",
    422: "Nothing was done. Correct the argument, or look at the state again: the call or conference may have ended.",
}


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
        self.problems = tuple(problems)
        said = "; ".join(str(problem).rstrip(".") for problem in problems) or "no reason given"
        advice = known or _ADVICE.get(status, "Nothing was done.")
        super().__init__(f"Telnyx refused {command.tool_name()} with {status}: {said}. {advice}")


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
