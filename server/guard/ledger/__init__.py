"""What the guard remembers, in the store that all processes share: approvals, the stop switch, limits, the audit."""

from .audit import MAX_CLOCK_DISORDER, MAX_NUMBER, AuditRecord, ChainLink, export_line
from .audit_verifier import AuditTampered, Verified
from .grants import Grant, GrantTerms, GrantUse, NoSuchGrant
from .ledger import APPROVAL_TTL, Ledger
from .opt_outs import OptOut
from .pending_approvals import (
    MAX_QUESTION_LENGTH,
    ApprovalRequest,
    Decision,
    NoSuchApproval,
    PendingApproval,
    State,
    new_code,
    normalized_code,
)
from .rate_limits import LimitReached
from .sign_ins import SIGN_IN_CODE_TTL, SIGN_IN_IDLE_TIMEOUT, SignIn
from .stop_switch import Stopped
from .tokens import Token

__all__ = [
    "APPROVAL_TTL",
    "MAX_CLOCK_DISORDER",
    "MAX_NUMBER",
    "MAX_QUESTION_LENGTH",
    "SIGN_IN_CODE_TTL",
    "SIGN_IN_IDLE_TIMEOUT",
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
    "SignIn",
    "State",
    "Stopped",
    "Token",
    "Verified",
    "export_line",
    "new_code",
    "normalized_code",
]
