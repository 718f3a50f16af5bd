"""What an operator lets an agent do."""

from .approvals import Answer, ApprovalPending, Approvals, Asker, NobodyToAsk, Reply
from .audit_writer import AuditWriter
from .call_record import Caller, CallRecord
from .gate import Gate
from .guard import Guard
from .ledger import Ledger
from .policy import ApprovalLevel, Policy
from .questions import Question

__all__ = [
    "Answer",
    "ApprovalLevel",
    "ApprovalPending",
    "Approvals",
    "Asker",
    "AuditWriter",
    "CallRecord",
    "Caller",
    "Gate",
    "Guard",
    "Ledger",
    "NobodyToAsk",
    "Policy",
    "Question",
    "Reply",
]
