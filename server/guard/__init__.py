"""What an operator lets an agent do."""

from .approvals import (
    ApprovalAnswer,
    ApprovalOutcome,
    ApprovalPending,
    Approvals,
    ApprovedByCaller,
    Approver,
    NoApprover,
)
from .audit_writer import AuditWriter
from .call_record import Caller, CallRecord, TelnyxRecord
from .gate import Gate
from .guard import Guard
from .ledger import Ledger
from .policy import Policy
from .questions import Question

__all__ = [
    "ApprovalAnswer",
    "ApprovalOutcome",
    "ApprovalPending",
    "Approvals",
    "ApprovedByCaller",
    "Approver",
    "AuditWriter",
    "CallRecord",
    "Caller",
    "Gate",
    "Guard",
    "Ledger",
    "NoApprover",
    "Policy",
    "Question",
    "TelnyxRecord",
]
