"""What stands between an agent and the line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...tools.base import Tool
from .gate import Gate
from .journal import Caller, Journal
from .ledger import Ledger
from .policy import Policy
from .recorder import Recorder


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of one server."""

    policy: Callable[[Caller], Policy]
    """The one that holds at the moment for a caller."""
    gate: Gate
    ledger: Ledger
    recorder: Recorder
    dry_run: bool = False
    """Nothing that changes something is sent."""
    keep_content: bool = False
    """The audit keeps what is said and keyed."""

    def journal(self, caller: Caller, tool: type[Tool], given: Mapping[str, Any]) -> Journal:
        """A new call."""
        return Journal(caller, tool, given, self.keep_content)
