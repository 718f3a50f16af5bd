"""What a token lets its holder do."""

from collections.abc import Iterable
from enum import StrEnum


class TokenScope(StrEnum):
    """One right."""

    READ = "conferences:read"
    """Tools that change nothing, resources, prompts, numbers."""
    CONTROL = "conferences:control"
    """Every tool that the policy allows, and so reading too."""
    APPROVE = "conferences:approve"
    """The operator page: answering what others asked, the audit, the stop switch."""


SCOPES = tuple(str(scope) for scope in TokenScope)


def scopes_of(names: Iterable[str]) -> frozenset[TokenScope]:
    """The rights that these names give, with those that they imply. What is no scope of this server gives none."""
    given = frozenset(TokenScope(name) for name in names if name in SCOPES)
    return given | {TokenScope.READ} if TokenScope.CONTROL in given else given
