"""Whether a person is asked: from which risk on, and what is said of one tool."""

from collections.abc import Iterable
from enum import StrEnum

from ....tools.base import Risk


class ApprovalLevel(StrEnum):
    """From which risk on a person is asked."""

    DESTRUCTIVE = "destructive"
    DISRUPTIVE = "disruptive"
    ALL = "all"
    NEVER = "never"

    def asks(self, risk: Risk) -> bool:
        """Whether a command of this risk needs a yes. A read never does."""
        return _FROM[self] <= risk if self is not ApprovalLevel.NEVER else False


_FROM = {
    ApprovalLevel.DESTRUCTIVE: Risk.DESTRUCTIVE,
    ApprovalLevel.DISRUPTIVE: Risk.DISRUPTIVE,
    ApprovalLevel.ALL: Risk.ROUTINE,
}


class ApprovalPolicy(StrEnum):
    """What a command needs before it is sent, in rising strictness."""

    NEVER = "never"
    """Nobody's yes."""
    ASK = "ask"
    """A person's yes."""
    REFUSE = "refuse"
    """There is no yes to it."""


_RISING = tuple(ApprovalPolicy)


def strictest(said: Iterable[ApprovalPolicy]) -> ApprovalPolicy:
    """The strictest of at least one."""
    return max(said, key=_RISING.index)
