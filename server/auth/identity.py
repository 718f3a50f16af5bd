"""The identity that a token proves."""

from dataclasses import dataclass
from datetime import datetime

from .scopes import TokenScope


class AuthUnavailable(Exception):
    """Tokens cannot be checked at the moment; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes a request, and what they may do."""

    name: str
    """For this server's own tokens, the name they were created for; for an issuer's, `oauth:` and the subject."""
    scopes: frozenset[TokenScope]
    token_id: str | None = None
    """The public part of this server's own token."""
    expires_at: datetime | None = None
    issuer: str | None = None

    def may(self, scope: TokenScope) -> bool:
        """Whether the token carries this scope."""
        return scope in self.scopes
