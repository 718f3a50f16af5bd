"""Authentication over HTTP by bearer tokens: this server's own, or those of an OAuth issuer."""

from .identity import AuthUnavailable, Identity
from .scopes import AGENT_SCOPES, SCOPES, TokenScope, scopes_of

__all__ = ["AGENT_SCOPES", "SCOPES", "AuthUnavailable", "Identity", "TokenScope", "scopes_of"]
