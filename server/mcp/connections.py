"""The one door to the SDK's connection behind a request, which it does not hand to handlers itself.

Notifications that belong to no request (a resource changed, a caller joined) go to the connection. A test fails when
the SDK moves it.
"""

from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.connection import Connection


def connection_of(context: ServerRequestContext[Any, Any]) -> Connection:
    """The client's connection, which outlives the request."""
    return context.session._connection  # pyright: ignore[reportPrivateUsage]
