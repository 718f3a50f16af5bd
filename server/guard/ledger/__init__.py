"""What the guard remembers, in the store that all processes share: approvals, the stop switch, limits, the audit."""

from .approvals import Approval, Asked, Decision, NoSuchApproval, State
from .audit import Record
from .ledger import LASTS, Ledger
from .spending import Full
from .switch import Stopped
from .tokens import Token
from .verifying import Broken, Verified

__all__ = [
    "LASTS",
    "Approval",
    "Asked",
    "Broken",
    "Decision",
    "Full",
    "Ledger",
    "NoSuchApproval",
    "Record",
    "State",
    "Stopped",
    "Token",
    "Verified",
]
