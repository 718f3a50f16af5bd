"""The audit record of one tool call."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from ...tools.base import Command, Risk, Tool
from ...tools.text import CONTENT_ARGUMENTS, DESCRIBERS, REDACTORS, clean, describe, redacted

_MAX_TEXT_LENGTH = 500
_MAX_ITEMS = 100
_MIN_SECRET_LENGTH = 4
"""Characters. A shorter value occurs in other words by chance."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a tool."""

    session: str
    """Identifies the conversation."""
    client: str
    """Name and version, as the client gives them, unauthenticated."""
    identity: str | None = None
    """The authenticated name, if there is one."""
    may_control: bool = True
    """Whether the caller may use tools that write."""
    is_alone: bool = True
    """Whether the process serves only this caller, as on stdio."""


@dataclass(slots=True)
class ApprovalRecord:
    """An approval question and its answer."""

    question: str
    by: str
    """Who answered it. Empty if nobody did."""
    answer: str
    """yes, no or nobody: the value of an `ApprovalOutcome`."""
    reason: str | None = None
    """The person's reason, or why nobody could be asked."""
    code: str | None = None
    """The code under which the question is stored for a person."""
    grant: str | None = None
    """The code of the grant that covers the call, or that the call asked for."""


@dataclass(slots=True)
class TelnyxRecord:
    """Telnyx's answer."""

    status: int
    request_id: str | None = None
    attempts: int | None = None
    """How often the request was sent, if more than once."""
    at: str | None = None
    """The time by Telnyx's clock, if that is another than this server's."""
    leg: str | None = None
    """The call leg that was called, the first of several."""


@dataclass(slots=True)
class CallRecord:
    """The facts of one call, collected while it runs."""

    caller: Caller
    tool: type[Tool]
    given: Mapping[str, Any]
    """The arguments as the client sent them."""
    keep_content: bool = False
    call: str = field(default_factory=lambda: secrets.token_hex(8))
    parsed: Tool | None = None
    risk: Risk | None = None
    """The risk with its effects, once it is assessed."""
    approval: ApprovalRecord | None = None
    """The last approval question. None if nobody was asked."""
    telnyx: TelnyxRecord | None = None
    """None if Telnyx did not answer."""
    outcome: str = "given up"
    """The result. A call that keeps this one was cancelled by its client."""
    why: str | None = None
    """Why it was refused or failed."""
    started: float = field(default_factory=time.monotonic)
    """On the monotonic clock."""
    seconds: float | None = None
    """How long the call took."""
    _summary: dict[str, Any] = field(default_factory=dict[str, Any])
    _summary_of: Tool | str | None = "nothing yet"

    def end(self, outcome: str, why: str | None = None) -> None:
        """Set the result of the call."""
        self.outcome, self.why = outcome, why

    def close(self) -> None:
        """Stop the clock of the call."""
        self.seconds = time.monotonic() - self.started

    def entry(self, outcome: str | None = None, newest_event: int | None = None) -> dict[str, Any]:
        """The record as JSON, without empty fields. `outcome` replaces the current one.

        `newest_event`: for an admitted write, the number of the newest event before it.
        """
        if self._summary_of is not self.parsed:
            self._summary, self._summary_of = self._fixed_fields(), self.parsed
        entry: dict[str, Any] = {
            "call": self.call,
            **self._summary,
            "risk": str(self._risk()),
            "outcome": outcome or self.outcome,
            "newest_event": newest_event,
            "why": self._without_content(self.why),
            "asked": _filled_fields(self.approval),
            "telnyx": _filled_fields(self.telnyx),
            "ms": round((self.seconds or time.monotonic() - self.started) * 1000),
        }
        return {name: value for name, value in entry.items() if value or value == 0}

    def minimal_entry(self, reason: str) -> dict[str, Any]:
        """The record without what may have failed. `reason`: why it is not complete."""
        entry = {
            "call": self.call,
            "session": self.caller.session.encode(errors="replace").decode(),
            "tool": self.tool.tool_name(),
            "outcome": self.outcome,
            "why": f"the rest of this record could not be written ({reason})",
        }
        return entry | ({"identity": self.caller.identity} if self.caller.identity else {})

    def _risk(self) -> Risk:
        if self.risk is not None:
            return self.risk
        return self.parsed.current_risk() if self.parsed is not None else self.tool.worst_risk()

    def _fixed_fields(self) -> dict[str, Any]:
        """The fields that depend only on the arguments."""
        return {
            "session": self.caller.session,
            "client": self.caller.client,
            "identity": self.caller.identity,
            "tool": self.tool.tool_name(),
            "does": self._does(),
            "arguments": self._arguments(),
        }

    def _without_content(self, text: str | None) -> str | None:
        """A refusal's text without what is spoken or keyed on the call."""
        if not text or self.keep_content:
            return text
        for name in CONTENT_ARGUMENTS:
            value = self.given.get(name)
            if isinstance(value, str):
                text = text.replace(DESCRIBERS.get(name, str)(value), redacted(value))
                text = text.replace(value, redacted(value)) if len(value) >= _MIN_SECRET_LENGTH else text
        return text

    def _does(self) -> str:
        if not isinstance(self.parsed, Command):
            return ""
        return describe(self.parsed.does, vars(self.parsed), DESCRIBERS if self.keep_content else _RECORD_DESCRIBERS)

    def _arguments(self) -> dict[str, Any]:
        if self.tool.is_secret:
            return {}
        names = _argument_names(self.tool)
        return {
            name if name in names else clean(name, 80): _cut_to_size(
                self._stored_value(name, value, is_known=name in names)
            )
            for name, value in list(self.given.items())[:_MAX_ITEMS]
        }

    def _stored_value(self, name: str, value: Any, *, is_known: bool) -> Any:
        """An argument as it is stored. The value of an unknown argument is hidden: it may be a misspelt secret."""
        stored = self._parsed_value(name, value)
        if self.keep_content:
            return stored
        return _without_content(stored) if is_known and name not in CONTENT_ARGUMENTS else redacted(stored)

    def _parsed_value(self, name: str, value: Any) -> Any:
        """An argument as the client gave it. A list or object that a host sent as JSON in a string is stored itself."""
        parsed = getattr(self.parsed, name, value) if isinstance(value, str) else value
        if isinstance(parsed, BaseModel):
            return parsed.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return cast("Any", parsed) if isinstance(parsed, list | dict) else value


def _filled_fields(record: ApprovalRecord | TelnyxRecord | None) -> dict[str, Any]:
    """The fields of a part of the record, without empty ones."""
    names = record.__slots__ if record is not None else ()
    return {name: value for name in names if (value := getattr(record, name))}


@cache
def _argument_names(tool: type[Tool]) -> frozenset[str]:
    """The names of a tool's arguments."""
    return frozenset(about.alias or name for name, about in tool.model_fields.items())


def _without_content(value: Any) -> Any:
    """An argument without the content arguments that it names, as the limits of a grant do."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value).items()
        return {name: redacted(inner) if name in CONTENT_ARGUMENTS else inner for name, inner in fields}
    is_json = isinstance(value, str) and value.lstrip().startswith("{")
    return redacted(value) if is_json and any(f'"{name}"' in value for name in CONTENT_ARGUMENTS) else value


_RECORD_DESCRIBERS = {**DESCRIBERS, **REDACTORS}


def _cut_to_size(value: Any) -> Any:
    """A value cut to the size of a record."""
    match value:
        case str():
            return value if len(value) <= _MAX_TEXT_LENGTH else f"{value[: _MAX_TEXT_LENGTH - 1]}…"
        case dict():
            fields = list(cast("dict[Any, Any]", value).items())
            return {str(name)[:80]: _cut_to_size(inner) for name, inner in fields[:_MAX_ITEMS]}
        case list():
            return [_cut_to_size(inner) for inner in cast("list[Any]", value)[:_MAX_ITEMS]]
        case _:
            return value
