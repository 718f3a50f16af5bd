"""The guard: everything between a tool call and Telnyx."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...tools.base import Command, Tool
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

    def new_request_record(self, caller: Caller, command: Command) -> CallRecord:
        """The record of one request of a call that sends several."""
        record = self.new_record(caller, type(command), command.model_dump(exclude_none=True))
        record.parsed = command
        return record

    def close_record(self, record: CallRecord) -> None:
        """Stop the clock of a call that has ended, and write its record to the audit."""
        record.close()
        self.audit_writer.add(record.entry, record.minimal_entry)
