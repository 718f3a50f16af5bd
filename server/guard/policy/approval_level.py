"""Whether a command needs a person's approval."""

from collections.abc import Iterable
from enum import StrEnum


class ApprovalPolicy(StrEnum):
    """What a command needs before it is sent, from lax to strict."""

    NEVER = "never"
    """No approval."""
    ASK = "ask"
    """A person's approval."""
    REFUSE = "refuse"
    """It is never sent."""


_RISING = tuple(ApprovalPolicy)


def strictest(policies: Iterable[ApprovalPolicy]) -> ApprovalPolicy:
    """The strictest of at least one policy."""
    return max(policies, key=_RISING.index)
