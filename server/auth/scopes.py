"""The rights that a token can carry."""

from collections.abc import Iterable
from enum import StrEnum


class TokenScope(StrEnum):
    """One right."""

    READ = "conferences:read"
    """Read-only tools, resources, prompts and metrics."""
    CONTROL = "conferences:control"
    """Every tool that the policy allows. Implies `READ`."""
    APPROVE = "conferences:approve"
    """The operator page: answer other clients' approval requests, read the audit, use the stop switch."""


SCOPES = tuple(str(scope) for scope in TokenScope)
AGENT_SCOPES = (TokenScope.READ, TokenScope.CONTROL)
"""What an agent asks for. `APPROVE` is for people, and is granted separately."""


def scopes_of(names: Iterable[str]) -> frozenset[TokenScope]:
    """The scopes with these names, and those that they imply. Names of other services' scopes are ignored."""
    scopes = frozenset(TokenScope(name) for name in names if name in SCOPES)
    return scopes | {TokenScope.READ} if TokenScope.CONTROL in scopes else scopes
