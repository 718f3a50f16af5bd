"""Access checks before MCP and metrics: host, origin, bearer token, and the time that a body may take."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from pydantic_core import from_json
from starlette.authentication import AuthCredentials
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth import Identity, TokenScope
from ..auth.authenticator import Authenticator
from ..lifecycle import Shutdown
from ..settings import Settings, is_loopback

MAX_BODY_BYTES = 1024 * 1024
"""Of a request to `/mcp`."""
_BODY_TIMEOUT_S = 30.0
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class _BodyTimeout(Exception):
    """A request body did not arrive in time."""


class AccessMiddleware:
    """Lets a request through to the app, or answers why not.

    - 421: the host is not one of this server's names, such as in DNS rebinding. 403: nor is the origin.
    - 401: no valid token. Where none is required: the connection did not come to a loopback address.
    - 403: the token lacks the scope. 408: the body took more than 30 seconds.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, shutdown: Shutdown, authenticator: Authenticator, scope: TokenScope
    ) -> None:
        """`scope`: what the token must allow."""
        # The SDK's sessions and sealed states read the identity from this context.
        self._app: ASGIApp = AuthContextMiddleware(app)
        self._shutdown = shutdown
        self._authenticator = authenticator
        self._scope = scope
        self._names = TransportSecurityMiddleware(allowed_names(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._names.validate_request(Request(scope))
        if refusal is None and not self._authenticator.is_required and not _came_to_loopback(scope):
            refusal = PlainTextResponse("Without tokens, this server is open to this machine only.", 401)
        if refusal is None:
            result = await self._authenticator.authenticate(scope, self._scope)
            if isinstance(result, Identity):
                _set_identity(scope, result)
            else:
                refusal = result
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it answers a question of the server and its token may only read.

        In a session, a question is about a call by a token that may control. Another token of the same identity, which
        may only read, must not answer it.
        """
        identity: Identity | None = scope.get("identity")
        if identity is not None and scope["method"] == "POST" and not identity.may(TokenScope.CONTROL):
            body, receive = await _buffered(receive)
            if _is_answer(body):
                response = PlainTextResponse(f"Answers to questions need the scope {TokenScope.CONTROL}.", 403)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_response_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_response_begun
            has_response_begun = True
            await send(message)

        try:
            await self._forward(scope, self._guarded_receive(scope, receive), send_noted)
        except _BodyTimeout:
            if not has_response_begun:
                response = PlainTextResponse("The body took too long.", 408, {"connection": "close"})
                await response(scope, receive, send)

    def _guarded_receive(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` with a deadline for the body. After the body, it reports a disconnect when the token becomes
        invalid, and for a GET, which only listens, when the server shuts down."""
        deadline = asyncio.get_running_loop().time() + _BODY_TIMEOUT_S
        is_body_complete = False

        async def receive_body() -> Message:
            nonlocal is_body_complete
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _BodyTimeout from None
            is_body_complete = not message.get("more_body", False)
            return message

        async def receive_guarded() -> Message:
            if not is_body_complete:
                return await receive_body()
            with self._authenticator.while_valid(scope.get("identity")):
                if scope["method"] != "GET":
                    return await receive()
                with self._shutdown.cancel_scope():
                    return await receive()
            return {"type": "http.disconnect"}

        return receive_guarded


async def _buffered(receive: Receive) -> tuple[bytes, Receive]:
    """The body as far as the app may accept it, and a `receive` that begins with it again."""
    messages: list[Message] = []
    size, has_more = 0, True
    while has_more and size <= MAX_BODY_BYTES:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
        has_more = messages[-1].get("more_body", False)
    body = b"".join(message.get("body", b"") for message in messages)

    async def receive_again() -> Message:
        return messages.pop(0) if messages else await receive()

    return body, receive_again


def _is_answer(body: bytes) -> bool:
    """Whether a body contains a JSON-RPC response. It is read as the SDK reads it; the SDK refuses other text."""
    try:
        content = from_json(body)
    except ValueError:
        return False
    messages = cast("list[Any]", content) if isinstance(content, list) else [content]
    return any(isinstance(message, dict) and ("result" in message or "error" in message) for message in messages)


def _set_identity(scope: Scope, identity: Identity) -> None:
    """Note who makes the request, for this server and in the SDK's own terms.

    The SDK gets the name and not the token, so that a renewed token continues the session of the old one.
    """
    scopes = sorted(map(str, identity.scopes))
    claims = {"iss": identity.issuer} if identity.issuer else {}
    token = AccessToken(token="", client_id=identity.name, scopes=scopes, subject=identity.name, claims=claims)
    scope["user"] = AuthenticatedUser(token)
    scope["auth"] = AuthCredentials(scopes)
    scope["identity"] = identity


def allowed_names(settings: Settings) -> TransportSecuritySettings:
    """The hosts and origins that requests may name: loopback's, the listening address, and those in the settings."""
    hosts = [*_LOOPBACK_NAMES, *settings.allowed_hosts, *_host_header(settings.host)]
    local = [f"http://{name}" for name in _LOOPBACK_NAMES]
    named = [f"{scheme}://{host}" for host in settings.allowed_hosts for scheme in ("https", "http")]
    return TransportSecuritySettings(
        allowed_hosts=_with_any_port(hosts),
        allowed_origins=_with_any_port([*local, *named, *settings.allowed_origins]),
    )


def _host_header(host: str) -> Iterable[str]:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return ()
    return (f"[{host}]" if ":" in host else host,)


def _with_any_port(names: Iterable[str]) -> list[str]:
    return [pattern for name in dict.fromkeys(names) for pattern in (name, f"{name}:*")]


def _came_to_loopback(scope: Scope) -> bool:
    """Whether the connection was made to a loopback address. Headers do not count."""
    server: tuple[str, int | None] | None = scope.get("server")
    return server is not None and is_loopback(server[0])
