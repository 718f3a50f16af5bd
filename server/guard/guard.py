"""What stands between an agent and the line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...tools.base import Tool
from .audit_writer import AuditWriter
from .call_record import Caller, CallRecord
from .gate import Gate
from .ledger import Ledger
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of one server."""

    policy: Callable[[Caller], Policy]
    """The one that holds at the moment for a caller."""
    gate: Gate
    ledger: Ledger
    recorder: AuditWriter
    dry_run: bool = False
    """Nothing that changes something is sent."""
    keep_content: bool = False
    """The audit keeps what is said and keyed."""

    def journal(self, caller: Caller, tool: type[Tool], given: Mapping[str, Any]) -> CallRecord:
        """A new call."""
        return CallRecord(caller, tool, given, self.keep_content)
