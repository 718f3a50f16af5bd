"""What stands between an agent and the line."""

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...tools.base import Tool
from .gate import Gate
from .journal import Caller, Journal
from .policy import Policy
from .recorder import Recorder

_MOST_DONE = 10_000


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of one server."""

    policy: Callable[[], Policy]
    """The one that holds at the moment."""
    gate: Gate
    recorder: Recorder
    dry_run: bool = False
    """Nothing that changes something is sent."""
    keep_content: bool = False
    """The audit keeps what is said and keyed."""
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    done: deque[tuple[str, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=_MOST_DONE))
    """What Telnyx has accepted in this session, in order: tools, with their arguments as they were given."""

    def journal(self, tool: type[Tool], given: Mapping[str, Any], client: str) -> Journal:
        """A new call."""
        return Journal(Caller(self.session, client), tool, given, self.keep_content)
