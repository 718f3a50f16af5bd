"""Whether a command needs a person's approval."""

from collections.abc import Iterable
from enum import StrEnum


class ApprovalPolicy(StrEnum):
    """What a command needs before it is sent, from lax to strict."""

    NEVER = "never"
    """No approval."""
    ASK = "ask"
    """A person's approval."""
    ASK_EACH = "ask_each"
    """A person's approval of each call: no grant covers it."""
    REFUSE = "refuse"
    """It is never sent."""

    @property
    def asks(self) -> bool:
        """Whether a person is asked."""
        return self in (ApprovalPolicy.ASK, ApprovalPolicy.ASK_EACH)


_RISING = tuple(ApprovalPolicy)


def strictest(policies: Iterable[ApprovalPolicy]) -> ApprovalPolicy:
    """The strictest of at least one policy."""
    return max(policies, key=_RISING.index)
