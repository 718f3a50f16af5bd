"""What this server allows at all: which tools exist, what they may touch, when, how much, and who is asked."""

from .explain import explain, sections
from .levels import Approval, Level
from .limits import Limit
from .policy import Judgement, Policy
from .reading import PolicyError, read_rules
from .rules import ApprovalRules, HourRules, LimitRules, Measures, Rules, ScopeRules, ToolRules
from .scope import ConferenceFacts, QueuedFacts, ScopeFacts
from .source import PolicySource

__all__ = [
    "Approval",
    "ApprovalRules",
    "ConferenceFacts",
    "HourRules",
    "Judgement",
    "Level",
    "Limit",
    "LimitRules",
    "Measures",
    "Policy",
    "PolicyError",
    "PolicySource",
    "QueuedFacts",
    "Rules",
    "ScopeFacts",
    "ScopeRules",
    "ToolRules",
    "explain",
    "read_rules",
    "sections",
]
