"""Who calls: the conversation a request belongs to. The one place that tells one client of a process from another.

Over stdio a process has one client, and the conversation is as long as the process. Over HTTP it is the client's
session at protocol 2025-11-25. Protocol 2026-07-28 has no sessions, and neither has `--stateless`: there a conversation
is an identity with a client's name, in whichever process it is answered. The identity is the one that the request's own
token proved, not that with which a session began.
"""

import hashlib
import secrets
from functools import lru_cache
from typing import Any

from mcp.server import ServerRequestContext

from ...tools.words import clean
from ..auth import Identity, TokenScope
from ..guard import Caller
from .connections import connection_of

_REMEMBERED = 1_000
"""Names of conversations that are not worked out anew."""
_OWN = secrets.token_hex(8)
"""The conversation of a process that has one client."""


def caller_of(context: ServerRequestContext[Any, Any]) -> Caller:
    """Whose request it is."""
    client = _client(context)
    if context.request is None:
        return Caller(_OWN, client)
    proved: Identity | None = context.request.scope.get("identity")
    who, may_control = (proved.name, proved.may(TokenScope.CONTROL)) if proved is not None else (None, True)
    session = connection_of(context).session_id
    # The session's own id lets whoever knows it speak for the client: only its hash is kept.
    name = _hashed("session", session) if session else _hashed("client", who or "", client.rpartition(" ")[0])
    return Caller(name, client, who, may_control, is_alone=False)


def _client(context: ServerRequestContext[Any, Any]) -> str:
    """The client's own word for itself."""
    params = context.session.client_params
    return clean(f"{params.client_info.name} {params.client_info.version}", 80) if params is not None else "unknown"


@lru_cache(_REMEMBERED)
def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:16]
