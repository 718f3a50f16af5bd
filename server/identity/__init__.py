"""Who calls over HTTP, proved by a bearer token: one of this server's own, or one of an OAuth issuer."""

from .identity import CannotTell, Identity
from .scopes import SCOPES, Scope, scopes_of

__all__ = ["SCOPES", "CannotTell", "Identity", "Scope", "scopes_of"]
