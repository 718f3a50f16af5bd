"""What a token lets its holder do."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One right."""

    READ = "conferences:read"
    """Tools that change nothing, resources, prompts, numbers."""
    CONTROL = "conferences:control"
    """Every tool that the policy allows, and so reading too."""
    APPROVE = "conferences:approve"
    """The operator page: answering what others asked, the audit, the stop switch."""


SCOPES = tuple(str(scope) for scope in Scope)


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """The rights that these names give, with those that they imply. What is no scope of this server gives none."""
    given = frozenset(Scope(name) for name in names if name in SCOPES)
    return given | {Scope.READ} if Scope.CONTROL in given else given
