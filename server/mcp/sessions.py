"""Who calls: the caller, the conversation and the connection behind a request.

Over stdio a process has one client, and the conversation lasts as long as the process. Over HTTP at protocol 2025-11-25
it is the client's session. Protocol 2026-07-28 and `--stateless` have no sessions: there a conversation is an identity
together with a client name, in any process. The identity comes from the request's own token, not from the token that
opened the session.

This is the only file that uses the SDK's private connection.
"""

import hashlib
import secrets
from functools import lru_cache
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.connection import Connection

from ...tools.text import clean
from ..auth import Identity, TokenScope
from ..guard import Caller

_MAX_CACHED_SESSIONS = 1_000
_MAX_CLIENT_NAME_LENGTH = 80
_STDIO_SESSION = secrets.token_hex(8)
"""The conversation of a process that has one client."""


def connection_of(context: ServerRequestContext[Any, Any]) -> Connection:
    """The client's connection, which outlives the request.

    Notifications that belong to no request (a changed resource, a new caller) are sent on it. The SDK does not give it
    to handlers; a test fails when the SDK moves it.
    """
    return context.session._connection  # pyright: ignore[reportPrivateUsage]


def caller_of(context: ServerRequestContext[Any, Any]) -> Caller:
    """The caller of a request."""
    client = _client_name(context)
    if context.request is None:
        return Caller(_STDIO_SESSION, client)
    identity: Identity | None = context.request.scope.get("identity")
    name, may_control = (identity.name, identity.may(TokenScope.CONTROL)) if identity is not None else (None, True)
    session_id = connection_of(context).session_id
    # A session id is a credential, so only its hash is kept.
    key = ("session", session_id) if session_id else ("client", name or "", client.rpartition(" ")[0])
    return Caller(_hashed(*key), client, name, may_control, is_alone=False)


def _client_name(context: ServerRequestContext[Any, Any]) -> str:
    """The name and version that the client gave."""
    params = context.session.client_params
    if params is None:
        return "unknown"
    return clean(f"{params.client_info.name} {params.client_info.version}", _MAX_CLIENT_NAME_LENGTH)


@lru_cache(_MAX_CACHED_SESSIONS)
def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:16]
