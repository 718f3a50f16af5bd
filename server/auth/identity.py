"""Somebody who has proved who they are."""

from dataclasses import dataclass
from datetime import datetime

from .scopes import TokenScope


class AuthUnavailable(Exception):
    """It cannot be found out now whether a token holds; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token proves, and what it lets them do."""

    name: str
    """Of this server's own tokens the name they were made for; of an issuer's `oauth:` and the subject."""
    scopes: frozenset[TokenScope]
    token_id: str | None = None
    """The public part of this server's own token."""
    expires_at: datetime | None = None
    issuer: str | None = None

    def may(self, scope: TokenScope) -> bool:
        """Whether they have this right."""
        return scope in self.scopes
