"""What an operator lets an agent do."""

from .approval import Answer, Approvals, Asker, Nobody, Pending, Reply
from .gate import Gate
from .guard import Guard
from .journal import Caller, Journal
from .ledger import Ledger
from .policy import Level, Policy
from .question import Question
from .recorder import Recorder

__all__ = [
    "Answer",
    "Approvals",
    "Asker",
    "Caller",
    "Gate",
    "Guard",
    "Journal",
    "Ledger",
    "Level",
    "Nobody",
    "Pending",
    "Policy",
    "Question",
    "Recorder",
    "Reply",
]
