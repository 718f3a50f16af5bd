"""One tool call, as the audit tells it."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from ...tools.base import Command, Tool
from ...tools.words import CONTENT, HIDDEN, PLAIN, clean, hidden, say

_LONGEST = 500
_MOST_ITEMS = 100
_TELLING = 4
"""Letters or digits: what is shorter is no secret, and stands in other words by chance."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    session: str
    """One conversation."""
    client: str
    """Name and version, as the client gives them: nobody has proved them."""
    identity: str | None = None
    """Who that is, where it was proved."""
    may_control: bool = True
    """They may change something; otherwise what they proved lets them read only."""
    is_alone: bool = True
    """The process serves nobody else: the conversation began with it, and ends with it."""


@dataclass(slots=True)
class CallRecord:
    """What is known of a call so far."""

    caller: Caller
    tool: type[Tool]
    given: Mapping[str, Any]
    keep_content: bool = False
    call: str = field(default_factory=lambda: secrets.token_hex(8))
    parsed: Tool | None = None
    asked: dict[str, Any] = field(default_factory=dict[str, Any])
    """How a person was asked, and what came back."""
    telnyx: dict[str, Any] = field(default_factory=dict[str, Any])
    """What Telnyx answered, once it has."""
    outcome: str = "given up"
    """What became of it; the client gave it up unless something else is known."""
    why: str | None = None
    begun: float = field(default_factory=time.monotonic)
    taken: float | None = None
    """Seconds from its beginning to its end."""
    _said: dict[str, Any] = field(default_factory=dict[str, Any])
    _said_of: Tool | str | None = "nothing yet"

    def ended(self, outcome: str, why: str | None = None) -> None:
        """What became of the call."""
        self.outcome, self.why = outcome, why

    def close(self) -> None:
        """The call is over."""
        self.taken = time.monotonic() - self.begun

    def entry(self, outcome: str | None = None, newest_event: int | None = None) -> dict[str, Any]:
        """A record of this moment, or of an `outcome` that is not the last; lean.

        `newest_event`: of a write that is let through, the number of the newest event before it.
        """
        if self._said_of is not self.parsed:
            self._said, self._said_of = self._about(), self.parsed
        told: dict[str, Any] = {
            "call": self.call,
            **self._said,
            "outcome": outcome or self.outcome,
            "newest_event": newest_event,
            "why": self._discreet(self.why),
            "asked": self.asked,
            "telnyx": self.telnyx,
            "ms": round((self.taken or time.monotonic() - self.begun) * 1000),
        }
        return {name: value for name, value in told.items() if value or value == 0}

    def _about(self) -> dict[str, Any]:
        """What is the same in every record of the call, once it is parsed."""
        return {
            "session": self.caller.session,
            "client": self.caller.client,
            "identity": self.caller.identity,
            "tool": self.tool.tool_name(),
            "risk": str(self.parsed.current_risk() if self.parsed is not None else self.tool.worst_risk()),
            "does": self._does(),
            "arguments": self._arguments(),
        }

    def _discreet(self, text: str | None) -> str | None:
        """A refusal, which may repeat what is said or keyed on a call, without it."""
        if not text or self.keep_content:
            return text
        for name in CONTENT:
            value = self.given.get(name)
            if isinstance(value, str):
                text = text.replace(PLAIN.get(name, str)(value), hidden(value))
                text = text.replace(value, hidden(value)) if len(value) >= _TELLING else text
        return text

    def _does(self) -> str:
        if not isinstance(self.parsed, Command):
            return ""
        return say(self.parsed.does, vars(self.parsed), PLAIN if self.keep_content else _DISCREET)

    def _arguments(self) -> dict[str, Any]:
        if self.tool.is_secret:
            return {}
        known = _known(self.tool)
        return {
            name if name in known else clean(name, 80): _bounded(self._shown(name, value, is_known=name in known))
            for name, value in list(self.given.items())[:_MOST_ITEMS]
        }

    def _shown(self, name: str, value: Any, *, is_known: bool) -> Any:
        """An argument as it is kept. What is unknown may be a misspelt name of something secret."""
        read = self._as_read(name, value)
        return read if self.keep_content or (is_known and name not in CONTENT) else hidden(read)

    def _as_read(self, name: str, value: Any) -> Any:
        """An argument as it was given; a list, which some hosts send as JSON in a string, as that list."""
        read = getattr(self.parsed, name, value) if isinstance(value, str) else value
        return cast("Any", read) if isinstance(read, list) else value


@cache
def _known(tool: type[Tool]) -> frozenset[str]:
    """The arguments of a tool, by the names under which they are given."""
    return frozenset(about.alias or name for name, about in tool.model_fields.items())


_DISCREET = {**PLAIN, **HIDDEN}


def _bounded(value: Any) -> Any:
    """What a client sent, never longer than a record should be."""
    match value:
        case str():
            return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
        case dict():
            return {str(name)[:80]: _bounded(inner) for name, inner in list(value.items())[:_MOST_ITEMS]}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            return [_bounded(inner) for inner in value[:_MOST_ITEMS]]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
