"""Who calls over HTTP, proved by a bearer token: one of this server's own, or one of an OAuth issuer."""

from .identity import AuthUnavailable, Identity
from .scopes import SCOPES, TokenScope, scopes_of

__all__ = ["SCOPES", "AuthUnavailable", "Identity", "TokenScope", "scopes_of"]
