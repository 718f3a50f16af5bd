"""What the guard remembers, in the store that all processes share: approvals, the stop switch, limits, the audit."""

from .audit import AuditRecord, ChainLink
from .audit_verifier import AuditTampered, Verified
from .grants import Grant, GrantTerms, GrantUse, NoSuchGrant
from .ledger import APPROVAL_TTL, Ledger
from .opt_outs import OptOut
from .pending_approvals import ApprovalRequest, Decision, NoSuchApproval, PendingApproval, State
from .rate_limits import LimitReached
from .stop_switch import Stopped
from .tokens import Token

__all__ = [
    "APPROVAL_TTL",
    "ApprovalRequest",
    "AuditRecord",
    "AuditTampered",
    "ChainLink",
    "Decision",
    "Grant",
    "GrantTerms",
    "GrantUse",
    "Ledger",
    "LimitReached",
    "NoSuchApproval",
    "NoSuchGrant",
    "OptOut",
    "PendingApproval",
    "State",
    "Stopped",
    "Token",
    "Verified",
]
