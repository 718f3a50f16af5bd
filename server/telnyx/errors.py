"""Errors of requests to Telnyx, with messages that tell the model what to do next."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ...tools.base import Command, Retry
from ...tools.text import quoted
from ..errors import CallFailed

DEDUPE_SECONDS = 60
"""How long Telnyx remembers a `command_id`, according to its documentation."""

_MAX_PROBLEMS, _MAX_CODE_LENGTH, _MAX_TITLE_LENGTH, _MAX_DETAIL_LENGTH, _MAX_POINTER_LENGTH = 5, 20, 100, 300, 60

_ADVICE_BY_STATUS = {
    401: "Telnyx does not accept the API key. Repeating will not help: the operator must set TELNYX_API_KEY.",
    403: "The API key may not do this. Repeating will not help: the operator must give it the permission.",
    404: "It does not exist, or it is over.",
    409: "It conflicts with the current state at Telnyx: look at the state again, then decide.",
    422: "Nothing was done. Correct the argument, or look at the state again: the call or conference may have ended.",
}

_GENERAL = "10015"
"""A code for many kinds of problems."""

HINTS: Mapping[str, str] = {
    _GENERAL: "The argument it names has a wrong value: correct it.",
    "10016": "Write the number in E.164 format: + and the country code first, as +12025550123.",
    "10032": "Use one of the values that it lists.",
    "10033": "Use a value within the range that it gives.",
    "90015": "No call has this call_control_id: list_active_calls, list_participants and list_queue_calls show those "
    "that exist.",
    "90018": "The call is over: list_active_calls shows those that are up; dial makes a new one.",
    "90019": "The conference is over: list_conferences shows those that are open; conference_summary describes this "
    "one.",
    "90020": "There is no audio yet: wait_for_event with call.answered and this call_control_id, then repeat the call.",
    "90032": "The conference is full: a participant must leave first (leave_conference), or open another with "
    "create_conference.",
    "90033": "A conference with this name is open: list_conferences has its id, and join_conference brings the call "
    "into it.",
    "90034": "It still rings: wait_for_event with call.answered and this call_control_id, then repeat the call; dial "
    "with conference_config joins by itself.",
    "90036": "The queue is full: update_queue makes room, or use another (list_queues).",
    "90038": "It waits in this queue already: list_queue_calls shows its place. Nothing more is needed.",
    "90040": "Telnyx could not download the audio file: its URL must be public and answer with WAV or MP3. "
    "media_name plays a file that was uploaded to Telnyx.",
    "90050": "Only an empty queue can be deleted: list_queue_calls shows who waits; leave_queue, bridge_calls or "
    "hangup_call takes each call out first.",
    "90054": "It is transcribed already: conference_transcript reads it. Nothing more is needed.",
    "90058": "No conference has this id: list_conferences shows those that are open, with their ids.",
    "D38": "The connection has no outbound voice profile, so it cannot call out. The operator must assign one in "
    "Telnyx's portal; repeating will not help.",
    "D51": "The from number is not verified for this account. Use a number of the account as from (whoami shows the "
    "operator's), or the operator must verify it in Telnyx's portal.",
}
"""What to do, by Telnyx's error code. docs/troubleshooting.md lists the same codes."""

_HINTS_BY_WORDS = (
    (
        r"connection_id",
        "A connection must be a Call Control application with a webhook URL: whoami shows the operator's.",
    ),
    (r"only an incoming call", "It is up or outgoing: hangup_call ends it, get_call shows it."),
    (r"queue exists", "Use it as it is; update_queue changes its size."),
    (r"already in conference", "It is where it should be: list_participants shows it. Nothing more is needed."),
    (r"already recording", "It is recorded already: pause_recording, stop_recording, or leave it so."),
    (r"not recording", "Nothing is recorded: start_recording begins one; list_recordings has those that are saved."),
    (r"no transcription in progress", "It is not transcribed: nothing more is needed."),
    (r"recording is paused", "resume_recording goes on with it."),
    (r"not paused", "It runs: nothing to resume. pause_recording pauses it, stop_recording saves it."),
    (r"queue is empty", "Nobody waits there alive: list_queues shows where calls wait."),
    (r"not queued", "It waits nowhere: enqueue_call puts it in a queue, join_conference in a conference."),
    (r"already bridged", "It is connected already: nothing more is needed; join_conference or hangup_call ends that."),
    (r"call is active", "leave_queue takes a live call out of its queue."),
)
"""What to do where Telnyx's code says too little, by words of its title, detail or pointer. The first match counts."""


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


def parse_problems(body: Any) -> tuple[Problem, ...]:
    """The readable entries of Telnyx's `errors`. Their text is escaped: it may repeat what a caller sent."""
    errors = cast("dict[str, Any]", body).get("errors") if isinstance(body, dict) else None
    entries = cast("list[Any]", errors) if isinstance(errors, list) else []
    return tuple(
        _problem(cast("dict[str, Any]", entry)) for entry in entries[:_MAX_PROBLEMS] if isinstance(entry, dict)
    )


def _problem(entry: dict[str, Any]) -> Problem:
    source: Any = entry.get("source")
    pointer = cast("dict[str, Any]", source).get("pointer") if isinstance(source, dict) else None
    return Problem(
        code=_text(entry.get("code"), _MAX_CODE_LENGTH),
        title=_text(entry.get("title") or "refused", _MAX_TITLE_LENGTH),
        detail=_text(entry.get("detail"), _MAX_DETAIL_LENGTH),
        argument=_text(pointer, _MAX_POINTER_LENGTH).strip("/").replace("/", "."),
    )


def _text(value: Any, max_length: int) -> str:
    return "" if value is None else quoted(str(value), max_length)[1:-1]


class TelnyxRefused(CallFailed):
    """Telnyx refused the command: nothing was done."""

    outcome = "refused by Telnyx"

    def __init__(
        self,
        command: Command,
        status: int,
        problems: Sequence[Problem],
        *,
        suggestion: str = "",
        request_id: str | None = None,
    ) -> None:
        """`suggestion` replaces the general advice. Telnyx's support finds the request by `request_id`."""
        self.command = command
        self.status = status
        self.problems = tuple(problems)
        self.request_id = request_id
        reasons = "; ".join(str(problem).rstrip(".") for problem in problems) or "no reason given"
        advice = suggestion or _hint(problems) or _ADVICE_BY_STATUS.get(status, "Nothing was done.")
        super().__init__(
            f"Telnyx refused {command.tool_name()} with {status}: {reasons}. {advice}",
            f"Nothing was done. Telnyx refused it with {status}: {reasons}.",
        )

    def suggesting(self, suggestion: str) -> "TelnyxRefused":
        """The same refusal, with a suggestion in place of the general advice."""
        return TelnyxRefused(
            self.command, self.status, self.problems, suggestion=suggestion, request_id=self.request_id
        )


def _hint(problems: Sequence[Problem]) -> str:
    """What to do about the first problem that has a hint; empty if none has. The general code comes last."""
    text = " ".join(f"{problem.title} {problem.detail} {problem.argument}" for problem in problems)
    # Telnyx names reasons for a refused call, such as D51, in the text of a general error.
    named = [*re.findall(r"\bD\d\d\b", text), *(problem.code for problem in problems)]
    codes = sorted((code for code in named if code in HINTS), key=lambda code: code == _GENERAL)
    by_words = [hint for words, hint in _HINTS_BY_WORDS if re.search(words, text.lower())]
    by_code = [HINTS[code] for code in codes]
    hints = [*by_words, *by_code] if codes[:1] == [_GENERAL] else [*by_code, *by_words]
    return f"Nothing was done. {hints[0]}" if hints else ""


class RateLimited(CallFailed):
    """Telnyx answered 429: nothing was done."""

    def __init__(self, retry_after: float | None) -> None:
        self.retry_after = retry_after
        when = f"in {retry_after:.0f} s" if retry_after else "in a while"
        super().__init__(f"Telnyx limits the rate of requests (429): nothing was done. Repeat the call {when}.")


class TelnyxFailed(CallFailed):
    """A read got no response."""

    def __init__(self, command: Command, reason: str) -> None:
        super().__init__(f"{command.tool_name()} got no answer: {reason}. It only reads: repeat it later.")


class Unreachable(CallFailed):
    """There was no connection: nothing was sent."""

    def __init__(self, command: Command, reason: str) -> None:
        super().__init__(
            f"Telnyx cannot be reached ({reason}): nothing was sent by {command.tool_name()}. "
            "Repeat it later; if this continues, the operator should check the network and TELNYX_BASE_URL.",
            f"Nothing was done: Telnyx cannot be reached ({reason}).",
        )


class OutcomeUnknown(CallFailed):
    """The command may or may not have taken effect."""

    outcome = "unknown outcome"

    def __init__(self, command: Command, reason: str) -> None:
        self.command = command
        super().__init__(
            f"The outcome of {command.tool_name()} is unknown: {reason}. It may or may not have been done. "
            + _how_to_repeat(command),
            f"Telnyx did not say what came of this: {reason}. Look at the conference before you press again.",
        )


def _how_to_repeat(command: Command) -> str:
    if command.retry is Retry.DEDUPED:
        command_id = getattr(command, "command_id", None)
        return (
            f"To be sure, repeat the call within {DEDUPE_SECONDS} s with command_id {command_id}: "
            "Telnyx then does it at most once. Later than that, look at the state first."
        )
    if command.retry is Retry.IDEMPOTENT:
        return "It is safe to repeat: doing it twice has the same effect as once."
    return "Do not repeat it blindly, or it may happen twice: look at the state first, or ask the person."
