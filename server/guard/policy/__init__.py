"""What this server allows at all: which tools exist, what they may touch, when, how much, and who is asked."""

from .approval_level import ApprovalPolicy
from .explain import explain_policy, policy_sections
from .limits import Limit
from .loader import PolicySource
from .parser import PolicyError, read_rules
from .policy import Policy, PolicyDecision
from .rules import ApprovalRules, HourRules, LimitRules, Measures, Rules, ScopeRules, ToolRules
from .scope import ConferenceFacts, QueuedFacts, ScopeFacts

__all__ = [
    "ApprovalPolicy",
    "ApprovalRules",
    "ConferenceFacts",
    "HourRules",
    "Limit",
    "LimitRules",
    "Measures",
    "Policy",
    "PolicyDecision",
    "PolicyError",
    "PolicySource",
    "QueuedFacts",
    "Rules",
    "ScopeFacts",
    "ScopeRules",
    "ToolRules",
    "explain_policy",
    "policy_sections",
    "read_rules",
]
