"""The guard: everything between a tool call and Telnyx."""

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
    """The current policy for a caller."""
    gate: Gate
    ledger: Ledger
    audit_writer: AuditWriter
    dry_run: bool = False
    """Writes are described and not sent."""
    keep_content: bool = False
    """The audit keeps what is spoken and keyed."""

    def new_record(self, caller: Caller, tool: type[Tool], given: Mapping[str, Any]) -> CallRecord:
        """The record of a new call."""
        return CallRecord(caller, tool, given, self.keep_content)
