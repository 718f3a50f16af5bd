"""What this server allows at all: which tools exist, what they may touch, when, how much, and who is asked."""

from .alert_rules import AlertCondition, AlertRule
from .approval_level import ApprovalPolicy
from .calling import BrokenRule, CallingPolicy, CallingRule
from .consent import ConsentPolicy
from .explain import calling_lines, explain_policy, policy_sections
from .limits import Limit
from .loader import PolicySource
from .parser import PolicyError, read_rules
from .policy import Policy, PolicyDecision
from .rules import (
    ApprovalRules,
    CallingRules,
    ConsentMode,
    HourRules,
    LimitRules,
    Measures,
    RecordingRules,
    Rules,
    ScopeRules,
    ToolRules,
)
from .targets import ConferenceFacts, RecordingFacts, ScopeFacts

__all__ = [
    "AlertCondition",
    "AlertRule",
    "ApprovalPolicy",
    "ApprovalRules",
    "BrokenRule",
    "CallingPolicy",
    "CallingRule",
    "CallingRules",
    "ConferenceFacts",
    "ConsentMode",
    "ConsentPolicy",
    "HourRules",
    "Limit",
    "LimitRules",
    "Measures",
    "Policy",
    "PolicyDecision",
    "PolicyError",
    "PolicySource",
    "RecordingFacts",
    "RecordingRules",
    "Rules",
    "ScopeFacts",
    "ScopeRules",
    "ToolRules",
    "calling_lines",
    "explain_policy",
    "policy_sections",
    "read_rules",
]
